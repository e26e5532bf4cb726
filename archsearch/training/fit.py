"""Fit one candidate: smooth, least squares over growing segments, shooting where that fails; then check the grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.batches import Batch
from archsearch.training.evidence import maximise_evidence
from archsearch.training.gauss_newton import ROUGH, descend
from archsearch.training.integrate import accurate, rollout
from archsearch.training.least_squares import LeastSquares, Point
from archsearch.training.losses import Loss
from archsearch.training.minimise import minimise
from archsearch.training.prepare import calibrate, fill_hidden, prepare, unseen
from archsearch.training.shooting import match_intervals, shoot
from archsearch.training.stages import Journal, Stage, Watch
from archsearch.training.task import Samples

NEAR = 5e-3
"""Relative decrease below which states and unknowns together are near enough to a rollout to go on with one."""
UNSTABLE = 1e-4
"""A training grid is too coarse to begin with if halving its steps moves single intervals more than this, in variances
of the data."""
MOST_SUBSTEPS = 64
GRID_SHARE = 0.01
"""A training grid is fine enough if its error is below this share of the misfit, else a net learns to mend it."""
GRID_FLOOR = 1e-9
"""Nothing is measured more accurately than this, in variances of the data."""


QUIET = 1e-3
"""Factor of the last layer of a net that is turned down."""


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
    watch: Watch = lambda stage, step: True,
) -> Fit:
    """Fit the parameters and nets of a model, in place, with the initial states that are not known.

    Args:
        model: the candidate, initialised.
        states: what is known of its states.
        samples: the observations that may be seen.
        settings: method, steps, weights of priors, steps per interval.
        generator: draws whatever is drawn.
        watch: called after every iteration of every stage; may stop the fit, which then is as far as it is.
    """
    loss = prepare(model, states, samples, settings)
    journal = Journal(watch)
    _physics_first(loss, journal)
    calibrate(loss)
    if settings.method == "gauss_newton":
        _least_squares(loss, journal)
    if settings.method == "shooting" or not math.isfinite(_error(loss)):
        _shooting(loss, journal, generator)
    return _checked(loss, journal, generator)


def _shooting(loss: Loss, journal: Journal, generator: torch.Generator) -> None:
    """Match intervals, then shoot; from the quiet start if what matches intervals cannot be rolled out."""
    squares = LeastSquares(loss, Batch.whole(loss))
    quiet = _quiet(loss, squares)
    match_intervals(loss, journal)
    if not math.isfinite(_error(loss)):
        squares.go(quiet)
    shoot(loss, journal, generator)


def _physics_first(loss: Loss, journal: Journal) -> None:
    """Where a trajectory hides a state, roll out the physics alone, fitted, to have an idea of it to start from."""
    if not bool(unseen(loss).any()):
        return
    physics = replace(loss, model=loss.model.nulled())
    unknowns = [loss.model.raw, *loss.initial.unknowns()]
    journal.run("physics alone", lambda watch: minimise(physics.rollout, unknowns, loss.settings.rollout_steps, watch))
    z = _rolled(physics)
    with torch.no_grad():
        slopes = physics.field()(loss.samples.times, z, loss.samples.inputs)
    fill_hidden(loss, z, slopes)


def _least_squares(loss: Loss, journal: Journal) -> None:
    """Single intervals, then states and unknowns together, then whole trajectories from what rolls out best."""
    _stable(loss)
    whole = Batch.whole(loss)
    squares = LeastSquares(loss, whole)
    points = [_quiet(loss, squares), squares.here()]
    _segments(loss, journal, points, squares, 1)
    journal.run("states and unknowns", lambda watch: maximise_evidence(loss, lifted=True, enough=NEAR, watch=watch))
    points.append(squares.here())
    if not math.isfinite(_cost(squares, points[-1])):
        _segments(loss, journal, points, squares, 5)
    squares.go(min(reversed(points), key=lambda point: _cost(squares, point)))
    journal.run("whole trajectories", lambda watch: maximise_evidence(loss, watch=watch))


def _segments(loss: Loss, journal: Journal, points: list[Point], squares: LeastSquares, length: int) -> None:
    """Least squares on segments of that many intervals, each from the smooth."""
    if length >= loss.samples.times.shape[1] - 1:
        return
    batch, steps = Batch.segments(loss, length), loss.settings.segment_steps
    journal.run(f"segments of {length}", lambda watch: descend(loss, batch, steps, ROUGH, watch))
    points.append(squares.here())


def _stable(loss: Loss) -> None:
    """Halve the steps of the training grid until single intervals no longer depend on them much."""
    batch = Batch.segments(loss, 1)
    assert batch.start is not None

    def ends() -> Tensor:
        with torch.no_grad(), loss.model.prepared():
            return rollout(loss.field(), batch.start, batch.times, batch.inputs, loss.settings.substeps)[:, 1]

    coarse = ends()
    while loss.settings.substeps < MOST_SUBSTEPS:
        before = loss.settings
        loss.settings = before.model_copy(update={"substeps": 2 * before.substeps})
        fine = ends()
        wrong = ((fine - coarse) / loss.scale).square()
        if bool(wrong[torch.isfinite(wrong)].mean() <= UNSTABLE) and bool(torch.isfinite(coarse).all()):
            loss.settings = before
            return
        coarse = fine


def _refine(loss: Loss, exact: Tensor) -> bool:
    """Halve the steps of the training grid until its error is a small part of the misfit; whether any were halved."""
    before = loss.settings.substeps
    if not bool(torch.isfinite(exact).all()):
        return False
    allowed = max(GRID_SHARE * loss.error(exact, loss.samples.valid), GRID_FLOOR)
    while loss.settings.substeps < MOST_SUBSTEPS and not _grid_error(loss, exact) <= allowed:
        loss.settings = loss.settings.model_copy(update={"substeps": 2 * loss.settings.substeps})
    return loss.settings.substeps > before


def _grid_error(loss: Loss, exact: Tensor) -> float:
    """Mean square difference between the training grid and an accurate rollout, in variances of the data."""
    return float(((exact - _rolled(loss)) / loss.scale)[loss.samples.valid].square().mean())


def _quiet(loss: Loss, squares: LeastSquares) -> Point:
    """The point with the last layers of all nets turned down, so that what is added or multiplied all but vanishes."""
    here = squares.here()
    with torch.no_grad():
        for net in loss.model.nets().values():
            for name, tensor in net.named_parameters():
                if name.endswith(f"_{len(net.hidden)}"):
                    tensor.mul_(QUIET)
    quiet = squares.here()
    squares.go(here)
    return quiet


def _cost(squares: LeastSquares, point: Point) -> float:
    """The cost of a point, infinite where it is not finite."""
    cost = squares.visit(point).cost
    return cost if math.isfinite(cost) else math.inf


def _checked(loss: Loss, journal: Journal, generator: torch.Generator) -> Fit:
    """Compare with an accurate rollout; where the training grid was too coarse, refine it and polish once more."""
    exact = _accurate(loss)
    while not journal.stopped and math.isfinite(_error(loss)) and _refine(loss, exact):
        if loss.settings.method == "shooting":
            shoot(loss, journal, generator)
        else:
            name = f"whole trajectories, {loss.settings.substeps} substeps"
            journal.run(name, lambda watch: maximise_evidence(loss, watch=watch))
        exact = _accurate(loss)
    error = loss.error(exact, loss.samples.valid)
    with torch.no_grad():
        initial = loss.coordinates.natural(loss.initial.value())
    return Fit(loss, initial, error, tuple(journal.stages), "ok" if math.isfinite(error) else "diverged")


def _error(loss: Loss) -> float:
    """Mean square error on the training grid."""
    return loss.error(_rolled(loss), loss.samples.valid)


@torch.no_grad()
def _rolled(loss: Loss) -> Tensor:
    """(N, T, n), inner coordinates, on the training grid."""
    samples = loss.samples
    with loss.model.prepared():
        return rollout(loss.field(), loss.initial.value(), samples.times, samples.inputs, loss.settings.substeps)


@torch.no_grad()
def _accurate(loss: Loss) -> Tensor:
    """(N, T, n), inner coordinates, to tight tolerances."""
    with loss.model.prepared():
        return accurate(loss.field(), loss.initial.value(), loss.samples.times, loss.samples.inputs, 1)
