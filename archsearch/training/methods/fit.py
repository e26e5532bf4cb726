"""Fit one candidate: a chain of methods, then a check by another integrator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.implicit.rollout import is_stiff
from archsearch.training.methods.chain import MOST_SUBSTEPS, by_shooting, physics_first
from archsearch.training.methods.evidence import maximise_evidence
from archsearch.training.methods.keep_limits import keep_limits
from archsearch.training.methods.rescue import by_windows
from archsearch.training.methods.second_start import by_least_squares_twice
from archsearch.training.methods.shooting import shoot
from archsearch.training.methods.stages import Journal, Stage, Watch, unwatched
from archsearch.training.squares.limit_rows import keeps_limits
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.prepare import calibrate, prepare
from archsearch.training.squares.rollouts import exactly, on_grid, training_error
from archsearch.training.squares.schemes import Path

AFFORDABLE_SUBSTEPS = 16
"""A model that needs more explicit steps than this per interval, for no other reason than stability, is stiff."""
GRID_SHARE = 0.01
"""A training grid is fine enough if its error is below this share of the misfit, else a net learns to mend it."""
JUDGE, LOOSEST = 1e-3, 1e-6
"""Tolerance of the judging rollout in standard deviations of the error that is allowed, and at most."""
GRID_FLOOR = 1e-9
"""Nothing is measured more accurately than this, in variances of the data."""


@dataclass(frozen=True)
class Fit:
    """A fitted model (in place) with its initial states.

    Attributes:
        loss: the training problem at the fitted point.
        initial: (N, n), natural units.
        error: mean square error of the accurate rollout on the training data, in variances of the data.
        stages: what was done.
        status: `ok`, or `diverged` if no finite rollout was found.
    """

    loss: Loss
    initial: Tensor
    error: float
    stages: tuple[Stage, ...]
    status: Literal["ok", "diverged"]


def fit(
    model: HybridModel,
    states: tuple[State, ...],
    samples: Samples,
    settings: FitSettings,
    generator: torch.Generator,
    watch: Watch = unwatched,
    prior_mean: Tensor | None = None,
) -> Fit:
    """Fit the parameters and nets of a model, in place, with the initial states that are not known.

    Args:
        model: the candidate, initialised.
        states: what is known of its states.
        samples: the observations that may be seen.
        settings: method, steps, weights of priors, steps per interval.
        generator: draws whatever is drawn.
        watch: called after every iteration of every stage; may stop the fit, which then is as far as it is.
        prior_mean: (number of raw parameters,), where the physical parameters are expected; default: where they stand.
    """
    loss = prepare(model, states, samples, settings, prior_mean)
    journal = Journal(watch)
    calibrate(loss)  # an untrained net of no size looks stiff where time units are small
    loss.implicit = _needs_implicit_steps(loss)
    physics_first(loss, journal)
    calibrate(loss)
    loss.find_algebraic()
    if settings.method == "gauss_newton":
        by_least_squares_twice(loss, journal, generator)
    if settings.method == "shooting" or not math.isfinite(training_error(loss)):
        by_shooting(loss, journal, generator)
    by_parts = by_windows(loss, journal, generator)
    keep_limits(loss, journal)
    exact = _judge(loss) if by_parts else _refined(loss, journal, generator)
    return _ended(loss, journal, exact)


def _needs_implicit_steps(loss: Loss) -> bool:
    """Whether the settings, algebraic variables, limits or stiffness ask for implicit steps."""
    wanted, samples = loss.settings.scheme, loss.samples
    if loss.model.algebraic_variables or keeps_limits(loss.model):
        return True
    if wanted != "auto":
        return wanted == "implicit"
    nodes = torch.where(torch.isfinite(loss.smoothed.states), loss.smoothed.states, loss.initial.value().unsqueeze(1))
    return is_stiff(loss.model, loss.coordinates, nodes, samples.times, samples.inputs, AFFORDABLE_SUBSTEPS)


def _refine(loss: Loss, exact: Path) -> bool:
    """Halve the steps of the training grid until its error is a small part of the misfit; whether any were halved."""
    before = loss.settings.substeps
    if not bool(torch.isfinite(exact.z).all()):
        return False
    allowed = _allowed(loss.error(loss.measured(exact), loss.samples.valid))
    if _grid_error(loss, exact) <= allowed:
        return False
    exact = exactly(loss)  # of a system that forgets its past, what judges must be more accurate than what is judged
    while loss.settings.substeps < MOST_SUBSTEPS and not _grid_error(loss, exact) <= allowed:
        loss.settings = loss.settings.model_copy(update={"substeps": 2 * loss.settings.substeps})
    return loss.settings.substeps > before


def _allowed(misfit: float) -> float:
    """The error of a training grid that is fine enough, in variances of the data."""
    return max(GRID_SHARE * misfit, GRID_FLOOR)


def _judge(loss: Loss) -> Path:
    """A rollout that is much more accurate than what it must judge."""
    misfit = training_error(loss)
    allowed = _allowed(misfit) if math.isfinite(misfit) else GRID_FLOOR
    return exactly(loss, min(JUDGE * allowed**0.5, LOOSEST))


def _grid_error(loss: Loss, exact: Path) -> float:
    """Mean square difference between the training grid and an accurate rollout, in variances of the data."""
    return float(((exact.z - on_grid(loss).z) / loss.scale)[loss.samples.valid].square().mean())


def _refined(loss: Loss, journal: Journal, generator: torch.Generator) -> Path:
    """Where the training grid was too coarse, refine it and polish once more; the accurate rollout that has the say."""
    exact = _judge(loss)
    while not journal.stopped and _refine(loss, exact):
        loss.limits = None  # multipliers belong to the collocation points of a grid
        if loss.settings.method == "shooting":
            shoot(loss, journal, generator)
        else:
            name = f"whole trajectories, {loss.settings.substeps} substeps"
            journal.run(name, lambda watch: maximise_evidence(loss, watch=watch))
        keep_limits(loss, journal)
        exact = _judge(loss)
    return exact


def _ended(loss: Loss, journal: Journal, exact: Path) -> Fit:
    loss.find_algebraic()
    error = loss.error(loss.measured(exact), loss.samples.valid)
    with torch.no_grad():
        initial = loss.coordinates.natural(loss.initial.value())
    return Fit(loss, initial, error, tuple(journal.stages), "ok" if math.isfinite(error) else "diverged")
