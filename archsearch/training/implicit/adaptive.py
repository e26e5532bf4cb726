"""Integrate stiff and differential-algebraic models to tight tolerances, for every number that is reported."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.implicit.radau import RadauStep
from archsearch.training.implicit.rollout import first_sample
from archsearch.training.implicit.tableau import STAGES, interpolated, radau_nodes

RELATIVE = 1e-9
"""Error per step, relative to the state, or to FLOOR times its largest value so far; absolute for a logarithm."""
FLOOR = 1e-3
MOST_STEPS = 20_000
ORDER = 5
SAFETY, LEAST_FACTOR, LARGEST_FACTOR, FAILED_FACTOR = 0.9, 0.2, 5.0, 0.25
FIRST = 1e-4
"""First step that is tried, in intervals."""
SHORTEST = 1e-13
"""Step at which a trajectory is given up, relative to the time and the interval."""


@torch.no_grad()
def accurate_implicit(
    model: HybridModel, coordinates: Coordinates, z0: Tensor, times: Tensor, inputs: Tensor, dense: int
) -> tuple[Tensor, Tensor]:
    """Integrate with Radau IIA steps whose length follows from step doubling, each trajectory with its own.

    The error is controlled in the differential states. Algebraic variables of index 1 are as accurate as these; those
    of index 2 have order 3 in the step, and are not controlled.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        z0: (N, n), inner coordinates, at `times[:, 0]`.
        times: (N, T), time unit.
        inputs: (N, T, m), held from each sample to the next.
        dense: points returned per sampling interval.

    Returns:
        (N, (T - 1) * dense + 1, n), inner coordinates, and (..., q), algebraic variables; every `dense`-th point is a
        sample. The first point is treated as in `implicit_rollout`. NaN from where a trajectory cannot be integrated
        further.

    Reference: Hairer, E. & Wanner, G., Solving Ordinary Differential Equations II, 2nd ed., Springer 1996, section
    IV.8; step doubling: Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, section II.4.
    """
    walk = _Walk(model, coordinates, z0, times, inputs, dense)
    for _ in range(MOST_STEPS):
        rows = walk.going()
        if not len(rows):
            break
        walk.attempt(rows)
    n = z0.shape[-1]
    return walk.found[..., :n], walk.found[..., n:]


class _Walk:
    """Where N trajectories stand on their way through the points to be returned."""

    def __init__(
        self, model: HybridModel, coordinates: Coordinates, z0: Tensor, times: Tensor, inputs: Tensor, dense: int
    ) -> None:
        self._whole, self._halves = (RadauStep(model, coordinates, count) for count in (1, 2))
        self._p = Flat.of(model).vector(model)
        self._logarithmic = coordinates.logarithmic
        self._inputs, self._dense = inputs, dense
        self._targets = _targets(times, dense)
        self._next = torch.ones(len(z0), dtype=torch.long, device=z0.device)
        self._failed = ~torch.isfinite(z0).all(-1)
        self._rejected = torch.zeros_like(self._failed)
        self._t, self._z, self._largest = times[:, 0].clone(), z0.clone(), z0.abs()
        self._span = (times[:, 1:] - times[:, :-1]).amax(-1)
        self._h = FIRST * self._span
        start = self._whole.equations.started(z0)
        self._before = _Polynomial(z0.clone(), start.unsqueeze(1).repeat(1, STAGES, 1), self._h.clone(), 0 * self._h)
        self.found = torch.full((*self._targets.shape, start.shape[-1]), torch.nan).to(z0)
        self.found[:, 0, : z0.shape[-1]] = z0

    def going(self) -> Tensor:
        """(R,), trajectories that are neither at their end nor given up."""
        return (~self._failed & (self._next < self._targets.shape[1])).nonzero().squeeze(-1)

    def attempt(self, rows: Tensor) -> None:
        """One step of some trajectories, whole and in halves."""
        remaining = self._targets[rows, self._next[rows]] - self._t[rows]
        count = (remaining / self._h[rows]).ceil().clamp(min=1)
        h, z, t = remaining / count, self._z[rows], self._t[rows]
        u = self._inputs[rows, (self._next[rows] - 1) // self._dense]
        coarse = self._whole.solve_stages(self._p, z, t, h, u, self._before.part(rows).stages_of(h))[:, 0]
        made = _Polynomial(z, coarse, h, torch.zeros_like(h))
        begins = (made.begun(share) for share in (0.0, 0.5))
        fine = self._halves.solve_stages(
            self._p, z, t, h, u, torch.stack([each.stages_of(h / 2) for each in begins], 1)
        )
        error = self._error(rows, z, coarse[:, -1], fine[:, -1, -1])
        accepted = error <= 1
        self._choose(rows, h, error)
        self._before.replace(rows, made.begun(accepted.to(h)), (h > 0) & torch.isfinite(coarse).flatten(1).all(-1))
        self._start(rows[accepted], fine[accepted, 0], u[accepted])
        self._go(rows[accepted], t[accepted] + h[accepted], fine[accepted, -1, -1], count[accepted] == 1)

    def _error(self, rows: Tensor, z: Tensor, coarse: Tensor, fine: Tensor) -> Tensor:
        """(R,), estimated error in tolerances; infinite where a step failed."""
        n = z.shape[-1]
        size = torch.maximum(torch.maximum(z.abs(), fine[:, :n].abs()), FLOOR * self._largest[rows])
        size = torch.where(self._logarithmic, 1.0, size) + torch.finfo(z.dtype).tiny
        gap = (fine - coarse)[:, :n].abs() / (2**ORDER - 1)
        return torch.nan_to_num((gap / (RELATIVE * size)).amax(-1), nan=torch.inf)

    def _choose(self, rows: Tensor, h: Tensor, error: Tensor) -> None:
        """The next step, no longer one after a rejection; gives up trajectories whose step is as short as rounding."""
        wanted = (SAFETY * error.clamp(min=1e-12) ** (-1 / (ORDER + 1))).clamp(LEAST_FACTOR, LARGEST_FACTOR)
        wanted = torch.where(self._rejected[rows], wanted.clamp(max=1), wanted)
        following = h * torch.where(torch.isfinite(error), wanted, FAILED_FACTOR)
        accepted = error <= 1
        self._h[rows] = torch.where(accepted, torch.maximum(following, self._h[rows]), following)
        shortest = SHORTEST * (self._t[rows].abs() + self._span[rows])
        self._rejected[rows] = ~accepted
        self._failed[rows] = ~accepted & (following <= shortest)

    def _start(self, rows: Tensor, stages: Tensor, u: Tensor) -> None:
        """The first point, once the first step is made."""
        first = self._t[rows] == self._targets[rows, 0]
        rows = rows[first]
        if len(rows) and self._whole.equations.q:
            here = self._z[rows], stages[first], self._t[rows], u[first]
            self.found[rows, 0] = first_sample(self._whole.equations, self._p, *here)

    def _go(self, rows: Tensor, t: Tensor, complete: Tensor, arrives: Tensor) -> None:
        """Accept a step."""
        target = self._next[rows]
        self._t[rows] = torch.where(arrives, self._targets[rows, target], t)
        self._z[rows] = complete[:, : self._z.shape[-1]]
        self._largest[rows] = torch.maximum(self._largest[rows], self._z[rows].abs())
        self.found[rows[arrives], target[arrives]] = complete[arrives]
        self._next[rows] += arrives.long()


@dataclass
class _Polynomial:
    """The collocation polynomials of R steps: where the iterations of the next steps start.

    Attributes:
        z: (R, n), at the left end.
        stages: (R, 3, n + q).
        h: (R,), length.
        begin: (R,), where the next step begins, in steps.
    """

    z: Tensor
    stages: Tensor
    h: Tensor
    begin: Tensor

    def part(self, rows: Tensor) -> _Polynomial:
        """Some of the steps."""
        return _Polynomial(self.z[rows], self.stages[rows], self.h[rows], self.begin[rows])

    def begun(self, begin: float | Tensor) -> _Polynomial:
        """The same, for steps that begin elsewhere."""
        return _Polynomial(self.z, self.stages, self.h, torch.zeros_like(self.h) + begin)

    def replace(self, rows: Tensor, new: _Polynomial, where: Tensor) -> None:
        """Take over some of the new ones."""
        for name in ("z", "stages", "h", "begin"):
            getattr(self, name)[rows[where]] = getattr(new, name)[where]

    def stages_of(self, h: Tensor) -> Tensor:
        """(R, 3, n + q), at the nodes of steps of length h (R,)."""
        ratio = torch.where(self.h > 0, h / self.h, 0.0)
        return interpolated(self.z, self.stages, self.begin[:, None] + ratio[:, None] * radau_nodes().to(h))


def _targets(times: Tensor, dense: int) -> Tensor:
    """(N, (T - 1) * dense + 1), the points to be returned."""
    parts = torch.arange(1, dense + 1).to(times) / dense
    inside = torch.lerp(times[:, :-1, None], times[:, 1:, None], parts)
    return torch.cat([times[:, :1], inside.flatten(1)], 1)
