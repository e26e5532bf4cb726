"""The initial state of a trajectory that a fit never saw, from what is seen of it; the model is held fixed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.algebra.minimise import minimise
from archsearch.training.flow.integrate import Coordinates, rollout
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.implicit.radau import RadauStep
from archsearch.training.implicit.tableau import interpolated

STEPS = 40
PRIOR = 1e-3
"""Weight of the squares of what an initial state is moved by, in squares of misfits."""


@dataclass(frozen=True)
class Window:
    """What is seen of one trajectory.

    Attributes:
        times: (1, T), time unit.
        inputs: (1, T, m).
        observations: (1, T, n), inner coordinates, NaN where nothing is seen.
    """

    times: Tensor
    inputs: Tensor
    observations: Tensor

    def cut(self) -> Window:
        """Up to the last sample that is seen, and at least one interval."""
        last = torch.isfinite(self.observations).any(-1).any(0).nonzero()
        width = max(int(last.max()) + 1 if len(last) else 0, 2)
        return Window(self.times[:, :width], self.inputs[:, :width], self.observations[:, :width])


@dataclass(frozen=True)
class Roll:
    """How a model is rolled out over a window so that it can be differentiated.

    Attributes:
        model: the candidate.
        coordinates: the inner coordinates.
        substeps: steps per interval.
        implicit: by Radau steps in place of Runge-Kutta steps.
    """

    model: HybridModel
    coordinates: Coordinates
    substeps: int
    implicit: bool

    def measured(self, z0: Tensor, times: Tensor, inputs: Tensor) -> Tensor:
        """(N, T, n), inner coordinates: what is measured of a rollout from z0 (N, n), differentiable in z0."""
        if self.implicit and times.shape[1] > 1:
            v = self._stages(z0, times, inputs)
        else:
            v = rollout(self.coordinates.field(self.model), z0, times, inputs, self.substeps)
        if type(self.model).observe is HybridModel.observe:
            return v[..., : z0.shape[-1]]
        return self.coordinates.inner(self.model.measured(times, self.coordinates.complete(v), inputs))

    def _stages(self, z0: Tensor, times: Tensor, inputs: Tensor) -> Tensor:
        """(N, T, n + q), complete inner states."""
        step, p = RadauStep(self.model, self.coordinates, self.substeps), Flat.of(self.model).vector(self.model)
        z, found = z0, list[Tensor]()
        for k in range(times.shape[1] - 1):
            stages = step.stages(p, z, times[:, k], times[:, k + 1] - times[:, k], inputs[:, k])
            if not found:
                found.append(interpolated(z0, stages[:, 0], z0.new_zeros(len(z0), 1))[:, 0])
            found.append(stages[:, -1, -1])
            z = found[-1][:, : z0.shape[-1]]
        return torch.stack(found, 1)


def warmed_up(roll: Roll, first: Tensor, window: Window, free: Tensor, scale: Tensor, spread: Tensor) -> Tensor:
    """The initial state that explains a window.

    Args:
        roll: how the model is rolled out.
        first: (n,), inner coordinates, where the search starts.
        window: what is seen.
        free: (n,), states whose initial value is sought.
        scale: (n,), inner coordinates, one unit of a misfit.
        spread: (n,), inner coordinates, one unit of what an initial value is moved by.

    Returns:
        (n,), inner coordinates.
    """
    window = window.cut()
    seen, target = torch.isfinite(window.observations), torch.nan_to_num(window.observations)
    offset = torch.zeros_like(first, requires_grad=True)

    def moved() -> Tensor:
        return first + torch.where(free, offset, 0.0) * spread

    def loss() -> Tensor:
        found = roll.measured(moved().unsqueeze(0), window.times, window.inputs)
        wrong = torch.where(seen, (found - target) / scale, 0.0)
        return wrong.square().sum() + PRIOR * offset.square().sum()

    if bool(seen.any()) and bool(free.any()):
        with roll.model.prepared():
            minimise(loss, [offset], STEPS)
    return moved().detach()
