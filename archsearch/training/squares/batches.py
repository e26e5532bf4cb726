"""The rollouts that a least-squares fit looks at: whole trajectories, or segments that start on the smooth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.squares.losses import Loss


@dataclass(frozen=True)
class Batch:
    """Rollouts to be fitted at once: whole trajectories, or segments of them.

    Attributes:
        times: (M, L).
        inputs: (M, L, m).
        target: (M, L, n), inner coordinates, 0 where not `seen`.
        seen: (M, L, n).
        start: (M, n), inner coordinates, of segments; None for whole trajectories, whose initial states are fitted.
    """

    times: Tensor
    inputs: Tensor
    target: Tensor
    seen: Tensor
    start: Tensor | None

    @staticmethod
    def whole(loss: Loss) -> Batch:
        """The trajectories as measured."""
        target = loss.coordinates.inner(loss.samples.states)
        seen = torch.isfinite(target)
        return Batch(loss.samples.times, loss.samples.inputs, torch.nan_to_num(target), seen, None)

    @staticmethod
    def segments(loss: Loss, length: int) -> Batch:
        """Segments of `length` intervals that start on the smooth; a shorter rest at the end is padded."""
        samples = loss.samples
        many, most, n = samples.states.shape
        begins = torch.arange(0, most - 1, length, device=samples.times.device)
        index = begins[:, None] + torch.arange(length + 1, device=samples.times.device)
        beyond = index > most - 1
        index = index.clamp(max=most - 1)
        nodes = torch.nan_to_num(loss.smoothed.states)
        observed = loss.coordinates.inner(samples.states)
        target = torch.where(torch.isfinite(observed), observed, torch.nan)
        if length == 1 and loss.observations.plain:
            # a single noisy interval says little; between smoothed ends it says what it can
            target = torch.where(torch.isfinite(observed).any(1, keepdim=True), loss.smoothed.states, torch.nan)
        target = target[:, index].masked_fill(beyond[None, ..., None], torch.nan)
        valid = samples.valid[:, index].unsqueeze(-1)
        target = torch.where(valid, target, torch.nan)
        target[:, :, 0] = torch.nan
        flat = (many * len(begins), length + 1)
        return Batch(
            times=samples.times[:, index].reshape(flat),
            inputs=samples.inputs[:, index].reshape(*flat, samples.inputs.shape[-1]),
            target=torch.nan_to_num(target).reshape(*flat, n),
            seen=torch.isfinite(target).reshape(*flat, n),
            start=nodes[:, begins].reshape(-1, n),
        )
