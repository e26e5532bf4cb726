"""Smooth a field along the axes of its grid: if frames are smoothed in time alone, their Laplacian is mostly noise."""

from __future__ import annotations

import torch
from torch import Tensor

from archsearch.training.fields.smoothing import ORDER, STRENGTHS, SmoothedFrames, roughness

NEAR = 2
"""Frames on either side that are taken to be about as rough."""


def smooth_in_space(smoothed: SmoothedFrames, valid: Tensor) -> Tensor:
    """(N, T, *grid, n): frames smoothed along each axis of the grid as well; NaN in padding.

    How much noise is left in frames is known from the smooth in time. The strength along an axis is that of the least
    expected error over all lines of a state in frames that are near in time: a field that is itself rough stays as it
    is.

    Args:
        smoothed: in time.
        valid: (N, T), frames that are not padding.

    Reference:
        Mallows (1973), Technometrics 15:661, for the smoother of Whittaker (1923), in the eigenvectors of its penalty.
    """
    there = valid.reshape(valid.shape + (1,) * (smoothed.states.dim() - 2))
    frames, noise = torch.where(there, smoothed.states, 0.0), smoothed.noise.square() * smoothed.freedom
    for axis in range(2, frames.dim() - 1):
        frames = _along(frames, axis, noise, valid.sum(0))
    return torch.where(there, frames, torch.nan)


def _along(frames: Tensor, axis: int, noise: Tensor, many: Tensor) -> Tensor:
    """Smooth along one axis.

    Args:
        frames: (N, T, *grid, n), 0 in padding.
        axis: of the grid.
        noise: (n,), variance of what is noise in them.
        many: (T,), trajectories that have a frame there.
    """
    places = torch.arange(frames.shape[axis], dtype=frames.dtype, device=frames.device)
    penalties, modes = torch.linalg.eigh(roughness(places, ORDER))
    strengths = torch.cat([torch.zeros(1), STRENGTHS]).to(frames)
    kept = 1 / (1 + strengths[:, None] * penalties.clamp(min=0))
    waves = frames.movedim(axis, -1) @ modes
    lines = waves[0, 0, ..., 0, 0].numel()
    by_state = waves.movedim(-2, 2).reshape(*waves.shape[:2], len(noise), lines, -1)
    energy = _near(by_state.square().sum((0, 3)))
    lost = torch.einsum("sx,tnx->stn", (1 - kept).square(), energy)
    risk = lost + 2 * kept.sum(1)[:, None, None] * _near(many * lines)[:, None] * noise
    shares = kept[risk.argmin(0)]
    shares = shares.reshape(len(shares), *(1 for _ in range(frames.dim() - 4)), *shares.shape[1:])
    smoothed: Tensor = (waves * shares) @ modes.T
    return smoothed.movedim(-1, axis)


def _near(values: Tensor) -> Tensor:
    """(T, ...), sums over the frames that are near in time."""
    sums = torch.cat([torch.zeros_like(values[:1]), values.cumsum(0)])
    now = torch.arange(len(values), device=values.device)
    return sums[(now + NEAR + 1).clamp(max=len(values))] - sums[(now - NEAR).clamp(min=0)]
