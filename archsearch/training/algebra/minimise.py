"""Minimise a differentiable loss with L-BFGS, guarded against everything that is not finite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Reason = Literal["converged", "steps", "stopped", "not finite"]

GoOn = Callable[[int, float], bool]
"""Called after every iteration with their number and with what is minimised, per observation and in variances of the
data; NaN where that is not known. False stops."""

CHUNK = 10
"""Iterations between two looks at whether to go on."""


def always(_step: int, _value: float) -> bool:
    """Go on."""
    return True


@dataclass(frozen=True)
class Minimum:
    """Where a minimisation ended: loss, iterations, why it stopped, and what else is to be said of it."""

    loss: float
    steps: int
    reason: Reason
    said: str = ""


def minimise(
    loss: Callable[[], Tensor],
    unknowns: list[Tensor],
    steps: int,
    go_on: GoOn = always,
    tolerance: float = 1e-6,
) -> Minimum:
    """Minimise `loss()` over `unknowns` in place; they end at the best finite point that was visited.

    Args:
        loss: scalar, differentiable with respect to the unknowns.
        unknowns: leaf tensors.
        steps: iterations at most.
        go_on: called after every chunk.
        tolerance: relative decrease over a chunk under which it has converged.

    Reference:
        Liu & Nocedal (1989), Math. Program. 45:503, with a strong Wolfe line search, as implemented by torch.
    """
    unknowns = [unknown for unknown in unknowns if unknown.numel()]
    with torch.no_grad():
        best = float(loss())
    if not unknowns:
        return Minimum(best, 0, "converged")
    if not torch.isfinite(torch.tensor(best)):
        return Minimum(best, 0, "not finite")
    kept, done = _copy(unknowns), 0
    while done < steps:
        chunk = min(CHUNK, steps - done)
        value = _chunk(loss, unknowns, chunk)
        done += chunk
        if not value < best:
            _restore(unknowns, kept)
            finite = torch.isfinite(torch.tensor(value))
            return Minimum(best, done, "converged" if finite else "not finite")
        gained, best, kept = (best - value) / max(abs(best), 1e-300), value, _copy(unknowns)
        if gained < tolerance:
            return Minimum(best, done, "converged")
        if not go_on(done, best):
            return Minimum(best, done, "stopped")
    return Minimum(best, done, "steps")


def _chunk(loss: Callable[[], Tensor], unknowns: list[Tensor], steps: int) -> float:
    """A few iterations; the loss at their end, which may be anything."""
    optimiser = torch.optim.LBFGS(
        unknowns, max_iter=steps, history_size=30, line_search_fn="strong_wolfe", tolerance_change=1e-14
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        if bool(torch.isfinite(value)):
            value.backward()  # type: ignore[no-untyped-call]
        else:
            value = value.detach().new_tensor(1e10)  # the line search then tries a shorter step
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return float(loss())


def _copy(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


def _restore(tensors: list[Tensor], kept: list[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(tensors, kept, strict=True):
            tensor.copy_(value)
