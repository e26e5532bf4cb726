"""The training problems of many members as sums of squares, with their equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.training.flow.sensitivities import joined
from archsearch.training.many.equations import equations
from archsearch.training.many.flow import Flow
from archsearch.training.many.given import Common, Given, Standing
from archsearch.training.many.linear import Equations, Linear, Step, times
from archsearch.training.many.members import Rowed
from archsearch.training.squares.least_squares import UNINFORMED
from archsearch.training.squares.regularizers import ROWS

Kind = Literal["intervals", "lifted", "rollouts"]
"""Single intervals that start on the smooth; states at all samples unknown too; whole trajectories."""


@dataclass(frozen=True)
class Answers(Rowed):
    """How the states answer to the unknowns.

    Attributes:
        unknowns: (R, N, T, n, P), single precision.
        initial: (R, N, T, n, n).
        gap: (R, N, T, n), how far the joined intervals are from the states.
    """

    unknowns: Tensor
    initial: Tensor
    gap: Tensor


class ManyRows:
    """The losses of many fits, times the number of observations, as sums of squares.

    Args:
        common: what the members share.
        given: all members, to see which rows any of them sees.
        flow: the candidate in time.
        kind: what is fitted.

    Reference:
        As `LeastSquares`; the lifted kind as in Albersmeyer & Diehl (2010), SIAM J. Optim. 20:1655.
    """

    def __init__(self, common: Common, given: Given, flow: Flow, kind: Kind) -> None:
        self.kind, self.flow, self._common = kind, flow, common
        seen = self._seen(given)
        self._kept = seen.any(0).reshape(-1).nonzero().squeeze(-1)
        self._names = tuple(given.weights)
        first = given.rows(self._kept.new_zeros(1))
        extra = self._extra(common.origin.expand(1, -1), first).shape[1]
        self._in_rows = common.observations + extra < len(common.origin)
        self._estimates = kind != "intervals"
        weight = torch.arange(len(common.origin), device=common.origin.device) >= common.physical
        self._is_weight = weight

    # ---- where fits stand --------------------------------------------------------------------------------------

    def visited(self, at: Standing, given: Given) -> Standing:
        """The same unknowns with the states and the cost that belong to them; nodes must stand in `states`."""
        start = self._common.start(given, at.offsets, at.shared)
        if self.kind == "rollouts":
            states = self.flow.rolled(at.p, given, start)
            return self.reckoned(replace(at, states=states, defects=torch.zeros_like(states[:, :, 1:])), given)
        nodes = given.smooth if self.kind == "intervals" else torch.cat([start.unsqueeze(2), at.states[:, :, 1:]], 2)
        ends = self.flow.ends(at.p, given, nodes[:, :, :-1])
        if self.kind == "intervals":
            states, defects = torch.cat([nodes[:, :, :1], ends], 2), torch.zeros_like(ends)
        else:
            states, defects = nodes, ends - nodes[:, :, 1:]
        return self.reckoned(replace(at, states=states, defects=defects), given)

    def reckoned(self, at: Standing, given: Given) -> Standing:
        """The same with its cost for the noise, priors and weights in force."""
        rows = self._rows(at.states, given).square().sum((1, 2, 3)) + self._extra(at.p, given).square().sum(1)
        gaps = (at.defects / given.scale[:, None, None]).square().sum((1, 2, 3))
        away = (self._away(at) / self._spread(at)).square().sum(1) + self._own_away(at).square().sum((1, 2))
        return replace(at, cost=rows + (at.gap * gaps if self.kind == "lifted" else 0.0) + at.noise * away)

    def moved(self, at: Standing, around: Answers, step: Step, given: Given) -> Standing:
        """Where the steps of `at` lead, visited."""
        size = at.p.shape[1]
        offsets = at.offsets + step.own if step.own.shape[-1] else at.offsets
        shared = at.shared + step.common[:, size:]
        states = at.states
        if self.kind == "lifted":
            start = self._common.by_shared(at.shared) * step.common[:, size:]
            by_own = torch.where(self._common.free, given.scale, 0.0).unsqueeze(1)
            starts = start.unsqueeze(1) + (by_own * step.own if step.own.shape[-1] else torch.zeros_like(offsets))
            dtype = around.unknowns.dtype
            change = times(around.unknowns.flatten(1, 3), step.common[:, :size]).reshape(states.shape)
            change = change + (around.initial @ starts.to(dtype)[:, :, None, :, None]).squeeze(-1)
            states = states + change + around.gap
        return self.visited(
            replace(at, p=at.p + step.common[:, :size], offsets=offsets, shared=shared, states=states), given
        )

    # ---- equations ---------------------------------------------------------------------------------------------

    def linearised(self, at: Standing, given: Given) -> tuple[Equations, Answers]:
        """The problems around where the fits stand."""
        around = self._answers(at, given)
        dtype = around.unknowns.dtype
        seen = self._seen(given).flatten(2)
        weigh = (1.0 / given.deviation).to(dtype)[:, None, None, :, None]
        by_p, by_start = ((answers * weigh).flatten(2, 3) for answers in (around.unknowns, around.initial))
        bounded = self._common.by_shared(at.shared) * float(self._estimates)
        by_shared = by_start * bounded.to(dtype)[:, None, None]
        by_offset = torch.where(self._common.free, given.scale, 0.0).to(dtype)[:, None, None]
        own = by_start * by_offset if self._has_own else by_start[..., :0]
        extra_by_p = self._extra_by_p(at.p, given).to(dtype)
        none = extra_by_p.new_zeros(*extra_by_p.shape[:2], by_shared.shape[-1])
        linear = Linear(
            rows=self._rows(at.states + around.gap, given).flatten(2),
            by_common=_where(seen, torch.cat([by_p, by_shared], -1)),
            by_own=_where(seen, own),
            extra=self._extra(at.p, given),
            extra_by_common=torch.cat([extra_by_p, none], -1),
            spread=self._spread(at),
            away=self._away(at),
            own_away=self._own_away(at),
            weights=(self._common.physical, at.p.shape[1]),
            kept=self._kept,
            apart=self.flow.way == "member by member",
        )
        return equations(linear, self._in_rows), around

    def misfit(self, at: Standing, given: Given) -> tuple[Tensor, Tensor]:
        """(R,) sum of squares of what is seen, in variances of the data, and how many observations that are."""
        return self._rows(at.states, given).square().sum((1, 2, 3)), self._seen(given).sum((1, 2, 3))

    def weights_away(self, at: Standing) -> Tensor:
        """(R,): squared distance of the weights from 0, in variances 1 / fan-in."""
        scaled = torch.where(self._is_weight, at.p / self._common.deviation, 0.0)
        return scaled.square().sum(1)

    @property
    def has_weights(self) -> bool:
        """Whether there are any nets."""
        return self._common.physical < len(self._common.origin)

    @property
    def noise_is_free(self) -> bool:
        """Whether the noise is to be found."""
        return self._common.noise_is_free

    @property
    def _has_own(self) -> bool:
        return self._estimates and self._common.any_free

    def _answers(self, at: Standing, given: Given) -> Answers:
        members, many, samples, n = at.states.shape
        starts = given.smooth if self.kind == "intervals" else at.states
        found = self.flow.transitions(at.p, given, starts[:, :, :-1])
        if self.kind == "intervals":
            by_p = found.by_unknowns.reshape(members, many, samples - 1, n, -1)
            unknowns = torch.cat([torch.zeros_like(by_p[:, :, :1]), by_p], 2)
            nothing = unknowns.new_zeros(members, many, samples, n, n)
            return Answers(unknowns, nothing, nothing[..., 0])
        defects = at.defects.to(found.by_unknowns.dtype).flatten(0, 1) if self.kind == "lifted" else None
        whole = joined(found, None, defects, members * many)
        each = (whole.unknowns, whole.initial, whole.gap)
        return Answers(*(array.reshape(members, many, *array.shape[1:]) for array in each))

    # ---- rows and priors ---------------------------------------------------------------------------------------

    def _seen(self, given: Given) -> Tensor:
        return given.matched if self.kind == "intervals" else given.seen

    def _rows(self, states: Tensor, given: Given) -> Tensor:
        target = given.smooth if self.kind == "intervals" else given.target
        return torch.where(self._seen(given), (states - target) / given.deviation[:, None, None], 0.0)

    def _spread(self, at: Standing) -> Tensor:
        """(R, C): standard deviations of the priors with the precision in force."""
        decay = at.precision.clamp(min=UNINFORMED).unsqueeze(1)
        weights = torch.where(self._is_weight, self._common.deviation / decay.sqrt(), self._common.deviation)
        return torch.cat([weights, torch.ones_like(at.shared)], 1)

    def _away(self, at: Standing) -> Tensor:
        return torch.cat([at.p - self._common.origin, at.shared], 1)

    def _own_away(self, at: Standing) -> Tensor:
        return at.offsets if self._has_own else at.offsets[..., :0]

    def _sizes(self, given: Given) -> dict[str, Tensor]:
        """(R, 1): sqrt(weight * number of observations) of every regularizer."""
        count = self._seen(given).sum((1, 2, 3))
        return {name: (weight * count).sqrt().unsqueeze(1) for name, weight in given.weights.items()}

    def _extra(self, p: Tensor, given: Given) -> Tensor:
        """(R, Q): the rows of the regularizers."""
        return self._one_by_one(self._regularizers, p, given) if self._names else p.new_zeros(len(p), 0)

    def _extra_by_p(self, p: Tensor, given: Given) -> Tensor:
        """(R, Q, P), single precision."""
        return self._one_by_one(self._slopes, p, given) if self._names else p.new_zeros(len(p), 0, p.shape[1])

    def _one_by_one(self, compute: Callable[[Tensor, Given], Tensor], p: Tensor, given: Given) -> Tensor:
        """Of all members at once, or of one after the other."""
        if self.flow.way == "all at once" or len(p) == 1:
            return compute(p, given)
        each = torch.split(torch.arange(len(p), device=p.device), 1)
        return torch.cat([compute(p.index_select(0, one), given.rows(one)) for one in each])

    def _regularizers(self, p: Tensor, given: Given) -> Tensor:
        slopes = self.flow.slopes(p, given)
        return torch.cat([size * vmap(ROWS[name])(*slopes) for name, size in self._sizes(given).items()], 1)

    @torch.no_grad()
    def _slopes(self, p: Tensor, given: Given) -> Tensor:
        """Node by node, chained with the derivatives of the rows."""
        slopes = self.flow.slopes(p, given)
        by_full, by_physics = self.flow.slopes_by_unknowns(p, given)
        rows = []
        for name, size in self._sizes(given).items():
            first, second = vmap(jacrev(ROWS[name], argnums=(0, 1)))(*slopes)
            found = _chained(first, by_full) + _chained(second, by_physics)
            rows.append(size.to(found.dtype).unsqueeze(-1) * found)
        return torch.cat(rows, 1)


def _where(seen: Tensor, values: Tensor) -> Tensor:
    return torch.where(seen.unsqueeze(-1), values, 0.0)


def _chained(by_value: Tensor, value_by_p: Tensor) -> Tensor:
    """(R, Q, B, n) and (R, B, n, P) to (R, Q, P)."""
    return by_value.flatten(2).to(value_by_p.dtype) @ value_by_p.flatten(1, 2)
