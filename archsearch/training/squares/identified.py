"""What the data leave open of the physical parameters, and how much of a model is its nets'."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.squares.least_squares import UNINFORMED

CONTRACTION = 0.5
"""What is identified: the data leave less than this share of what was open before."""
LEAST = 1e-12


def judged(model: HybridModel, spread: Tensor, parameter_prior: float, enough: bool) -> dict[str, dict[str, Any]]:
    """Standard error of each physical parameter, in its unit, and whether the data determine it.

    Args:
        model: as fitted.
        spread: (number of raw parameters,), posterior standard deviations of the transformed parameters.
        parameter_prior: precision of their prior.
        enough: whether there are more data than unknowns; else nothing is identified.
    """
    with torch.enable_grad():
        values = model.parameter_values()
        slopes = {name: _slope(value, model.raw) for name, value in values.items()}
    prior = torch.full_like(spread, max(parameter_prior, UNINFORMED) ** -0.5)
    errors = {name: _length(slope, spread) for name, slope in slopes.items()}
    widths = {name: _length(slope, prior) for name, slope in slopes.items()}
    return {
        "std_error": errors,
        "identified": {name: enough and errors[name] < CONTRACTION * widths[name] for name in errors},
    }


def raw_spread(covariance: Tensor | None, size: int) -> Tensor:
    """(size,): standard deviations from a covariance (size, size), on the CPU; infinite without one."""
    if covariance is None:
        return torch.full((size,), torch.inf, dtype=torch.float64)
    return covariance.diagonal().clamp(min=0).sqrt().double().cpu()


def share_of_nets(full: Tensor, physics: Tensor) -> float:
    """rms(full - physics) / rms(full), both scaled alike; 0 where nothing moves."""
    return float((full - physics).square().mean().sqrt() / full.square().mean().sqrt().clamp(min=LEAST))


def _slope(value: Tensor, raw: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(value, raw, retain_graph=True)
    return slope.double().cpu()


def _length(slope: Tensor, spread: Tensor) -> float:
    """Standard deviation of a value whose raw coordinates have these."""
    return float(torch.where(slope != 0, slope * spread, 0.0).square().sum().sqrt())
