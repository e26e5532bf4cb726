"""Rollouts of fields, whole and short."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.fields.weak_form import WeakForm
from archsearch.training.fields.windows import PureField, inputs_with_grid, with_grid
from archsearch.training.flow.integrate import Coordinates, Field, runge_kutta_step

LENGTH = 3
"""Sampling intervals of a short rollout: enough to feel how errors grow, too few to get lost."""
POINTS = 50_000
"""So many points of whole frames are rolled out at once, over all short rollouts together."""


def field_rollout(
    model: HybridModel,
    z0: Tensor,
    times: Tensor,
    inputs: Tensor,
    substeps: int,
    coordinates: Coordinates | None = None,
) -> Tensor:
    """Integrate a field with Runge-Kutta steps of order 4.

    Args:
        model: the candidate.
        z0: (N, *grid, n), at `times[:, 0]`; inner coordinates if coordinates are given, else units of the states.
        times: (N, T), time unit.
        inputs: (N, T, m) or (N, T, *grid, m), held from each sample to the next.
        substeps: steps per sampling interval.
        coordinates: the coordinates to integrate in.

    Returns:
        (N, T, *grid, n), in the coordinates of z0.
    """
    coordinates = coordinates or Coordinates(torch.zeros(z0.shape[-1], dtype=torch.bool, device=z0.device), False)
    with model.prepared():
        return roll(coordinates.field(model), z0, times, inputs, substeps)


def roll(field: Field, z0: Tensor, times: Tensor, inputs: Tensor, substeps: int) -> Tensor:
    """The same for a vector field in inner coordinates."""
    grid = z0.dim() - 2
    frames, z = [z0], z0
    for k in range(times.shape[1] - 1):
        start, part = with_grid(times[:, k], grid), with_grid(times[:, k + 1] - times[:, k], grid) / substeps
        u = inputs_with_grid(inputs[:, k], grid)
        for i in range(substeps):
            z = runge_kutta_step(field, z, start + i * part, part, u)
        frames.append(z)
    return torch.stack(frames, 1)


@dataclass(frozen=True)
class Shorts:
    """Short rollouts that start on the smooth.

    Attributes:
        start: (S, *grid, n), inner coordinates.
        times: (S, L + 1).
        inputs: (S, L + 1, m) or (S, L + 1, *grid, m).
        target: (S, L, *grid, n), as observed, NaN where nothing was.
    """

    start: Tensor
    times: Tensor
    inputs: Tensor
    target: Tensor

    @staticmethod
    def of(
        times: Tensor, inputs: Tensor, smoothed: Tensor, observed: Tensor, allowed: Tensor, generator: torch.Generator
    ) -> Shorts | None:
        """As many as are worth the time, drawn at random; None if no window is long enough.

        Args:
            times: (N, T).
            inputs: (N, T, m) or (N, T, *grid, m).
            smoothed: (N, T, *grid, n), inner coordinates.
            observed: (N, T, *grid, n), inner coordinates, NaN where there is nothing.
            allowed: (N, T), frames that may be looked at.
            generator: draws the windows.
        """
        windows = allowed.unfold(1, LENGTH + 1, 1).all(-1) if allowed.shape[1] > LENGTH else allowed[:, :0]
        begins = windows.nonzero()
        if len(begins) == 0:
            return None
        many = max(POINTS // (LENGTH * smoothed[0, 0, ..., 0].numel()), 1)
        begins = begins[torch.randperm(len(begins), generator=generator)[:many].to(begins.device)]
        who, when = begins[:, :1], begins[:, 1:] + torch.arange(LENGTH + 1, device=begins.device)
        start = smoothed[who[:, 0], when[:, 0]]
        return Shorts(start, times[who, when], inputs[who, when], observed[who, when[:, 1:]])

    def to(self, dtype: torch.dtype) -> Shorts:
        """The same in another precision."""
        return Shorts(*(array.to(dtype) for array in (self.start, self.times, self.inputs, self.target)))


class ShortRollouts:
    """The misfit of short rollouts, in variances of the data, as a function of the parameters p (P,).

    Its curvature is that of the weak form, scaled: over so short a time a rollout answers to the parameters as the
    integral of the derivative does.

    Args:
        field: the model.
        shorts: what is rolled out.
        weak: gives the curvature.
        scale: (n,), inner coordinates, one standard deviation of the observations.
        substeps: steps per sampling interval.
    """

    def __init__(self, field: PureField, shorts: Shorts, weak: WeakForm, scale: Tensor, substeps: int) -> None:
        self._field = field
        self._shorts = shorts
        self._weak = weak
        self._scale = scale
        self._substeps = substeps
        self._seen = torch.isfinite(shorts.target)
        self.count = int(self._seen.sum())

    def cost(self, p: Tensor) -> Tensor:
        """The sum of squares: scalar, differentiable."""
        shorts = self._shorts

        def field(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
            return self._field.at(p, t, z, u)

        z = roll(field, shorts.start, shorts.times, shorts.inputs, self._substeps)[:, 1:]
        return torch.where(self._seen, (z - shorts.target.nan_to_num()) / self._scale, 0.0).square().sum()

    def rows(self, p: Tensor, many: int) -> Tensor:
        """(R, P), rows drawn at random."""
        spans = self._shorts.times[:, 1:] - self._shorts.times[:, :1]
        squares = spans.square().mean() * self.count
        return self._weak.rows(p, many) * (squares / self._weak.squared_spans).sqrt()
