"""Physics vocabulary for fields: differences on a regular grid, along the trailing axes of a tensor.

A field is a tensor (..., W) on a line or (..., H, W) in a plane; whatever stands before the grid axes is batch. The
spacing is a tuple with one entry per grid axis, so it also says how many of the trailing axes are grid axes.

Boundaries, for a grid whose points are the centres of cells:

* `periodic`: what leaves on one side enters on the other.
* `neumann`: nothing passes the boundary, which lies half a cell beyond the last point.
* `dirichlet`: the field is 0 on the boundary, which lies half a cell beyond the last point.

Everything is linear shifting and adding, so it runs under `vmap` and every derivative of torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from archsearch.hybrid.candidate_error import CandidateError

Boundary = Literal["periodic", "neumann", "dirichlet"]
BOUNDARIES = ("periodic", "neumann", "dirichlet")
MIRROR = {"neumann": 1.0, "dirichlet": -1.0}
"""What the cell beyond the boundary holds, as a multiple of the last one inside: even or odd reflection."""


def laplacian(field: Tensor, spacing: Sequence[float], boundary: Boundary = "periodic") -> Tensor:
    """Sum of the second derivatives along the grid axes, of order 2 in the spacing.

    Args:
        field: (..., *grid), any unit.
        spacing: one distance between neighbouring points per grid axis.
        boundary: what lies beyond the edge.

    Returns:
        (..., *grid), unit of the field per unit of length squared.
    """
    parts = []
    for axis, step in _axes(field, spacing, boundary):
        low, high = _neighbours(field, axis, boundary)
        parts.append((low + high - 2 * field) / step**2)
    return _sum(parts)


def gradient(field: Tensor, spacing: Sequence[float], boundary: Boundary = "periodic") -> tuple[Tensor, ...]:
    """Central first derivatives, of order 2 in the spacing: one tensor per grid axis.

    Args:
        field: (..., *grid), any unit.
        spacing: one distance between neighbouring points per grid axis.
        boundary: what lies beyond the edge.

    Returns:
        A tuple of (..., *grid), unit of the field per unit of length, in the order of the axes.
    """
    parts = []
    for axis, step in _axes(field, spacing, boundary):
        low, high = _neighbours(field, axis, boundary)
        parts.append((high - low) / (2 * step))
    return tuple(parts)


def divergence(flux: Sequence[Tensor], spacing: Sequence[float], boundary: Boundary = "periodic") -> Tensor:
    """Divergence of a flux in finite volumes: what leaves a cell through a face enters the next cell.

    The flux through a face is the mean of the fluxes at the two centres beside it; through the faces on a `neumann`
    boundary it is 0. So the sum over the grid is 0 to rounding with `periodic` and `neumann`, and the sum of a state
    whose rate is minus this divergence is conserved.

    Args:
        flux: one tensor (..., *grid) per grid axis, at the centres of the cells.
        spacing: one distance between neighbouring points per grid axis.
        boundary: `dirichlet` takes the flux through the boundary as that of the last cell: an open edge.

    Returns:
        (..., *grid), unit of the flux per unit of length.

    Reference:
        LeVeque (2002), Finite Volume Methods for Hyperbolic Problems, sec. 4.1.
    """
    _refuse_count(flux, spacing)
    parts = []
    for component, (axis, step) in zip(flux, _axes(flux[0], spacing, boundary), strict=True):
        here, there = _pairs(component, axis, boundary)
        first, last = _ends(component, axis)
        walls = (first, last) if boundary == "dirichlet" else (torch.zeros_like(first), torch.zeros_like(last))
        parts.append(_balance((here + there) / 2, *walls, axis, boundary) / step)
    return _sum(parts)


def advection(
    field: Tensor, velocity: Sequence[Tensor], spacing: Sequence[float], boundary: Boundary = "periodic"
) -> Tensor:
    """Divergence of `velocity * field` in finite volumes, each face upwind: of order 1, conservative, free of wiggles.

    A rate of change by transport is minus this. With `periodic` and `neumann` the sum over the grid is 0 to rounding.

    Args:
        field: (..., *grid), what is carried.
        velocity: one tensor (..., *grid), or broadcastable to it, per grid axis, length per time.
        spacing: one distance between neighbouring points per grid axis.
        boundary: with `dirichlet` what lies beyond is empty: it flows out freely and nothing flows in.

    Returns:
        (..., *grid), unit of the field per unit of time.

    Reference:
        Courant, Isaacson & Rees (1952), Comm. Pure Appl. Math. 5:243; flux form as in LeVeque (2002), sec. 4.9.
    """
    _refuse_count(velocity, spacing)
    parts = []
    for component, (axis, step) in zip(velocity, _axes(field, spacing, boundary), strict=True):
        speed = component + torch.zeros_like(field)
        (here, there), speeds = _pairs(field, axis, boundary), _pairs(speed, axis, boundary)
        face = (speeds[0] + speeds[1]) / 2
        first, last = _ends(field, axis)
        slow, fast = _ends(speed, axis)
        open_edge = 1.0 if boundary == "dirichlet" else 0.0
        walls = (open_edge * slow.clamp(max=0) * first, open_edge * fast.clamp(min=0) * last)
        parts.append(_balance(face.clamp(min=0) * here + face.clamp(max=0) * there, *walls, axis, boundary) / step)
    return _sum(parts)


# ---- inside ----------------------------------------------------------------------------------------------------------


def _axes(field: Tensor, spacing: Sequence[float], boundary: str) -> list[tuple[int, float]]:
    """The grid axes, counted from the end, each with its spacing; refuses what makes no sense."""
    if not isinstance(spacing, Sequence):
        raise CandidateError(
            f"The spacing is {spacing!r}, expected a tuple with one entry per grid axis.",
            "Write spacing=(0.1,) on a line, spacing=(0.1, 0.1) in a plane.",
        )
    if boundary not in BOUNDARIES:
        raise CandidateError(f"The boundary is {boundary!r}.", f"Choose one of {', '.join(BOUNDARIES)}.")
    if not 1 <= len(spacing) <= field.dim() or min(spacing) <= 0:
        raise CandidateError(
            f"The spacing is {tuple(spacing)!r}, the field has shape {tuple(field.shape)}.",
            "Give one positive spacing per grid axis; the grid axes are the last ones.",
        )
    return [(index - len(spacing), float(step)) for index, step in enumerate(spacing)]


def _refuse_count(parts: Sequence[Tensor], spacing: Sequence[float]) -> None:
    if isinstance(parts, Tensor) or not isinstance(spacing, Sequence) or len(parts) != len(spacing):
        raise CandidateError("Expected one component and one spacing per grid axis.", "Write (f,) or (f_y, f_x).")


def _sum(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _neighbours(field: Tensor, axis: int, boundary: str) -> tuple[Tensor, Tensor]:
    """The values one cell lower and one cell higher along an axis."""
    if boundary == "periodic":
        return torch.roll(field, 1, axis), torch.roll(field, -1, axis)
    size, sign = field.shape[axis], MIRROR[boundary]
    first, last = field.narrow(axis, 0, 1), field.narrow(axis, size - 1, 1)
    low = torch.cat([sign * first, field.narrow(axis, 0, size - 1)], axis)
    high = torch.cat([field.narrow(axis, 1, size - 1), sign * last], axis)
    return low, high


def _ends(field: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The first and the last value along an axis."""
    return field.narrow(axis, 0, 1), field.narrow(axis, field.shape[axis] - 1, 1)


def _pairs(field: Tensor, axis: int, boundary: str) -> tuple[Tensor, Tensor]:
    """The values on the lower and on the higher side of every face between two cells."""
    if boundary == "periodic":
        return field, torch.roll(field, -1, axis)
    size = field.shape[axis]
    return field.narrow(axis, 0, size - 1), field.narrow(axis, 1, size - 1)


def _balance(between: Tensor, low: Tensor, high: Tensor, axis: int, boundary: str) -> Tensor:
    """What leaves every cell through its higher face less what enters through its lower one.

    Args:
        between: fluxes through the faces between cells; the last is the one round the edge if it is periodic.
        low: flux through the lower boundary.
        high: flux through the higher boundary.
        axis: along which.
        boundary: what lies beyond the edge.
    """
    if boundary == "periodic":
        return between - torch.roll(between, 1, axis)
    faces, size = torch.cat([low, between, high], axis), between.shape[axis] + 1
    return faces.narrow(axis, 1, size) - faces.narrow(axis, 0, size)
