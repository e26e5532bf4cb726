"""What the equations of Gauss-Newton steps of many members are made from, and what comes out of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, Self

from torch import Tensor

from archsearch.training.algebra.curvature import gram


class Step(NamedTuple):
    """Changes of the unknowns and what they promise.

    Attributes:
        common: (R, C).
        own: (R, N, n).
        found: (R,), whether the equations could be solved.
        promised: (R,), the cost at their end, if everything were linear.
    """

    common: Tensor
    own: Tensor
    found: Tensor
    promised: Tensor


class Determined(NamedTuple):
    """How many unknowns the data determine, (R,): of the weights, of all others; and whether that could be said."""

    weights: Tensor
    others: Tensor
    found: Tensor


@dataclass(frozen=True)
class Linear:
    """Residuals of R members at a point, their Jacobian, and the priors.

    Attributes:
        rows: (R, N, L), misfits in standard deviations; 0 where nothing was observed.
        by_common: (R, N, L, C), with respect to what all trajectories share.
        by_own: (R, N, L, n), with respect to the initial state of each; n = 0 if these are known.
        extra: (R, Q), residuals that belong to no trajectory.
        extra_by_common: (R, Q, C).
        spread: (R, C), standard deviations of the priors.
        away: (R, C), how far the point is from their means.
        own_away: (R, N, n), the same of what is own, whose deviation is 1.
        weights: from which of the C unknowns to which they are weights of nets.
        kept: (m,), which of the N L rows any member may see.
        apart: whether members are computed one after the other.
    """

    rows: Tensor
    by_common: Tensor
    by_own: Tensor
    extra: Tensor
    extra_by_common: Tensor
    spread: Tensor
    away: Tensor
    own_away: Tensor
    weights: tuple[int, int]
    kept: Tensor
    apart: bool

    def one(self, index: int) -> Linear:
        """That of one member."""
        shared = ("weights", "kept", "apart")
        own = {name: value[index : index + 1] for name, value in vars(self).items() if name not in shared}
        return replace(self, **own)


class Equations(Protocol):
    """Rows and priors at a point, ready for steps with any damping."""

    def rows(self, index: Tensor) -> Self:
        """These members only."""

    def step(self, noise: Tensor, damping: Tensor) -> Step:
        """The steps that minimise the damped linearised costs."""

    def determined(self, noise: Tensor) -> Determined:
        """How many unknowns the data determine, regularizers left out."""

    def log_determinant(self, noise: Tensor) -> Tensor:
        """(R,): of the covariance of what is observed over the noise; infinite where there is none."""


def grams(a: Tensor, apart: bool) -> Tensor:
    """(R, M, M): A A' in double precision; of one member at half the cost, because the result is symmetric."""
    if apart:
        return gram(a.squeeze(0)).unsqueeze(0)
    double = a.double()
    return double @ double.mT


def ridged(matrix: Tensor, ridge: Tensor) -> Tensor:
    """(..., M, M) plus (...,) on the diagonal."""
    damped = matrix.clone()
    damped.diagonal(dim1=-2, dim2=-1).add_(ridge.unsqueeze(-1))
    return damped


def times(a: Tensor, x: Tensor) -> Tensor:
    """(R, M): A (R, M, U) times x (R, U) in the precision of A, then double.

    With two columns, of which one is dropped: a single member with a single column would be multiplied by another
    routine, which rounds differently, and what becomes of a member must not depend on its company.
    """
    twice = x.to(a.dtype).unsqueeze(-1).expand(*x.shape, 2)
    return (a @ twice)[..., 0].double()
