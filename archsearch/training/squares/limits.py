"""Limits that a fit must keep at every collocation point: an augmented Lagrangian written as residual rows.

A least-squares fit minimises ½ Σ r² subject to margins g >= 0. Rows sqrt(μ) max(0, λ/μ - g) beside the residuals r make
of it the augmented Lagrangian L(p; λ, μ), up to a constant. A fit of r and rows, then new multipliers λ, and so on:

    limits = opened(margins, cost)
    while not settled(limits, margins):
        ... fit residuals and rows(limits, margins) ...
        limits = updated(limits, margins)

Reference: Nocedal, J. & Wright, S. J., Numerical Optimization, 2nd ed., Springer 2006, section 17.4 and framework 17.3.
Differs: a penalty for each limit, and every round is a whole fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = 1e-8
"""Largest violation of a limit, in its unit, and largest distance from complementarity."""
GROWTH = 10.0
"""Factor on the penalty of a limit whose violation falls too slowly."""
ENOUGH = 0.1
"""Share of its violation that may be left of a limit after a round."""
SHARE = 100.0
"""Weight of a violation as large as the typical margin, in costs."""


@dataclass(frozen=True)
class Limits:
    """Where an augmented Lagrangian stands.

    Attributes:
        multipliers: (..., K), of ½ Σ r², cost unit per margin unit, never negative.
        penalty: (K,), cost unit per squared margin unit.
        gap: (K,), largest distance of each limit from complementarity a round ago.
    """

    multipliers: Tensor
    penalty: Tensor
    gap: Tensor


def opened(margins: Tensor, cost: float) -> Limits:
    """Multipliers of 0, and penalties in proportion to the cost.

    Args:
        margins: (..., K), of K limits at any number of points, where the fit starts; negative where broken.
        cost: Σ r² there.
    """
    flat = torch.nan_to_num(_flat(margins.detach()))
    broken, whole = flat.clamp(max=0).square().sum(0), flat.square().sum(0)
    smallest = torch.finfo(margins.dtype).eps
    penalty = max(cost, smallest) / torch.where(broken > 0, broken, whole / SHARE).clamp(min=smallest)
    return Limits(torch.zeros_like(margins, requires_grad=False), penalty, torch.full_like(penalty, torch.inf))


def rows(limits: Limits, margins: Tensor) -> Tensor:
    """(..., K), residual rows for margins (..., K); differentiable, 0 where a limit does not act."""
    return limits.penalty.sqrt() * (limits.multipliers / limits.penalty - margins).clamp(min=0)


def slopes(limits: Limits, margins: Tensor) -> Tensor:
    """(..., K), derivative of each row with respect to its own margin."""
    acts = limits.multipliers / limits.penalty > margins
    return torch.where(acts, -limits.penalty.sqrt(), 0.0)


def violation(margins: Tensor) -> float:
    """By how much the worst limit is broken, 0 if none is; infinite where a margin is not a number."""
    broken = torch.nan_to_num(-margins.detach(), nan=torch.inf).clamp(min=0)
    return float(broken.max()) if broken.numel() else 0.0


def updated(limits: Limits, margins: Tensor) -> Limits:
    """New multipliers max(0, λ - μ g), and a larger penalty for limits that came too little closer.

    Args:
        limits: where it stands.
        margins: (..., K), after the fit with these limits.
    """
    here = margins.detach()
    gap = _gap(limits, here)
    slow = (gap > ENOUGH * limits.gap) & (gap > TOLERANCE)
    multipliers = (limits.multipliers - limits.penalty * here).clamp(min=0)
    return Limits(multipliers, torch.where(slow, GROWTH * limits.penalty, limits.penalty), gap)


def settled(limits: Limits, margins: Tensor) -> bool:
    """Whether every limit is kept, and the multiplier of every limit with room to spare is 0.

    Args:
        limits: those of the fit that led here.
        margins: (..., K), after it.
    """
    return bool((_gap(limits, margins.detach()) <= TOLERANCE).all())


def _gap(limits: Limits, margins: Tensor) -> Tensor:
    """(K,), max |min(g, λ/μ)|: what an update would change in the multipliers, over the penalty."""
    change = torch.minimum(margins, limits.multipliers / limits.penalty).abs()
    return _flat(torch.nan_to_num(change, nan=torch.inf)).amax(0)


def _flat(margins: Tensor) -> Tensor:
    """Margins (points, K)."""
    return margins.reshape(margins.shape[:-1].numel(), margins.shape[-1])
