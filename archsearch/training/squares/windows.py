"""Trajectories cut into windows whose first states are unknowns, tied together where one ends and the next begins."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.flow.integrate import rollout
from archsearch.training.squares.losses import Loss


@dataclass(frozen=True)
class Windows:
    """N trajectories in W windows of L intervals; a shorter rest at the end is padded with intervals of length 0.

    A sample where two windows meet belongs to the one that ends there.

    Attributes:
        begins: (W,), the sample at which each window begins.
        times: (N, W, L + 1).
        inputs: (N, W, L + 1, m).
        target: (N, W, L + 1, n), inner coordinates, 0 where not `seen`.
        seen: (N, W, L + 1, n).
    """

    begins: Tensor
    times: Tensor
    inputs: Tensor
    target: Tensor
    seen: Tensor

    @staticmethod
    def of(loss: Loss, length: int) -> Windows:
        """Cut what may be seen into windows of `length` intervals."""
        samples = loss.samples
        last = samples.times.shape[1] - 1
        begins = torch.arange(0, max(last, 1), length, device=samples.times.device)
        wanted = begins[:, None] + torch.arange(length + 1, device=samples.times.device)
        index = wanted.clamp(max=last)
        observed = loss.coordinates.inner(samples.states)[:, index]
        counted = (wanted <= last) & ((torch.arange(length + 1, device=index.device) > 0) | (begins[:, None] == 0))
        seen = torch.isfinite(observed) & (counted & samples.valid[:, index]).unsqueeze(-1)
        target = torch.where(seen, observed, 0.0)
        return Windows(begins, samples.times[:, index], samples.inputs[:, index], target, seen)

    def rolled(self, loss: Loss, starts: Tensor) -> Tensor:
        """(N, W, L + 1, n): every window rolled out from its start (N, W, n), all at once, inner coordinates."""
        times, inputs = self.times.flatten(0, 1), self.inputs.flatten(0, 1)
        with loss.model.prepared():
            z = rollout(loss.field(), starts.flatten(0, 1), times, inputs, loss.settings.substeps)
        return z.reshape(*starts.shape[:2], *z.shape[1:])

    @torch.no_grad()
    def first_nodes(self, loss: Loss) -> Tensor:
        """(N, W - 1, n), inner coordinates: where the windows after the first begin before anything is fitted.

        On the smooth; a state of which it shows nothing goes on from where the window before ends.
        """
        nodes = loss.smoothed.states[:, self.begins[1:]]
        if bool(torch.isfinite(nodes).all()):
            return nodes.clone()
        first = loss.initial.value()
        start, filled = first, []
        for w in range(nodes.shape[1]):
            with loss.model.prepared():
                inputs = self.inputs[:, w]
                end = rollout(loss.field(), start, self.times[:, w], inputs, loss.settings.substeps)[:, -1]
            carried = torch.where(torch.isfinite(end), end, first)
            start = torch.where(torch.isfinite(nodes[:, w]), nodes[:, w], carried)
            filled.append(start)
        return torch.stack(filled, 1)

    def joined(self, z: Tensor, samples: int) -> Tensor:
        """(N, samples, n): the windows one after the other; where two meet, the one that ends there counts."""
        pieces = torch.cat([z[:, :1, 0], z[:, :, 1:].flatten(1, 2)], 1)
        return pieces[:, :samples]
