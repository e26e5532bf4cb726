"""What a fit of fields begins with: derivatives, sizes that nets are told, noise, initial frames."""

from __future__ import annotations

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.training.data.task import Samples
from archsearch.training.fields.smoothing import SmoothedFrames
from archsearch.training.fields.windows import inputs_with_grid, with_grid
from archsearch.training.flow.integrate import Coordinates

FEW_TRAJECTORIES = 5
"""With fewer, the ends of all are held out in place of whole trajectories."""
CLEAN = 1e-8
"""The least variance of the noise, in variances of the data, that the prior is weighed with."""


def slopes_of(samples: Samples, smoothed: Tensor) -> Tensor:
    """(N, T, *grid, n), derivatives of the smooth by differences; NaN in padding."""
    slopes = torch.full_like(smoothed, torch.nan)
    for i, valid in enumerate(samples.valid):
        if int(valid.sum()) > 1:
            slopes[i, valid] = torch.gradient(smoothed[i, valid], spacing=(samples.times[i, valid],), dim=0)[0]
    return slopes


def calibrate_on_frames(
    model: HybridModel, coordinates: Coordinates, samples: Samples, smoothed: Tensor, slopes: Tensor
) -> None:
    """Tell the nets the size of what they see and of what they give, in natural units."""
    valid, grid = samples.valid, smoothed.dim() - 3
    x = coordinates.natural(smoothed[valid])
    sizes = torch.where(coordinates.logarithmic, slopes[valid] * x, slopes[valid])
    sizes = sizes.flatten(0, -2).square().nanmean(0).sqrt()
    model.calibrate(with_grid(samples.times[valid], grid), x, inputs_with_grid(samples.inputs[valid], grid), sizes)


def noise_of(states: tuple[State, ...], smoothed: SmoothedFrames, scale: Tensor) -> float:
    """Variance of the noise in variances of the data, as the space says it or as the smooth leaves it.

    Neighbouring residuals of a smooth say the same thing more than once: divided by the freedom that it kept.
    """
    said = [state.noise for state in states]
    found = smoothed.noise.tolist()
    sizes = torch.tensor([b if a is None else a for a, b in zip(said, found, strict=True)]).to(scale)
    return max(float(((sizes / scale).square() / smoothed.freedom).mean()), CLEAN)


def initial_frames(
    states: tuple[State, ...], coordinates: Coordinates, observations: Tensor, smoothed: Tensor
) -> Tensor:
    """(N, *grid, n), inner coordinates: exact or known where the space says so, else the smooth."""
    columns = []
    for j, state in enumerate(states):
        column = smoothed[:, 0, ..., j]
        if state.initial == "first":
            first = observations[:, 0, ..., j]
            column = torch.where(torch.isfinite(first), first, column)
        elif isinstance(state.initial, float):
            column = coordinates.inner(torch.full_like(smoothed[:, 0], state.initial))[..., j]
        columns.append(column)
    return torch.stack(columns, -1)


def exact_states(states: tuple[State, ...]) -> Tensor:
    """(n,) bool: states whose first observation is exact."""
    return torch.tensor([state.initial == "first" for state in states])


def held_out(valid: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Frames (N, T) to judge by: whole trajectories if there are several, else the ends of all; none at share 0."""
    many, longest = valid.shape
    aside = torch.zeros_like(valid)
    if share == 0.0:
        return aside
    if many >= FEW_TRAJECTORIES:
        chosen = torch.randperm(many, generator=generator)[: max(1, round(many * share))]
        aside[chosen.to(valid.device)] = True
        return aside & valid
    ends = (valid.sum(1, keepdim=True) * (1 - share)).round()
    return (torch.arange(longest, device=valid.device) >= ends) & valid
