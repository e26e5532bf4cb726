"""Integrate a smooth model over its whole trajectories at once, to tight tolerances and in few evaluations.

A step-by-step method of the same accuracy evaluates a model thousands of times, one small batch after the other. Here
the states at Gauss points of all elements of all trajectories are the unknowns of one system, solved by Newton's
method: a dozen evaluations of large batches. Elements are split where the polynomials in them have not settled. What is
not smooth, blows up, or forgets its past may not converge; such trajectories are left to a step-by-step method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from archsearch.training.flow.integrate import Field
from archsearch.training.implicit.tableau import lagrange
from archsearch.training.reported.exponential import NUDGE, nudged_states
from archsearch.training.reported.gauss_tableau import MOST_PARTS, STAGES, Tableau, gauss_tableau

MOST_STATES = 12
MOST_NUMBERS = 1 << 22
"""Of the matrices of one Newton step."""
MOST_ITERATIONS = 40
PATIENCE = 5
"""Iterations after which elements are looked at, whether or not these have converged on them."""
MOST_IDLE = 3
"""Iterations in a row that do not halve the smallest change so far, after which a trajectory is given up."""
NEAR = 1e-2
"""Relative change of an iteration from which on its polynomials are worth looking at."""
CONTRACTING = 0.1
"""Ratio of two changes from which on the next one is foreseen."""
MARGIN = 4.0
"""How many times finer elements are split than their errors ask for, lest they have to be split again."""
BETWEEN = 10.0
"""How many tolerances the polynomial may be off between the ends of elements, which are much more accurate."""
BLOCK = 64
"""Unknowns of the triangular systems by which elements follow each other."""


@torch.no_grad()
def integrate_at_once(
    field: Field,
    guess: Tensor,
    times: Tensor,
    inputs: Tensor,
    dense: Sequence[int],
    relative: float,
    absolute: float,
    stages: int = STAGES,
) -> list[Tensor]:
    """Solve initial value problems by collocation at Gauss points of all elements together.

    Args:
        field: vector field.
        guess: (N, (T - 1) * k + 1, n), inner coordinates, a rough solution at the samples and evenly between them; its
            first states are the initial ones.
        times: (N, T), time unit.
        inputs: (N, T, m), held from each sample to the next.
        dense: points wanted per sampling interval; any number of times.
        relative: error per element that is allowed, of the largest value of a state in it.
        absolute: the same, in addition, in the unit of the states.
        stages: Gauss points per element; few are enough where little accuracy is asked.

    Returns:
        For every entry of `dense` (N, (T - 1) * dense + 1, n), inner coordinates; every `dense`-th point is a sample.
        NaN for every trajectory for which this does not converge.
    """
    many, samples = times.shape
    found = [guess.new_full((many, (samples - 1) * each + 1, guess.shape[-1]), torch.nan) for each in dense]
    problem = _Problem(field, guess[:, 0], times, inputs, relative, absolute)
    rows = torch.arange(many, device=guess.device)
    elements, progress = _Elements.between(guess, samples - 1, stages), _Progress.begun(guess, relative)
    for _ in range(MOST_ITERATIONS):
        if not problem.is_affordable(elements):
            break
        elements, change, unsettled = problem.improved(elements)
        good, lost = progress.judged(change, unsettled)
        left = ~(good | lost)
        if bool(good.any()):
            solved = elements.only(good)
            for each, states in zip(dense, found, strict=True):
                states[rows[good]] = solved.at(each, samples)
        if not bool(left.any()):
            break
        if not bool(left.all()):
            rows, elements, unsettled = rows[left], elements.only(left), unsettled[left]
            problem, progress = problem.only(left), progress.only(left)
        rough = progress.rough(unsettled)
        if rough is not None:
            elements = elements.split(rough)
            progress.since = 0
    return found


@dataclass
class _Progress:
    """How far Newton's method is, for N trajectories.

    Attributes:
        near: change of an iteration, in tolerances, from which on polynomials are worth looking at.
        change: (N,), of the last iteration; 0 before the first.
        least: (N,), the smallest change so far.
        idle: (N,), iterations since that has halved.
        since: iterations since elements were split.
    """

    near: float
    change: Tensor
    least: Tensor
    idle: Tensor
    since: int = 0

    @staticmethod
    def begun(guess: Tensor, relative: float) -> _Progress:
        """Before the first iteration."""
        nothing = guess.new_zeros(len(guess))
        return _Progress(NEAR / relative, nothing, nothing + torch.inf, nothing)

    def judged(self, change: Tensor, unsettled: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) twice: what is solved, and what is given up, after an iteration with this change."""
        ratio = change / self.change
        converged = (change <= 1) | ((ratio <= CONTRACTING) & (ratio * change <= CONTRACTING))
        self.idle = torch.where((change <= self.least / 2) | converged, 0.0, self.idle + 1)
        self.change, self.least, self.since = change, torch.minimum(self.least, change), self.since + 1
        good = converged & (unsettled <= 1).all(-1)
        return good, ~torch.isfinite(change) | (self.idle > MOST_IDLE)

    def rough(self, unsettled: Tensor) -> Tensor | None:
        """(E,): how far polynomials are off at most, in tolerances; None if they are not worth looking at."""
        looked = (self.change <= self.near) | (self.since >= PATIENCE)
        if not bool(looked.any()):
            return None
        most = unsettled[looked].amax(0)
        return most if bool((most > 1).any()) else None

    def only(self, rows: Tensor) -> _Progress:
        """That of some trajectories."""
        return replace(self, change=self.change[rows], least=self.least[rows], idle=self.idle[rows])


