"""What a fit means: which parameters and hidden states the data determine, and how much is the nets'."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from archsearch.training.batches import Batch
from archsearch.training.fit import Fit
from archsearch.training.hidden_states import hidden_states
from archsearch.training.least_squares import UNINFORMED, LeastSquares, Linearised, Point

CONTRACTION = 0.5
"""A parameter is identified if the data leave less than this share of the standard deviation of its prior."""


def diagnose(found: Fit) -> dict[str, Any]:
    """Standard errors and identifiability of physical parameters and of hidden states, and the share of the nets.

    The posterior is Gaussian around the fit (Laplace), weights of the nets and initial states integrated out: a
    parameter that a net could take over keeps the width of its prior, and is called not identified. Regularizers and
    priors of weights do not count: they choose a convention, the data do not. The width of a prior is that of the
    transformed parameter, 1 unless the settings say otherwise. With no more data than physical unknowns nothing is
    identified: the noise is not. `hidden_states` says what holds for states.

    Reference:
        The local test is that of science's standard theory of nuisance parameters: the information about the physics
        is what remains after projecting out the tangents of the nets (Robinson 1988, Econometrica 56:931).
    """
    model = found.loss.model
    with torch.enable_grad():
        values = model.parameter_values()
        slopes = {name: _slope(value, model.raw) for name, value in values.items()}
    noise = max(found.error, float(found.loss.noise))  # its unit is what the fit leaves, or what the smooth left
    point, around = _around(found)
    spread = _raw_spread(found, around, noise)
    errors = {name: _length(slope, spread) for name, slope in slopes.items()}
    prior = max(found.loss.settings.parameter_prior, UNINFORMED) ** -0.5
    widths = {name: _length(slope, torch.full_like(spread, prior)) for name, slope in slopes.items()}
    enough = _observations(found) > len(values) + found.loss.initial.count()
    hidden = hidden_states(found.loss, point.p, around.path, around.answers, noise)
    return {
        "std_error": errors,
        "identified": {name: enough and errors[name] < CONTRACTION * widths[name] for name in errors},
        "hidden_states": {
            name: vars(replace(state, identified=enough and state.identified)) for name, state in hidden.items()
        },
        "share": share(found),
    }


def _observations(found: Fit) -> int:
    return int(torch.isfinite(found.loss.samples.states).sum())


def _slope(value: Tensor, raw: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(value, raw, retain_graph=True)
    return slope.cpu()


def _length(slope: Tensor, spread: Tensor) -> float:
    """Standard deviation of a value whose raw coordinates have these."""
    return float(torch.where(slope != 0, slope * spread, 0.0).square().sum().sqrt())


def _around(found: Fit) -> tuple[Point, Linearised]:
    """The fitted point, and the problem around it without what only chooses among models that the data cannot tell."""
    squares = LeastSquares(found.loss, Batch.whole(found.loss), regularized=False, informed=False, single=False)
    point = squares.here()
    return point, squares.linearised(point, squares.visit(point))


def _raw_spread(found: Fit, around: Linearised, noise: float) -> Tensor:
    """(number of raw parameters,): posterior standard deviations; infinite where the equations are singular."""
    size = len(found.loss.model.raw)
    covariance = around.curvature.covariance(noise, size)
    if covariance is None:
        return torch.full((size,), torch.inf, dtype=torch.float64)
    return covariance.diagonal().clamp(min=0).sqrt().cpu()


@torch.no_grad()
def share(found: Fit) -> float:
    """rms(correction) / rms(derivative) on the nodes, in spreads of the derivatives: 0 without nets."""
    loss = found.loss
    if not loss.model.nets():
        return 0.0
    full = loss.field()(*loss.nodes()) / loss.slope
    physics = loss.coordinates.field(loss.model.nulled())(*loss.nodes()) / loss.slope
    return float((full - physics).square().mean().sqrt() / full.square().mean().sqrt().clamp(min=1e-12))
