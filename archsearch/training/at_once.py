"""Integrate a smooth model over its whole trajectories at once, to tight tolerances and in few evaluations.

A step-by-step method of the same accuracy evaluates a model thousands of times, one small batch after the other. Here
the states at Gauss points of all elements of all trajectories are the unknowns of one system, solved by Newton's
method: a dozen evaluations of large batches. Elements are split where the polynomials in them have not settled. What is
not smooth, blows up, or forgets its past may not converge; such trajectories are left to a step-by-step method.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.gauss_tableau import STAGES, gauss_tableau
from archsearch.training.implicit_tableau import lagrange
from archsearch.training.integrate import Field

MOST_STATES = 12
MOST_NUMBERS = 1 << 22
"""Of the matrices of one Newton step."""
MOST_ITERATIONS = 40
PATIENCE = 5
"""Iterations after which elements are looked at, whether or not these have converged on them."""
NEAR = 1e-2
"""Relative change of an iteration from which on its polynomials are worth looking at."""
MOST_PARTS = 4
BETWEEN = 10.0
"""How many tolerances the polynomial may be off between the ends of elements, which are much more accurate."""
NUDGE = 1e-7
"""Relative difference for derivatives: the iteration corrects their error."""


@torch.no_grad()
def integrate_at_once(
    field: Field, guess: Tensor, times: Tensor, inputs: Tensor, dense: int, relative: float, absolute: float
) -> Tensor:
    """Solve initial value problems by collocation at Gauss points of all elements together.

    Args:
        field: vector field.
        guess: (N, (T - 1) * k + 1, n), inner coordinates, a rough solution at the samples and evenly between them; its
            first states are the initial ones.
        times: (N, T), time unit.
        inputs: (N, T, m), held from each sample to the next.
        dense: points returned per sampling interval.
        relative: error per element that is allowed, of the largest value of a state in it.
        absolute: the same, in addition, in the unit of the states.

    Returns:
        (N, (T - 1) * dense + 1, n), inner coordinates; every `dense`-th point is a sample. NaN for every trajectory for
        which this does not converge.
    """
    problem = _Problem(field, guess[:, 0], times, inputs, relative, absolute)
    elements = _Elements.between(guess, times.shape[1] - 1)
    good, since = torch.zeros(len(guess), dtype=torch.bool, device=guess.device), 0
    for _ in range(MOST_ITERATIONS):
        if not problem.is_affordable(elements):
            break
        elements, change, unsettled = problem.improved(elements)
        lost = ~torch.isfinite(change)
        since += 1
        good = (change <= 1) & (unsettled <= 1).all(-1)
        if bool((good | lost).all()):
            break
        looked = ~lost & ((change * relative <= NEAR) | (since >= PATIENCE))
        rough = unsettled[looked & ~good].amax(0) if bool((looked & ~good).any()) else None
        if rough is not None and bool((rough > 1).any()):
            elements, since = elements.split(rough), 0
    found = elements.at(dense, times.shape[1])
    found[~good] = torch.nan
    return found


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
    def between(guess: Tensor, intervals: int) -> _Elements:
        """One between each two points of a guess (N, intervals * k + 1, n), with straight lines in them."""
        nodes = gauss_tableau().nodes.to(guess)[:, None]
        stages = torch.lerp(guess[:, :-1, None], guess[:, 1:, None], nodes)
        points = torch.arange(guess.shape[1] - 1, device=guess.device)
        parts = len(points) // intervals
        left = (points % parts).to(guess) / parts
        width = torch.full_like(left, 1 / parts)
        return _Elements(points // parts, left, width, guess[:, :-1], stages, guess[:, -1])

    def split(self, rough: Tensor) -> _Elements:
        """Elements whose polynomial is off by more than 1 tolerance, (E,), in equal parts."""
        parts = torch.where(rough > 1, rough ** (1 / STAGES), 1.0).nan_to_num(MOST_PARTS).ceil().clamp(1, MOST_PARTS)
        parts = torch.where(rough > 1, parts.clamp(min=2), parts).long()
        old = torch.repeat_interleave(torch.arange(len(parts), device=parts.device), parts)
        first = torch.cumsum(parts, 0) - parts
        share = 1 / parts[old].to(self.left)
        begin = (torch.arange(len(old), device=old.device) - first[old]) * share
        nodes = gauss_tableau().with_start.to(self.left)
        states = self._inside(old, begin[:, None] + share[:, None] * nodes)
        left, width = self.left[old] + begin * self.width[old], share * self.width[old]
        return _Elements(self.interval[old], left, width, states[:, :, 0], states[:, :, 1:], self.end)

    def at(self, dense: int, samples: int) -> Tensor:
        """(N, (samples - 1) * dense + 1, n), at the samples and evenly between them."""
        points = torch.arange((samples - 1) * dense, device=self.left.device)
        interval, share = points // dense, (points % dense).to(self.left) / dense
        edges = self.interval + self.left
        element = torch.searchsorted(edges, interval + share, right=True) - 1
        local = (share - self.left[element]) / self.width[element]
        inside = self._inside(element, local[:, None])[:, :, 0]
        return torch.cat([inside, self.end.unsqueeze(1)], 1)

    def _inside(self, element: Tensor, local: Tensor) -> Tensor:
        """(N, D, k, n), at the places `local` (D, k) of D elements, from 0 to 1."""
        known = torch.cat([self.start.unsqueeze(2), self.stages], 2)[:, element]
        return lagrange(gauss_tableau().with_start.to(local), local) @ known


class _Problem:
    """N initial value problems."""

    def __init__(
        self, field: Field, z0: Tensor, times: Tensor, inputs: Tensor, relative: float, absolute: float
    ) -> None:
        self._field, self._z0 = field, z0
        self._times, self._inputs = times, inputs
        self._spans = times[:, 1:] - times[:, :-1]
        self._relative, self._absolute = relative, absolute

    def is_affordable(self, elements: _Elements) -> bool:
        """Whether a Newton step fits in a few dozen megabytes."""
        many, count, n = elements.start.shape
        return many * count * (STAGES * n) ** 2 <= MOST_NUMBERS

    def improved(self, elements: _Elements) -> tuple[_Elements, Tensor, Tensor]:
        """One Newton step.

        Returns:
            The elements with better states; (N,), the largest change of a state, and (N, E), how far polynomials may be
            off, both in tolerances. NaN where nothing is finite any more.
        """
        table, h = gauss_tableau(), self._spans[:, elements.interval] * elements.width
        slopes, jacobian = self._linearised(elements, h)
        start, stages = self._solved(elements, h[..., None, None] * slopes, h[..., None, None, None] * jacobian)
        size = torch.maximum(stages.abs().amax(2), start[:, :-1].abs())
        allowed = self._relative * size + self._absolute
        change = ((stages - elements.stages).abs().amax(2) / allowed).flatten(1)
        last = (table.last.to(h) @ slopes).abs().amax(2) * h[..., None]
        better = _Elements(elements.interval, elements.left, elements.width, start[:, :-1], stages, start[:, -1])
        return better, change.amax(-1), (last / (BETWEEN * allowed)).amax(-1)

    def _linearised(self, elements: _Elements, h: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes (N, E, s, n) at the Gauss points, and their derivatives (N, E, s, n, n), by the states last."""
        z = elements.stages
        n = z.shape[-1]
        nudge = NUDGE * (z.abs() + self._absolute / self._relative)
        places = torch.cat([z.unsqueeze(3), z.unsqueeze(3) + torch.diag_embed(nudge)], 3)
        t = self._times[:, elements.interval] + elements.left * self._spans[:, elements.interval]
        t = (t[..., None] + h[..., None] * gauss_tableau().nodes.to(h))[..., None].expand(places.shape[:-1])
        u = self._inputs[:, elements.interval, None, None].expand(*places.shape[:-1], -1)
        found = self._field(t.flatten(), places.reshape(-1, n), u.reshape(t.numel(), u.shape[-1])).view(places.shape)
        slopes = found[..., 0, :]
        return slopes, ((found[..., 1:, :] - slopes.unsqueeze(3)) / nudge.unsqueeze(-1)).transpose(-1, -2)

    def _solved(self, elements: _Elements, slopes: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """New states at the ends of elements (N, E + 1, n) and at their Gauss points (N, E, s, n).

        Slopes and derivatives are per element, not per time. In each element the linear equations are solved for the
        stages as affine functions of its start; the starts then follow one from the other.
        """
        table, (many, count, _, n) = gauss_tableau(), slopes.shape
        a, b = table.integrals.to(slopes), table.weights.to(slopes)
        held = elements.start.unsqueeze(2) + torch.einsum("ij,nejk->neik", a, slopes) - elements.stages
        matrix = -torch.einsum("ij,nejkl->neikjl", a, jacobian).reshape(many, count, STAGES * n, STAGES * n)
        matrix.diagonal(dim1=-2, dim2=-1).add_(1)
        identity = torch.eye(n).to(slopes).repeat(STAGES, 1).expand(many, count, -1, -1)
        right = torch.cat([held.reshape(many, count, -1, 1), identity], -1)
        moved = torch.linalg.solve_ex(matrix, right)[0].view(many, count, STAGES, n, 1 + n)
        weighted = torch.einsum("j,nejkl,nejlm->nekm", b, jacobian, moved)
        end = elements.start + torch.einsum("j,nejk->nek", b, slopes) + weighted[..., 0]
        follow = weighted[..., 1:] + torch.eye(n).to(slopes)
        start = self._followed(elements.start, end, follow)
        change = (start[:, :-1] - elements.start)[:, :, None, :, None]
        stages = elements.stages + moved[..., 0] + (moved[..., 1:] @ change)[..., 0]
        return start, stages

    def _followed(self, old: Tensor, end: Tensor, follow: Tensor) -> Tensor:
        """(N, E + 1, n): starts, each the `end` of the element before plus what its own start has changed by."""
        starts = [self._z0]
        for before, then, matrix in zip(old.unbind(1), end.unbind(1), follow.unbind(1), strict=True):
            starts.append(torch.baddbmm(then.unsqueeze(-1), matrix, (starts[-1] - before).unsqueeze(-1))[..., 0])
        return torch.stack(starts, 1)
