"""What to do when a fit of whole trajectories ended badly: ask why, and fit windows where that is the remedy."""

from __future__ import annotations

import math

import torch

from archsearch.training.algebra.minimise import GoOn, Minimum
from archsearch.training.methods.evidence import maximise_evidence
from archsearch.training.methods.gradient_health import gradient_health
from archsearch.training.methods.lifted import Lifted, fit_lifted
from archsearch.training.methods.stages import Journal
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.least_squares import LeastSquares
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.rollouts import training_error

BAD = 0.2
"""A training error, in variances of the data, that asks for a second look."""
BETTER = 0.5
"""Windows are preferred if they miss the data by less than this share of what the whole rollout misses."""
WINDOW_STEPS = 60


def by_windows(loss: Loss, journal: Journal, generator: torch.Generator) -> bool:
    """Where a fit ended badly because its system forgets its past or blows up, fit windows with states of their own.

    Afterwards the parameters are those of the windows if these follow the data much better, and the whole is fitted
    once more from there if it can be rolled out. A rollout of a chaotic system over its whole length is not to be had;
    what the windows identify are the parameters.

    Args:
        loss: the training problem, fitted.
        journal: of the fit.
        generator: draws directions in which gradients are checked.

    Returns:
        Whether windows have the last word, because no rollout of the whole has a meaning.
    """
    before = training_error(loss)
    explicit = not loss.implicit and loss.observations.plain
    if journal.stopped or not explicit or (math.isfinite(before) and before < BAD) or not _has_unknowns(loss):
        return False
    health = gradient_health(loss, generator)
    journal.note("gradients", f"{health.verdict}: {health.said}", before)
    if health.verdict not in ("chaotic", "not finite"):
        return False
    squares = LeastSquares(loss, Batch.whole(loss))
    here, window, noise = squares.here(), health.window, loss.noise
    found = _fitted(loss, journal, window)
    after = loss.error(found.rollout, loss.samples.valid)
    if not (math.isfinite(after) and after < BETTER * before) and math.isfinite(before):
        squares.go(here)
        loss.noise = noise
        return False
    if health.verdict == "chaotic" or not math.isfinite(squares.visit_here().cost):
        return True
    journal.run("whole trajectories, from windows", lambda watch: maximise_evidence(loss, watch=watch))
    return False


def _has_unknowns(loss: Loss) -> bool:
    return any(tensor.numel() for tensor in loss.model.parameters())


def _fitted(loss: Loss, journal: Journal, window: int) -> Lifted:
    """Fit windows; where they have not been joined in time, once more with windows half as long."""
    start = LeastSquares(loss, Batch.whole(loss)).here()
    while True:
        found: list[Lifted] = []

        def work(watch: GoOn, window: int = window, found: list[Lifted] = found) -> Minimum:
            found.append(fit_lifted(loss, window, WINDOW_STEPS, watch))
            return found[0]

        journal.run(f"windows of {window} intervals", work)
        if found[0].reason in ("converged", "stopped") or window == 1:
            return found[0]
        LeastSquares(loss, Batch.whole(loss)).go(start)
        window = window // 2
