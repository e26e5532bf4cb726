"""Columns of states and inputs: in line with each other, joined, spread over a batch, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from archsearch.hybrid.candidate_error import CandidateError


class Seen:
    """The complete state that the equations are evaluated at, so that a net need not join its columns again."""

    __slots__ = ("columns", "x")

    def __init__(self) -> None:
        self.x: Tensor | None = None
        self.columns: tuple[Tensor, ...] = ()


def broadcast(args: Sequence[Any]) -> list[Tensor]:
    """Tensors and numbers as tensors of one shape."""
    first = args[0]
    if all(isinstance(arg, Tensor) and arg.shape == first.shape for arg in args):
        return list(args)
    tensors = [arg if isinstance(arg, Tensor) else torch.as_tensor(arg, dtype=torch.float64) for arg in args]
    return list(torch.broadcast_tensors(*tensors))  # type: ignore[no-untyped-call]  # torch leaves it untyped


def moments(values: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of the finite values; (0, 0) if there are none."""
    finite = values[torch.isfinite(values)]
    if not finite.numel():
        return 0.0, 0.0
    mean = finite.mean()
    return mean.item(), (finite - mean).square().mean().sqrt().item()


def aligned(value: Any, x: Tensor) -> Tensor:
    """A time or an input in line with states (..., n): one whose shape is that of their first axes gets the others.

    A field has grid axes that times and inputs lack: (N,) becomes (N, 1, 1) beside states (N, H, W, n).
    """
    if not isinstance(value, Tensor):
        return x.new_tensor(value)
    own = value.dim()
    lacking = x.dim() - 1 - own
    if lacking > 0 and own > 0 and value.shape == x.shape[:own]:
        return value.reshape(value.shape + (1,) * lacking)
    return value


def stacked(found: Mapping[str, Any], names: Sequence[str], like: Tensor) -> Tensor:
    """The values of these names along a last axis, (..., names), each spread over the batch of `like` (..., any)."""
    batch = like.shape[:-1]
    columns = [found[name] for name in names]
    for column in columns:
        if type(column) is not Tensor or column.shape != batch:
            columns = [_spread(name, found[name], like) for name in names]
            break
    return torch.stack(columns, -1)


def _spread(name: str, value: Any, like: Tensor) -> Tensor:
    batch = like.shape[:-1]
    column: Tensor = value if isinstance(value, Tensor) else like.new_tensor(value)
    shared = column.dim() == len(batch) > 1 and all(
        own in (1, size) for own, size in zip(column.shape, batch, strict=True)
    )
    if column.shape != batch and column.dim() > 0 and not shared:
        raise CandidateError(f"{name!r} has shape {tuple(column.shape)}, expected {tuple(batch)} like the states.")
    return column.expand(batch)
