"""Few combinations of rows that say all that very many rows say.

A net that is smooth answers to its weights in a few dozen directions, however many samples and weights there are: the
singular values of the Jacobian fall off by orders of magnitude. What lies below the noise changes no step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.algebra.curvature import factor_of
from archsearch.training.algebra.linear_problem import Determined, Linear, Prior, Step

FIRST = 32
"""Columns that are drawn at first."""
SPARE = 8
"""Columns beyond the directions that are kept: they tell how much is left out."""
WORTH = 200
"""With fewer rows or unknowns than this, nothing is gained."""
SHARE = 4
"""More directions than rows or unknowns over this are not few."""
TAIL = 1e-2
"""What is left out of the sum of the squares of a Jacobian, in variances of the noise."""


@dataclass(frozen=True)
class Directions:
    """Where a matrix points to.

    Attributes:
        basis: (m, k), orthonormal columns.
        count: how many would have been enough.
    """

    basis: Tensor
    count: int


def directions(
    sample: Callable[[int, torch.Generator], Tensor], shape: tuple[int, int], tail: float, guess: int = 0
) -> Directions | None:
    """An orthonormal basis of all but a small tail of what a matrix maps to; None if that takes many directions.

    The draws are the same every time, so that a fit depends on nothing but its own seed.

    Args:
        sample: (m, k), the matrix times k columns of independent standard normal numbers.
        shape: of the matrix.
        tail: the sum of the squares of what may be left out.
        guess: directions that may be enough.

    Reference:
        Halko, Martinsson & Tropp (2011), "Finding structure with randomness", SIAM Review 53:217, section 4.1 and, for
        what is left out, 4.3: the square of what a new column adds is in the mean the tail without it.
    """
    most = min(shape) // SHARE
    if min(shape) < WORTH:
        return None
    generator = torch.Generator().manual_seed(0)
    drawn = sample(min(max(FIRST, guess), most) + SPARE, generator)
    while True:
        basis, triangle = torch.linalg.qr(drawn)
        enough = (_left_out(triangle) <= tail).nonzero()
        if len(enough):
            count = int(enough[0])
            return Directions(basis[:, : count + SPARE], count)
        if drawn.shape[1] >= most:
            return None
        drawn = torch.cat([drawn, sample(min(drawn.shape[1], most + SPARE - drawn.shape[1]), generator)], 1)


def _left_out(triangle: Tensor) -> Tensor:
    """(k - SPARE + 1,), estimates of the tail behind 0, 1, ... directions, from the triangle (k, k) of a sample."""
    return triangle.diagonal().square().double().unfold(0, SPARE, 1).mean(-1)


def compressed(linear: Linear, prior: Prior, noise: float, guess: int = 0) -> Compressed | None:
    """The same problem in the few directions that its rows point to; None if these are many.

    Args:
        linear: residuals and Jacobian.
        prior: of the unknowns.
        noise: variance of the noise: what says less than a small share of it is left out.
        guess: how many directions may be enough.
    """
    seen, many, own = linear.seen, *linear.by_own.shape[::2]
    by_common = torch.cat([linear.by_common[seen], linear.extra_by_common]) * prior.spread().to(linear.by_common)
    rows = torch.cat([linear.rows[seen], linear.extra])
    count, size = len(rows) - len(linear.extra), by_common.shape[1]
    if not bool(torch.isfinite(by_common.sum() + linear.by_own.sum())):
        return None

    def sample(k: int, generator: torch.Generator) -> Tensor:
        drawn = torch.randn(size + many * own, k, generator=generator, dtype=torch.float32).to(by_common)
        found = by_common @ drawn[:size]
        if own:
            found[:count] += (linear.by_own @ drawn[size:].reshape(many, own, k))[seen]
        return found

    found = directions(sample, (len(rows), size + many * own), TAIL * noise, guess)
    if found is None:
        return None
    basis = found.basis
    apart = basis.new_zeros(*seen.shape, basis.shape[1])
    apart[seen] = basis[:count]
    return Compressed(
        rows=rows,
        basis=basis,
        by_common=basis.T @ by_common,
        by_own=(apart.mT @ linear.by_own).transpose(0, 1),
        prior=prior,
        rank=found.count,
    )


class Compressed:
    """A problem of few rows and many unknowns, solved in the space of the rows.

    Args:
        rows: (m,), residuals.
        basis: (m, k), the directions that are kept of them.
        by_common: (k, C), with respect to what all trajectories share, in standard deviations of its prior.
        by_own: (k, M, n), with respect to initial states.
        prior: of the unknowns.
        rank: how many directions would have been enough.
    """

    def __init__(self, rows: Tensor, basis: Tensor, by_common: Tensor, by_own: Tensor, prior: Prior, rank: int) -> None:
        self._rows, self._prior, self.rank = (basis.T @ rows).double(), prior, rank
        self._left = float(rows.double().square().sum() - self._rows.square().sum())  # what no step changes
        self._by = torch.cat([by_common, by_own.flatten(1)], 1).double()
        self._spread = prior.spread().to(self._rows)
        self._away = torch.cat([prior.away.to(self._rows) / self._spread, prior.own_away.to(self._rows).flatten()])
        self._kernel = self._by @ self._by.T

    def step(self, noise: float, damping: float) -> Step | None:
        """The step that minimises the damped linearised cost; None if that cannot be solved."""
        total = noise + damping
        share = noise / total  # the square of the distance to the prior's mean is completed with that of the step
        factor = factor_of(self._kernel, total)
        if factor is None:
            return None
        right = self._rows - share * (self._by @ self._away)
        solved = torch.cholesky_solve(right.unsqueeze(-1), factor).squeeze(-1)
        change = -(solved @ self._by) - share * self._away
        promised = (self._rows + self._by @ change).square().sum() + noise * (self._away + change).square().sum()
        size = len(self._spread)
        own = change[size:].reshape(self._prior.own_away.shape)
        return Step(change[:size] * self._spread, own, float(promised) + self._left)

    def determined(self, noise: float) -> Determined | None:
        """How many unknowns the data determine (see `Curvature.determined`)."""
        factor = factor_of(self._kernel, noise)
        if factor is None:
            return None
        is_weight = torch.zeros(self._by.shape[1], dtype=torch.bool, device=self._by.device)
        is_weight[: len(self._spread)] = self._prior.weights
        by_weights = self._by[:, is_weight]
        inverse, kernel = torch.cholesky_inverse(factor), by_weights @ by_weights.T
        return Determined(float((inverse * kernel).sum()), float((inverse * (self._kernel - kernel)).sum()))

    def covariance(self, noise: float, first: int) -> Tensor | None:
        """(first, first): posterior covariance of the first unknowns (see `Curvature.covariance`)."""
        mine, others = self._by[:, :first], self._by[:, first:]
        kernel = factor_of(others @ others.T, noise)
        if kernel is None:
            return None
        factor = factor_of(noise * mine.T @ torch.cholesky_solve(mine, kernel), noise)
        spread = self._spread[:first]
        return None if factor is None else noise * spread[:, None] * torch.cholesky_inverse(factor) * spread
