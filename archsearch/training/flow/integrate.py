"""Integrate a hybrid model by fixed steps: interval by interval, so that inputs jump where the data say they do.

Times may differ between trajectories: each sampling interval is integrated in its own unit, s in [0, 1], for all
trajectories at once. Padding repeats a time, so its interval has length 0 and the state stands still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchdiffeq import odeint

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State

Field = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(t (N,), z (N, n), u (N, m)) -> dz/dt (N, n)"""


@dataclass(frozen=True)
class Coordinates:
    """The coordinates in which states are integrated and fitted: the logarithm of those whose scale is `log`."""

    logarithmic: Tensor
    """(n,) bool"""
    any_logarithmic: bool
    all_logarithmic: bool = False

    @staticmethod
    def of(states: tuple[State, ...], device: torch.device | None = None) -> Coordinates:
        """The coordinates that these states ask for."""
        logarithmic = [state.scale == "log" for state in states]
        return Coordinates(torch.tensor(logarithmic, device=device), any(logarithmic), all(logarithmic))

    def inner(self, x: Tensor) -> Tensor:
        """(..., n) natural values to inner coordinates; NaN where the logarithm of a value does not exist."""
        safe = torch.where(self.logarithmic & (x <= 0), torch.nan, x)
        return torch.where(self.logarithmic, torch.log(torch.where(self.logarithmic, safe, 1.0)), x)

    def natural(self, z: Tensor) -> Tensor:
        """(..., n) inner coordinates to natural values."""
        if self.all_logarithmic:
            return torch.exp(z)
        return torch.where(self.logarithmic, torch.exp(torch.where(self.logarithmic, z, 0.0)), z)

    def complete(self, v: Tensor) -> Tensor:
        """(..., n + q), a complete inner state in natural units: algebraic variables have no other coordinates."""
        n = len(self.logarithmic)
        return self.natural(v) if v.shape[-1] == n else torch.cat([self.natural(v[..., :n]), v[..., n:]], -1)

    def field(self, model: HybridModel) -> Field:
        """The vector field of a model in inner coordinates."""
        return self.field_of(model.derivative)

    def field_of(self, derivative: Field) -> Field:
        """A vector field in natural units to one in inner coordinates: d(log x)/dt = (dx/dt) / x."""
        if not self.any_logarithmic:
            return derivative

        def inner_field(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
            x = self.complete(z)
            states = x[..., : len(self.logarithmic)]
            return derivative(t, x, u) / (
                states if self.all_logarithmic else torch.where(self.logarithmic, states, 1.0)
            )

        return inner_field


def interval_field(field: Field, start: Tensor, step: Tensor, u: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The field (s, z) -> dz/ds on intervals that begin at `start` (N,), `step` (N,) long, s from 0 to 1."""
    return lambda s, z: step.unsqueeze(-1) * field(start + s * step, z, u)


def dense_times(times: Tensor, dense: int) -> Tensor:
    """(N, T) sample times to (N, (T - 1) * dense + 1), evenly within each interval."""
    part = torch.arange(dense, dtype=times.dtype) / dense
    inside = times[:, :-1, None] + (times[:, 1:] - times[:, :-1])[..., None] * part
    return torch.cat([inside.flatten(1), times[:, -1:]], 1)


def dense_inputs(inputs: Tensor, dense: int) -> Tensor:
    """(N, T, m) inputs at the samples to (N, (T - 1) * dense + 1, m), held from each sample to the next."""
    return inputs.repeat_interleave(dense, 1)[:, : (inputs.shape[1] - 1) * dense + 1]


def rollout(field: Field, z0: Tensor, times: Tensor, inputs: Tensor, substeps: int) -> Tensor:
    """Integrate with a fixed number of Runge-Kutta steps of order 4 per sampling interval.

    Args:
        field: vector field.
        z0: (N, n), inner coordinates, at `times[:, 0]`.
        times: (N, T), time unit.
        inputs: (N, T, m), held from each sample to the next.
        substeps: steps per interval.

    Returns:
        (N, T, n), inner coordinates.
    """
    states, z = [z0], z0
    for k in range(times.shape[1] - 1):
        part = (times[:, k + 1] - times[:, k]) / substeps
        for i in range(substeps):
            z = runge_kutta_step(field, z, times[:, k] + i * part, part, inputs[:, k])
        states.append(z)
    return torch.stack(states, 1)


def solver_rollout(field: Field, z0: Tensor, times: Tensor, inputs: Tensor, substeps: int) -> Tensor:
    """The same rollout by torchdiffeq, whose graph is made for back-propagation; arguments as for `rollout`."""
    unit = torch.tensor([0.0, 1.0], dtype=z0.dtype, device=z0.device)
    options = {"step_size": 1.0 / substeps}
    states = [z0]
    for k in range(times.shape[1] - 1):
        right = interval_field(field, times[:, k], times[:, k + 1] - times[:, k], inputs[:, k])
        states.append(odeint(right, states[-1], unit, method="rk4", options=options)[-1])
    return torch.stack(states, 1)


NODES = (0.0, 1 / 3, 2 / 3, 1.0)
SLOPES = ((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0))
WEIGHTS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
"""The 3/8 rule of Kutta (1901), which is torchdiffeq's `rk4`: where in a step its four stages lie, what they make of
the slopes before them, and what the end of the step makes of all."""


def runge_kutta_step(field: Field, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> Tensor:
    """One step of the 3/8 rule.

    Args:
        field: vector field.
        z: (..., n), inner coordinates.
        t: (...,), time at the left end.
        h: (...,), step.
        u: (..., m), held.
    """
    return runge_kutta_stages(field, z, t, h, u)[1]


def runge_kutta_stages(field: Field, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """The four points (..., n) at which a step of the 3/8 rule asks for slopes, and its end (..., n)."""
    step = h.unsqueeze(-1)
    k1 = field(t, z, u)
    z2 = z + step * k1 / 3
    k2 = field(t + h / 3, z2, u)
    z3 = z + step * (k2 - k1 / 3)
    k3 = field(t + h * 2 / 3, z3, u)
    z4 = z + step * (k1 - k2 + k3)
    k4 = field(t + h, z4, u)
    return (z, z2, z3, z4), z + step * (k1 + 3 * (k2 + k3) + k4) / 8
