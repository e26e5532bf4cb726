"""Small neighbourhoods of single points of a field, for models that look no further."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.hybrid import CandidateError

RADII = (0, 1, 2, 3)
TOLERANCE = 1e-9
"""Relative difference up to which a patch is said to give what the whole frame gives."""
TRIED = 64
"""Points at which that is tried, besides the corners of the grid."""
BENT = 0.05
"""The frames on which it is tried are roughened by this share, lest smoothness hides a dependence."""

Pure = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(p (P,), t (..., 1, 1), z (..., *grid, n), u (..., 1 or grid, m)) -> dz/dt (..., *grid, n)"""


@dataclass(frozen=True)
class Patches:
    """How neighbourhoods are cut out of frames.

    Attributes:
        radius: points on each side.
        wrap: a neighbourhood at the edge goes on at the other side; else it is moved inwards, so that the edge of the
            grid is the edge of the neighbourhood.
    """

    radius: int
    wrap: bool

    def places(self, points: Tensor, grid: tuple[int, ...]) -> list[Tensor]:
        """Per grid axis (M, width): where the neighbourhoods of the points (M, axes) lie."""
        width = 2 * self.radius + 1
        offsets = torch.arange(width, device=points.device)
        starts = points - self.radius
        if not self.wrap:
            last = torch.tensor([size - width for size in grid], device=points.device)
            starts = torch.minimum(starts.clamp(min=0), last)
        return [(starts[:, a, None] + offsets) % size for a, size in enumerate(grid)]

    def inside(self, points: Tensor, grid: tuple[int, ...]) -> Tensor:
        """(M, axes): where in its neighbourhood each point lies."""
        found = [
            (place == points[:, a, None]).to(torch.int8).argmax(1) for a, place in enumerate(self.places(points, grid))
        ]
        return torch.stack(found, 1)

    def cut(self, frames: Tensor, which: Tensor, points: Tensor, grid: tuple[int, ...]) -> Tensor:
        """Neighbourhoods (M, Q, *patch, c) of points (M, axes) in frames `which` (M, Q) of (K, *grid, c)."""
        axes = len(grid)
        index = [which.reshape(*which.shape, *[1] * axes)]
        for a, place in enumerate(self.places(points, grid)):
            shape = [len(points), 1] + [1] * axes
            shape[2 + a] = place.shape[1]
            index.append(place.reshape(shape))
        return frames[tuple(index)]


def pick(values: Tensor, inside: Tensor) -> Tensor:
    """The value (Q, n) at one point, `inside` (axes,), of a patch (Q, *patch, n); works under vmap."""
    for a in range(len(inside)):
        width = values.shape[1]
        chosen = (torch.arange(width, device=values.device) == inside[a]).to(values)
        values = torch.tensordot(values.movedim(1, -1), chosen, dims=1)
    return values


def find_patches(
    field: Pure, p: Tensor, t: Tensor, frames: Tensor, inputs: Tensor, generator: torch.Generator
) -> Patches | None:
    """The smallest neighbourhood that determines the derivative at its point; None if a model looks further.

    Tried by comparison with whole frames, at two parameter vectors: the smallest that passes is taken.

    Args:
        field: vector field in inner coordinates.
        p: (P,), parameters.
        t: (K, 1, ...), times of a few frames.
        frames: (K, *grid, n), inner coordinates.
        inputs: (K, 1 or grid, m).
        generator: draws the points.
    """
    grid = tuple(frames.shape[1:-1])
    rough = frames + BENT * frames.std() * torch.randn(frames.shape, generator=generator, dtype=torch.float64).to(
        frames
    )
    points = torch.stack([torch.randint(size, (TRIED,), generator=generator) for size in grid], 1)
    corners = torch.tensor(list(itertools.product(*[(0, size - 1) for size in grid])))
    points = torch.cat([points, corners]).to(frames.device)
    other = p + 0.1 * torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p)
    for radius, wrap in itertools.product(RADII, (True, False)):
        patches = Patches(radius, wrap)
        if 2 * radius + 1 > min(grid):
            return None
        if all(_agrees(patches, field, vector, t, rough, inputs, points) for vector in (p, other)):
            return patches
    return None


@torch.no_grad()
def _agrees(
    patches: Patches, field: Pure, p: Tensor, t: Tensor, frames: Tensor, inputs: Tensor, points: Tensor
) -> bool:
    """Whether neighbourhoods give what whole frames give."""
    grid = tuple(frames.shape[1:-1])
    every = torch.arange(len(frames), device=frames.device).expand(len(points), -1)
    whole = field(p, t, frames, inputs)
    here = whole[(every, *[points[:, a, None] for a in range(len(grid))])]
    cut = patches.cut(frames, every, points, grid)
    given = inputs_of(patches, inputs, every, points, grid)
    try:
        local = field(p, t, cut, given)
    except (
        CandidateError,
        RuntimeError,
        IndexError,
    ):  # a model that holds whole frames of its own cannot see a neighbourhood
        return False
    inside = patches.inside(points, grid)
    found = torch.stack([pick(values, at) for values, at in zip(local, inside, strict=True)])
    return bool((found - here).abs().max() <= TOLERANCE * (here.abs().max() + 1e-300))


def inputs_of(patches: Patches, inputs: Tensor, which: Tensor, points: Tensor, grid: tuple[int, ...]) -> Tensor:
    """The inputs that belong to neighbourhoods: cut out where an input is a field, as they are where it is a number."""
    if inputs.shape[1:-1] == grid and max(grid) > 1:
        return patches.cut(inputs, which, points, grid)
    return inputs[which]
