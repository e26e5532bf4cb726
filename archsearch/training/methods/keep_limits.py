"""Hold the limits of a candidate at the collocation points of its training trajectories."""

from __future__ import annotations

import math

from torch import Tensor

from archsearch.training.algebra.minimise import GoOn, Minimum
from archsearch.training.flow.sensitivities import Intervals
from archsearch.training.methods.gauss_newton import descend
from archsearch.training.methods.stages import Journal
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.least_squares import LeastSquares
from archsearch.training.squares.limit_rows import Margins, keeps_limits
from archsearch.training.squares.limits import opened, settled, updated, violation
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.rollouts import on_grid, training_error
from archsearch.training.squares.schemes import Implicit

LIMIT_ROUNDS = 15
EXACT = 1e-4
"""Relative decrease below which a round of fitting with limits has converged."""


def keep_limits(loss: Loss, journal: Journal) -> None:
    """Hold the limits of a candidate at every collocation point, by rounds of an augmented Lagrangian."""
    if journal.stopped or not keeps_limits(loss.model) or not math.isfinite(training_error(loss)):
        return
    margins = _margins(loss)
    loss.limits = opened(margins, LeastSquares(loss, Batch.whole(loss)).visit_here().cost)
    if settled(loss.limits, margins):
        journal.say("limits are kept")
        return
    for number in range(1, LIMIT_ROUNDS + 1):
        used = loss.limits
        journal.run(f"limits, round {number}", lambda watch: _exact_descent(loss, watch))
        margins = _margins(loss)
        if settled(used, margins) or journal.stopped:
            break
        loss.limits = updated(used, margins)
    journal.say(f"limits are kept but for {violation(margins):.1g}")


def _exact_descent(loss: Loss, watch: GoOn) -> Minimum:
    return descend(loss, Batch.whole(loss), loss.settings.least_squares_steps, EXACT, watch, single=False)


def _margins(loss: Loss) -> Tensor:
    """(B, points, K), at the collocation points of the training rollouts."""
    scheme, path = loss.scheme(), on_grid(loss)
    assert isinstance(scheme, Implicit)
    assert path.stages is not None
    over = Intervals.of(path.z, loss.samples.times, loss.samples.inputs)
    return Margins(loss.model, loss.coordinates, scheme.step).at(over, path.stages.flatten(0, 1))
