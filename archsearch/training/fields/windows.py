"""A model on a field as a pure function, and the short windows of time over which it is integrated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat

POINTS = 100_000
"""Of a larger problem, so many points of whole frames, drawn at random, are looked at."""


class PureField(torch.nn.Module):
    """A model on a field as a function of its parameters as one vector, in inner coordinates.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        dtype: of everything that is computed.
    """

    def __init__(self, model: HybridModel, coordinates: Coordinates, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.coordinates = coordinates
        self.flat = Flat.of(model)
        self._constants = {f"model.{name}": buffer.to(dtype) for name, buffer in model.named_buffers()}

    def forward(self, t: Tensor, z: Tensor, u: Tensor, both: bool) -> Tensor | tuple[Tensor, Tensor]:
        """(..., *grid, n): the derivative; with `both`, that of the physics alone beside it."""
        full = self.coordinates.field(self.model)(t, z, u)
        return (full, self.coordinates.field(self.model.nulled())(t, z, u)) if both else full

    def at(self, p: Tensor, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """The derivative with parameters p (P,)."""
        found: Tensor = functional_call(self, self._tensors(p), (t, z, u, False))
        return found.to(z.dtype)

    def both_at(self, p: Tensor, t: Tensor, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of the full model and of the physics alone with parameters p (P,)."""
        full, physics = functional_call(self, self._tensors(p), (t, z, u, True))
        return full.to(z.dtype), physics.to(z.dtype)

    def _tensors(self, p: Tensor) -> dict[str, Tensor]:
        return {f"model.{name}": tensor for name, tensor in self.flat.tensors(p).items()} | self._constants


@dataclass(frozen=True)
class Windows:
    """Windows of three frames, with the weights that integrate over them.

    Attributes:
        times: (K, 1, ...), one axis more for every axis of the grid.
        frames: (K, *grid, n), smoothed, inner coordinates.
        inputs: (K, 1 or grid, m).
        index: (W, 3), the frames of each window.
        weights: (W, 3), time unit.
        rise: (W, *grid, n), last state minus first.
    """

    times: Tensor
    frames: Tensor
    inputs: Tensor
    index: Tensor
    weights: Tensor
    rise: Tensor

    @property
    def grid(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(self.frames.shape[1:-1])

    def to(self, dtype: torch.dtype) -> Windows:
        """The same in another precision."""
        floats = (self.times, self.frames, self.inputs, self.weights, self.rise)
        times, frames, inputs, weights, rise = (array.to(dtype) for array in floats)
        return Windows(times, frames, inputs, self.index, weights, rise)

    def subset(self, chosen: Tensor) -> Windows:
        """Only these windows, with only the frames that they need."""
        kept, index = torch.unique(self.index[chosen], return_inverse=True)
        frames = (self.times[kept], self.frames[kept], self.inputs[kept])
        return Windows(*frames, index, self.weights[chosen], self.rise[chosen])

    def limited(self, generator: torch.Generator) -> Windows:
        """All of them if they are few, else as many as are worth the time, drawn at random."""
        points = self.frames[0, ..., 0].numel()
        if len(self.frames) * points <= POINTS:
            return self
        many = max(POINTS // (3 * points), 1)
        chosen = torch.randperm(len(self.index), generator=generator)[:many]
        return self.subset(chosen.sort().values.to(self.index.device))


def windows_of(times: Tensor, valid: Tensor, inputs: Tensor, smoothed: Tensor) -> Windows:
    """Overlapping windows of two intervals; of one interval and its middle where inputs jump from sample to sample.

    Args:
        times: (N, T).
        valid: (N, T).
        inputs: (N, T, m) or (N, T, *grid, m), held from each sample to the next.
        smoothed: (N, T, *grid, n), inner coordinates.
    """
    steady = bool((inputs[:, 1:] == inputs[:, :-1]).flatten(2).all(-1)[valid[:, 1:]].all())
    pieces = [
        (_pairs if steady and int(one.sum()) > 2 else _singles)(times[i, one], inputs[i, one], smoothed[i, one])
        for i, one in enumerate(valid)
    ]
    before = torch.tensor([0, *[len(piece.frames) for piece in pieces]]).cumsum(0).tolist()
    return Windows(
        times=torch.cat([piece.times for piece in pieces]),
        frames=torch.cat([piece.frames for piece in pieces]),
        inputs=torch.cat([piece.inputs for piece in pieces]),
        index=torch.cat([piece.index + start for piece, start in zip(pieces, before, strict=False)]),
        weights=torch.cat([piece.weights for piece in pieces]),
        rise=torch.cat([piece.rise for piece in pieces]),
    )


def with_grid(values: Tensor, grid: int) -> Tensor:
    """Numbers per frame (K, ...) with axes of length 1 for the grid after the first: they broadcast to fields."""
    return values.reshape(values.shape[:1] + (1,) * grid + values.shape[1:])


def inputs_with_grid(inputs: Tensor, grid: int) -> Tensor:
    """Inputs (K, m) as (K, 1, ..., m); inputs that are fields as they are."""
    return with_grid(inputs, grid) if inputs.dim() == 2 else inputs


def _pairs(t: Tensor, u: Tensor, z: Tensor) -> Windows:
    """Windows over two sampling intervals of one trajectory."""
    first = torch.arange(len(t) - 2, device=t.device)
    index = first.unsqueeze(-1) + torch.arange(3, device=t.device)
    grid = z.dim() - 2
    weights = _simpson(t[1:-1] - t[:-2], t[2:] - t[1:-1])
    return Windows(with_grid(t, grid), z, inputs_with_grid(u, grid), index, weights, z[2:] - z[:-2])


def _singles(t: Tensor, u: Tensor, z: Tensor) -> Windows:
    """Windows over one sampling interval, whose middle is interpolated: an input does not jump inside."""
    half, grid = (t[1:] - t[:-1]) / 2, z.dim() - 2
    middle = torch.tensordot(_middles(t), z, dims=1)
    frames = torch.stack([z[:-1], middle, z[1:]], 1).flatten(0, 1)
    times = torch.stack([t[:-1], t[:-1] + half, t[1:]], 1).flatten()
    held = u[:-1].repeat_interleave(3, 0)
    index = torch.arange(len(frames), device=t.device).reshape(-1, 3)
    return Windows(
        with_grid(times, grid), frames, inputs_with_grid(held, grid), index, _simpson(half, half), z[1:] - z[:-1]
    )


def _simpson(first: Tensor, second: Tensor) -> Tensor:
    """(W, 3), weights that integrate a parabola through three points at distances `first` and `second`."""
    whole = first + second
    parts = (2 - second / first, whole.square() / (first * second), 2 - first / second)
    return torch.stack(parts, -1) * (whole / 6).unsqueeze(-1)


def _middles(t: Tensor) -> Tensor:
    """(T - 1, T), weights that interpolate the middle of each interval through its four nearest samples."""
    rows = t.new_zeros(len(t) - 1, len(t))
    for k in range(len(t) - 1):
        nodes = range(max(0, min(k - 1, len(t) - 4)), min(len(t), max(0, min(k - 1, len(t) - 4)) + 4))
        at = (t[k] + t[k + 1]) / 2
        for i in nodes:
            others = torch.stack([(at - t[j]) / (t[i] - t[j]) for j in nodes if j != i])
            rows[k, i] = others.prod()
    return rows
