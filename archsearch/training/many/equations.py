"""The linear algebra of Gauss-Newton steps for many members at once; members never mix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.many.linear import Determined, Equations, Linear, Step, grams, ridged, times
from archsearch.training.many.members import Rowed

LOG_TWO_PI = math.log(2.0 * math.pi)


def equations(linear: Linear, in_rows: bool) -> Equations:
    """In the space of the rows if that is the smaller one."""
    kind = InRows if in_rows else InUnknowns
    if not linear.apart:
        return kind.of(linear)
    return OneByOne([kind.of(linear.one(index)) for index in range(len(linear.rows))])


class OneByOne:
    """Those of every member by themselves.

    What a routine for matrices rounds to depends on where in memory they begin, so that inside of one array the result
    for a member would depend on those before it.
    """

    def __init__(self, each: Sequence[Equations]) -> None:
        self._each = each

    def rows(self, index: Tensor) -> OneByOne:
        """These members only."""
        return OneByOne([self._each[member] for member in index.tolist()])

    def step(self, noise: Tensor, damping: Tensor) -> Step:
        """The steps that minimise the damped linearised costs."""
        given = zip(self._each, _singles(noise), _singles(damping), strict=True)
        return Step(*map(torch.cat, zip(*(one.step(*at) for one, *at in given), strict=True)))

    def determined(self, noise: Tensor) -> Determined:
        """How many unknowns the data determine, regularizers left out."""
        told = [one.determined(at) for one, at in zip(self._each, _singles(noise), strict=True)]
        return Determined(*map(torch.cat, zip(*told, strict=True)))

    def log_determinant(self, noise: Tensor) -> Tensor:
        """(R,): of the covariance of what is observed over the noise; infinite where there is none."""
        return torch.cat([one.log_determinant(at) for one, at in zip(self._each, _singles(noise), strict=True)])


@dataclass(frozen=True)
class InRows(Rowed):
    """In the space of the M rows, initial states among the U unknowns.

    Attributes:
        j: (R, M, U), in standard deviations of the priors.
        by_weights: (R, M, M), J J' of the weights.
        by_rest: (R, M, M), of everything else.
        r: (R, M).
        w: (R, U), how far the point is from the means of the priors.
        spread: (R, U).
        data: how many rows are observations; the first ones.
        common: how many unknowns are common; the first ones.
        shape: N and n of what is own.
    """

    j: Tensor
    by_weights: Tensor
    by_rest: Tensor
    r: Tensor
    w: Tensor
    spread: Tensor
    data: int
    common: int
    shape: tuple[int, int]

    @staticmethod
    def of(linear: Linear) -> InRows:
        """Square the Jacobian, in double precision."""
        j = linear.by_common.flatten(1, 2).index_select(1, linear.kept)
        j = torch.cat([j, linear.extra_by_common], 1) * linear.spread.to(j.dtype).unsqueeze(1)
        own = _apart(linear.by_own).index_select(1, linear.kept)
        own = torch.cat([own, own.new_zeros(len(own), linear.extra.shape[1], own.shape[2])], 1)
        first, last = linear.weights
        rest = torch.cat([j[..., :first], j[..., last:], own], -1)
        return InRows(
            j=torch.cat([j, own], -1),
            by_weights=grams(j[..., first:last], linear.apart),
            by_rest=grams(rest, linear.apart),
            r=torch.cat([linear.rows.flatten(1).index_select(1, linear.kept), linear.extra], 1).double(),
            w=torch.cat([linear.away / linear.spread, linear.own_away.flatten(1)], 1),
            spread=torch.cat([linear.spread, torch.ones_like(linear.own_away).flatten(1)], 1),
            data=len(linear.kept),
            common=j.shape[-1],
            shape=(linear.own_away.shape[1], linear.own_away.shape[2]),
        )

    def step(self, noise: Tensor, damping: Tensor) -> Step:
        """The steps that minimise the damped linearised costs."""
        total = noise + damping
        share = (noise / total).unsqueeze(-1)  # the squared distance to the prior is completed with that of the step
        factor, info = torch.linalg.cholesky_ex(ridged(self.by_weights + self.by_rest, total))
        right = self.r - share * times(self.j, self.w)
        solved = torch.cholesky_solve(right.unsqueeze(-1), factor).squeeze(-1)
        change = -times(self.j.mT, solved) - share * self.w
        left = (total.unsqueeze(-1) * solved).square().sum(-1)  # of the residuals, by the equation just solved
        promised = left + noise * (self.w + change).square().sum(-1)
        found = (info == 0) & torch.isfinite(change).all(-1)
        change = change * self.spread
        return Step(
            change[:, : self.common], change[:, self.common :].reshape(len(change), *self.shape), found, promised
        )

    def determined(self, noise: Tensor) -> Determined:
        """How many unknowns the data determine, regularizers left out.

        Reference:
            MacKay (1992), Neural Computation 4:415, eq. 4.9.
        """
        by_weights, by_rest = (whole[:, : self.data, : self.data] for whole in (self.by_weights, self.by_rest))
        factor, info = torch.linalg.cholesky_ex(ridged(by_weights + by_rest, noise))
        inverse = torch.cholesky_inverse(factor)
        return Determined((inverse * by_weights).sum((1, 2)), (inverse * by_rest).sum((1, 2)), info == 0)

    def log_determinant(self, noise: Tensor) -> Tensor:
        """(R,): of the covariance of what is observed over the noise; infinite where there is none."""
        factor, info = torch.linalg.cholesky_ex(ridged(self.by_weights + self.by_rest, noise))
        return torch.where(info == 0, _log_determinant(factor) - self.r.shape[1] * noise.log(), torch.inf)


@dataclass(frozen=True)
class InUnknowns(Rowed):
    """In the space of the C common unknowns, initial states eliminated.

    Attributes:
        j: (R, M, C), in standard deviations of the priors, extra rows last.
        own: (R, N, L, n).
        square: (R, C, C), J' J.
        data: (R, C, C), the same of the observations.
        border: (R, N, n, C), own' J.
        corner: (R, N, n, n), own' own.
        r: (R, M).
        w: (R, C).
        own_w: (R, N, n).
        spread: (R, C).
        weights: from which to which common unknown they are weights.
    """

    j: Tensor
    own: Tensor
    square: Tensor
    data: Tensor
    border: Tensor
    corner: Tensor
    r: Tensor
    w: Tensor
    own_w: Tensor
    spread: Tensor
    weights: tuple[int, int]

    @staticmethod
    def of(linear: Linear) -> InUnknowns:
        """Square the Jacobian, in double precision."""
        spread = linear.spread.to(linear.by_common.dtype)
        by_common = linear.by_common * spread[:, None, None]
        extra = linear.extra_by_common * spread.unsqueeze(1)
        data = grams(by_common.flatten(1, 2).mT, linear.apart)
        own = linear.by_own.double()
        return InUnknowns(
            j=torch.cat([by_common.flatten(1, 2), extra], 1),
            own=own,
            square=data + grams(extra.mT, linear.apart),
            data=data,
            border=own.mT @ by_common.double(),
            corner=own.mT @ own,
            r=torch.cat([linear.rows.flatten(1), linear.extra], 1).double(),
            w=linear.away / linear.spread,
            own_w=linear.own_away,
            spread=linear.spread,
            weights=linear.weights,
        )

    def step(self, noise: Tensor, damping: Tensor) -> Step:
        """The steps that minimise the damped linearised costs."""
        total = noise + damping
        share = noise / total
        size = self.own.shape[1] * self.own.shape[2]
        by_own = (self.own @ self.own_w.unsqueeze(-1)).flatten(1)
        right = self.r - share.unsqueeze(-1) * times(self.j, self.w)
        right = torch.cat([right[:, :size] - share.unsqueeze(-1) * by_own, right[:, size:]], 1)
        own_right = self.own.mT @ right[:, :size].reshape(*self.own.shape[:3], 1)
        shared, pivots, info = self._eliminated(self.square, total)
        solved = torch.cholesky_solve(torch.cat([self.border, own_right], -1), pivots)
        pull = times(self.j.mT, right) - (self.border.mT @ solved[..., -1:]).sum(1).squeeze(-1)
        common = -torch.cholesky_solve(pull.unsqueeze(-1), shared).squeeze(-1)
        own = -(solved[..., -1] + (solved[..., :-1] @ common[:, None, :, None]).squeeze(-1))
        common = common - share.unsqueeze(-1) * self.w
        own = own - share[:, None, None] * self.own_w
        found = info & torch.isfinite(common).all(-1) & torch.isfinite(own).flatten(1).all(-1)
        return Step(common * self.spread, own, found, self._promised(noise, common, own))

    def _promised(self, noise: Tensor, common: Tensor, own: Tensor) -> Tensor:
        """(R,): the cost after a step, in standard deviations of the priors, if residuals were linear."""
        by_own = (self.own @ own.unsqueeze(-1)).flatten(1)
        left = self.r + times(self.j, common)
        left = torch.cat([left[:, : by_own.shape[1]] + by_own, left[:, by_own.shape[1] :]], 1)
        away = (self.w + common).square().sum(-1) + (self.own_w + own).square().sum((1, 2))
        return left.square().sum(-1) + noise * away

    def determined(self, noise: Tensor) -> Determined:
        """How many unknowns the data determine, regularizers left out; all initial states that show count."""
        factor, _, found = self._eliminated(self.data, noise)
        inverse = torch.cholesky_inverse(factor).diagonal(dim1=-2, dim2=-1)
        by_data = 1.0 - noise.unsqueeze(-1) * inverse
        first, last = self.weights
        weights = by_data[:, first:last].sum(-1)
        own = (self.corner.diagonal(dim1=-2, dim2=-1) > 0).sum((1, 2))
        return Determined(weights, by_data.sum(-1) - weights + own, found)

    def log_determinant(self, noise: Tensor) -> Tensor:
        """(R,): of the covariance of what is observed over the noise; infinite where there is none."""
        shared, pivots, found = self._eliminated(self.square, noise)
        count = self.w.shape[1] + self.own_w.shape[1] * self.own_w.shape[2]
        whole = _log_determinant(shared) + _log_determinant(pivots).sum(-1) - count * noise.log()
        return torch.where(found, whole, torch.inf)

    def _eliminated(self, square: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Factors of what is common (R, C, C) and own (R, N, n, n), and for which members (R,) they exist."""
        pivots, own_info = torch.linalg.cholesky_ex(ridged(self.corner, total.unsqueeze(-1)))
        explained = self.border.mT @ torch.cholesky_solve(self.border, pivots)
        shared, info = torch.linalg.cholesky_ex(ridged(square - explained.sum(1), total))
        return shared, pivots, (info == 0) & (own_info == 0).all(-1)


def _singles(values: Tensor) -> list[Tensor]:
    return [values[index : index + 1] for index in range(len(values))]


def _apart(own: Tensor) -> Tensor:
    """(R, N L, N n): each trajectory answers to its own initial state only."""
    members, many, rows, n = own.shape
    whole = own.new_zeros(members, many, rows, many, n)
    whole.diagonal(dim1=1, dim2=3).copy_(own.permute(0, 2, 3, 1))
    return whole.reshape(members, many * rows, many * n)


def _log_determinant(factor: Tensor) -> Tensor:
    return 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
