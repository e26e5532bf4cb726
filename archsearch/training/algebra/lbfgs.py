"""Limited-memory BFGS for many problems of one shape at once, each with its own history and step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

HISTORY = 20
SUFFICIENT = 1e-4
"""Armijo's share of the decrease that the slope promises."""
SHORTER = 0.5
TRIALS = 8

Objective = Callable[[Tensor], tuple[Tensor, Tensor]]
"""(R, D) -> values (R,) and gradients (R, D)"""


def lbfgs(
    objective: Objective, x: Tensor, steps: int, go_on: Callable[[int, Tensor, Tensor], bool]
) -> tuple[Tensor, Tensor]:
    """Minimise R functions of D unknowns; each ends at its best point, whatever happens to the others.

    Args:
        objective: values and gradients; what is not finite is refused.
        x: (R, D), starts.
        steps: iterations at most.
        go_on: called after every iteration with their number, the points and the values there; False stops.

    Returns:
        (R, D) and the values (R,) there.

    Reference:
        Liu & Nocedal (1989), Math. Program. 45:503, with backtracking: a step of length one is nearly always taken,
        and a pair of negative curvature is left out.
    """
    value, slope = objective(x)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    for done in range(1, steps + 1):
        direction = _direction(slope, pairs)
        uphill = (direction * slope).sum(-1, keepdim=True) >= 0
        direction = torch.where(uphill, -slope, direction)
        if not pairs:
            direction = direction / slope.norm(dim=-1, keepdim=True).clamp(min=1.0)
        new_x, new_value, new_slope = _searched(objective, x, value, slope, direction)
        pairs = _remembered(pairs, new_x - x, new_slope - slope)
        stuck = bool((new_value >= value).all())
        x, value, slope = new_x, new_value, new_slope
        if not go_on(done, x, value) or (stuck and not pairs):
            break
        if stuck:
            pairs = []
    return x, value


def _direction(slope: Tensor, pairs: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Minus the inverse curvature times the slope, by two loops over the history."""
    if not pairs:
        return -slope
    q, shares = slope.clone(), []
    for s, y, rho in reversed(pairs):
        share = rho * (s * q).sum(-1, keepdim=True)
        q = q - share * y
        shares.append(share)
    s, y, rho = pairs[-1]
    size = torch.where(rho > 0, 1.0 / (rho * y.square().sum(-1, keepdim=True)).clamp(min=1e-300), 1.0)
    q = size * q
    for (s, y, rho), share in zip(pairs, reversed(shares), strict=True):
        q = q + s * (share - rho * (y * q).sum(-1, keepdim=True))
    return -q


def _remembered(
    pairs: list[tuple[Tensor, Tensor, Tensor]], s: Tensor, y: Tensor
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The history with a new pair; of no weight for a problem whose curvature along it is not positive."""
    product = (s * y).sum(-1, keepdim=True)
    good = product > 1e-12 * s.norm(dim=-1, keepdim=True) * y.norm(dim=-1, keepdim=True)
    rho = torch.where(good, 1.0 / torch.where(good, product, 1.0), 0.0)
    return [*pairs, (s, y, rho)][-HISTORY:] if bool(good.any()) else pairs


def _searched(
    objective: Objective, x: Tensor, value: Tensor, slope: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The first point along each direction that is low enough; the old one where there is none."""
    promise = (slope * direction).sum(-1)
    length = torch.ones_like(value)
    best = (x, value, slope)
    open_ = torch.ones_like(value, dtype=torch.bool)
    for _ in range(TRIALS):
        trial = x + length.unsqueeze(-1) * direction
        new_value, new_slope = objective(trial)
        low = open_ & (new_value <= value + SUFFICIENT * length * promise) & torch.isfinite(new_slope).all(-1)
        column = low.unsqueeze(-1)
        best = (
            torch.where(column, trial, best[0]),
            torch.where(low, new_value, best[1]),
            torch.where(column, new_slope, best[2]),
        )
        open_ = open_ & ~low
        if not bool(open_.any()):
            break
        length = torch.where(open_, SHORTER * length, length)
    return best