@dataclass(frozen=True)
class _Elements:
    """E elements, the same for all N trajectories, and what is in them.

    Attributes:
        interval: (E,), the sampling interval of each.
        left: (E,), its left end, in that interval.
        width: (E,), of that interval.
        start: (N, E, n), states at the left ends.
        stages: (N, E, s, n), states at the Gauss points.
        end: (N, n), states at the right end of the last.
    """

    interval: Tensor
    left: Tensor
    width: Tensor
    start: Tensor
    stages: Tensor
    end: Tensor

    @staticmethod
    def between(guess: Tensor, intervals: int, count: int) -> _Elements:
        """One between each two points of a guess (N, intervals * k + 1, n), with straight lines in them."""
        nodes = gauss_tableau(count).nodes.to(guess)[:, None]
        stages = torch.lerp(guess[:, :-1, None], guess[:, 1:, None], nodes)
        points = torch.arange(guess.shape[1] - 1, device=guess.device)
        parts = len(points) // intervals
        left = (points % parts).to(guess) / parts
        width = torch.full_like(left, 1 / parts)
        return _Elements(points // parts, left, width, guess[:, :-1], stages, guess[:, -1])

    @property
    def table(self) -> Tableau:
        """Of their Gauss points."""
        return gauss_tableau(self.stages.shape[2])

    def only(self, rows: Tensor) -> _Elements:
        """Those of some trajectories."""
        return replace(self, start=self.start[rows], stages=self.stages[rows], end=self.end[rows])

    def split(self, rough: Tensor) -> _Elements:
        """Elements whose polynomial is off by more than 1 tolerance, (E,), in equal parts."""
        order = self.stages.shape[2]
        parts = ((MARGIN * rough) ** (1 / order)).nan_to_num(MOST_PARTS).ceil().clamp(2, MOST_PARTS)
        parts = torch.where(rough > 1, parts, 1.0).long()
        old = torch.repeat_interleave(torch.arange(len(parts), device=parts.device), parts)
        which = torch.arange(len(old), device=old.device) - (torch.cumsum(parts, 0) - parts)[old]
        share = 1 / parts[old].to(self.left)
        among = self.table.parts.to(self.left)[parts[old] * (parts[old] - 1) // 2 + which]
        states = among @ torch.cat([self.start.unsqueeze(2), self.stages], 2)[:, old]
        left, width = self.left[old] + which * share * self.width[old], share * self.width[old]
        return _Elements(self.interval[old], left, width, states[:, :, 0], states[:, :, 1:], self.end)

    def at(self, dense: int, samples: int) -> Tensor:
        """(N, (samples - 1) * dense + 1, n), at the samples and evenly between them."""
        points = torch.arange((samples - 1) * dense, device=self.left.device)
        interval, share = points // dense, (points % dense).to(self.left) / dense
        edges = self.interval + self.left
        element = torch.searchsorted(edges, interval + share, right=True) - 1
        local = (share - self.left[element]) / self.width[element]
        if dense == 1:
            inside = self.start[:, element]
        else:
            known = torch.cat([self.start.unsqueeze(2), self.stages], 2)[:, element]
            inside = (lagrange(self.table.with_start.to(local), local[:, None]) @ known)[:, :, 0]
        return torch.cat([inside, self.end.unsqueeze(1)], 1)


@dataclass(frozen=True)
class _Problem:
    """N initial value problems."""

    field: Field
    z0: Tensor
    times: Tensor
    inputs: Tensor
    relative: float
    absolute: float

    def only(self, rows: Tensor) -> _Problem:
        """Some of them."""
        return replace(self, z0=self.z0[rows], times=self.times[rows], inputs=self.inputs[rows])

    def is_affordable(self, elements: _Elements) -> bool:
        """Whether a Newton step fits in a few dozen megabytes."""
        many, count, stages, n = elements.stages.shape
        return many * count * (stages * n) ** 2 <= MOST_NUMBERS

    def improved(self, elements: _Elements) -> tuple[_Elements, Tensor, Tensor]:
        """One Newton step.

        Returns:
            The elements with better states; (N,), the largest change of a state, and (N, E), how far polynomials may be
            off, both in tolerances. NaN where nothing is finite any more.
        """
        slopes, jacobian = self._linearised(elements)
        start, stages = self._solved(elements, slopes, jacobian)
        size = torch.maximum(stages.abs().amax(2), start[:, :-1].abs())
        allowed = size.mul_(self.relative).add_(self.absolute)
        change = (stages - elements.stages).abs_().amax(2).div_(allowed).flatten(1)
        last = (elements.table.last.to(slopes) @ slopes).abs_().amax(2).div_(allowed).amax(-1) / BETWEEN
        better = replace(elements, start=start[:, :-1], stages=stages, end=start[:, -1])
        return better, change.amax(-1), last

    def _linearised(self, elements: _Elements) -> tuple[Tensor, Tensor]:
        """Slopes (N, E, s, n) at the Gauss points, per element; their derivatives (n, N, E, s, n), by states first."""
        z, n = elements.stages, elements.stages.shape[-1]
        spans = self.times.diff()[:, elements.interval]
        h = (spans * elements.width)[..., None]
        begin = self.times[:, elements.interval] + elements.left * spans
        t = begin[..., None] + h * elements.table.nodes.to(h)
        u = self.inputs[:, elements.interval, None].expand(*t.shape, -1)
        nudge = NUDGE * (z.abs() + self.absolute / self.relative)
        which = nudged_states(n).to(z)[:, None, None, None]
        places = torch.addcmul(z, which, nudge)
        found = self.field(
            t.flatten().repeat(1 + n), places.view(-1, n), u.reshape(t.numel(), u.shape[-1]).repeat(1 + n, 1)
        )
        slopes = h[..., None] * found.view(places.shape)
        return slopes[0], (slopes[1:] - slopes[:1]).div_(nudge.movedim(-1, 0).unsqueeze(-1))

    def _solved(self, elements: _Elements, slopes: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """New states at the ends of elements (N, E + 1, n) and at their Gauss points (N, E, s, n).

        In each element the linear equations are solved for the stages as affine functions of its start; the starts then
        follow one from the other.
        """
        table, (many, count, stages, n) = elements.table, slopes.shape
        a, ends = table.integrals.to(slopes), table.ends.to(slopes)
        held = (a @ slopes).sub_(elements.stages).add_(elements.start.unsqueeze(2))
        by_states = jacobian.permute(1, 2, 4, 3, 0).unsqueeze(2)
        matrix = (by_states * -a[:, None, :, None]).reshape(many, count, stages * n, stages * n)
        matrix.diagonal(dim1=-2, dim2=-1).add_(1)
        identity = torch.eye(n).to(slopes)
        by_start = identity.repeat(1, stages).expand(many, count, -1, -1)
        right = torch.cat([held.reshape(many, count, 1, -1), by_start], 2)
        moved = torch.linalg.solve_ex(matrix, right.mT)[0].mT.reshape(many, count, 1 + n, stages, n)
        moved[:, :, 0] += elements.stages
        stays = 1 - ends.sum()
        ended = (ends @ moved)[..., 0, :] + stays * torch.cat(
            [elements.start.unsqueeze(2), identity.expand(many, count, -1, -1)], 2
        )
        change = self._followed(elements, ended[:, :, 0], ended[:, :, 1:].mT)
        start = torch.cat([elements.start, elements.end.unsqueeze(1)], 1) + change
        stretched = change[:, :-1, None] @ moved[:, :, 1:].reshape(many, count, n, -1)
        return start, moved[:, :, 0] + stretched.view(elements.stages.shape)

    def _followed(self, elements: _Elements, end: Tensor, follow: Tensor) -> Tensor:
        """(N, E + 1, n): how starts change, each to the `end` of the element before plus what its own start did to it.

        Args:
            elements: with the starts as they are.
            end: (N, E, n), where elements end that begin as they did.
            follow: (N, E, n, n), the derivatives of these ends by the starts.
        """
        many, count, n = end.shape
        jump = end - torch.cat([elements.start[:, 1:], elements.end.unsqueeze(1)], 1)
        changes, most = [(self.z0 - elements.start[:, 0]).unsqueeze(1)], max(BLOCK // n, 1)
        for first in range(0, count, most):
            own, by = jump[:, first : first + most], follow[:, first : first + most]
            size = own.shape[1] * n
            own = torch.cat([own[:, :1] + (by[:, :1] @ changes[-1][:, -1:].unsqueeze(-1))[..., 0], own[:, 1:]], 1)
            lower = own.new_zeros(many, size, size)
            strides = (size * size, size * n + n, size, 1)
            lower.as_strided((many, own.shape[1] - 1, n, n), strides, n * size).copy_(by[:, 1:]).neg_()
            found = torch.linalg.solve_triangular(lower, own.reshape(many, size, 1), upper=False, unitriangular=True)
            changes.append(found.view(many, -1, n))
        return torch.cat(changes, 1)
