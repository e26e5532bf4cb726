"""What a fit means: which parameters and hidden states the data determine, and how much is the nets'."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from archsearch.training.methods.fit import Fit
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.hidden_states import hidden_states
from archsearch.training.squares.identified import judged, raw_spread, share_of_nets
from archsearch.training.squares.least_squares import LeastSquares, Linearised, Point


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
    model, settings = found.loss.model, found.loss.settings
    noise = max(found.error, float(found.loss.noise))  # its unit is what the fit leaves, or what the smooth left
    point, around = _around(found)
    size = len(model.raw)
    spread = raw_spread(around.curvature.covariance(noise, size), size)
    enough = _observations(found) > len(model.parameter_values()) + found.loss.initial.count()
    hidden = hidden_states(found.loss, point.p, around.path, around.answers, noise)
    return judged(model, spread, settings.parameter_prior, enough) | {
        "hidden_states": {
            name: vars(replace(state, identified=enough and state.identified)) for name, state in hidden.items()
        },
        "share": share(found),
    }


def _observations(found: Fit) -> int:
    return int(torch.isfinite(found.loss.samples.states).sum())


def _around(found: Fit) -> tuple[Point, Linearised]:
    """The fitted point, and the problem around it without what only chooses among models that the data cannot tell."""
    squares = LeastSquares(found.loss, Batch.whole(found.loss), regularized=False, informed=False, single=False)
    point = squares.here()
    return point, squares.linearised(point, squares.visit(point))


@torch.no_grad()
def share(found: Fit) -> float:
    """rms(correction) / rms(derivative) on the nodes, in spreads of the derivatives: 0 without nets."""
    loss = found.loss
    if not loss.model.nets():
        return 0.0
    full = loss.field()(*loss.nodes()) / loss.slope
    physics = loss.coordinates.field(loss.model.nulled())(*loss.nodes()) / loss.slope
    return share_of_nets(full, physics)
