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
from archsearch.training.stages import Stage, stage
from archsearch.training.task import Samples

SEGMENTS = (1, 5)
"""Lengths of the segments, in sampling intervals, before whole trajectories."""

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
    model: HybridModel, states: tuple[State, ...], samples: Samples, settings: FitSettings, generator: torch.Generator
) -> Fit:
    """Fit the parameters and nets of a model, in place, with the initial states that are not known.

    Args:
        model: the candidate, initialised.
        states: what is known of its states.
        samples: the observations that may be seen.
        settings: method, steps, weights of priors, steps per interval.
        generator: draws whatever is drawn.
    """
    loss = prepare(model, states, samples, settings)
    stages = _physics_first(loss)
    calibrate(loss)
    if settings.method == "gauss_newton":
        stages += _least_squares(loss)
    if settings.method == "shooting" or not math.isfinite(_error(loss)):
        stages += _shooting(loss, generator)
    return _checked(loss, stages, generator)


def _shooting(loss: Loss, generator: torch.Generator) -> list[Stage]:
    """Match intervals, then shoot; from the quiet start if what matches intervals cannot be rolled out."""
    squares = LeastSquares(loss, Batch.whole(loss))
    quiet = _quiet(loss, squares)
    matched = match_intervals(loss)
    if not math.isfinite(_error(loss)):
        squares.go(quiet)
    return [matched, *shoot(loss, generator)]


def _physics_first(loss: Loss) -> list[Stage]:
    """Where a trajectory hides a state, roll out the physics alone, fitted, to have an idea of it to start from."""
    if not bool(unseen(loss).any()):
        return []
    physics = replace(loss, model=loss.model.nulled())
    unknowns = [loss.model.raw, *loss.initial.unknowns()]
    reached = minimise(physics.rollout, unknowns, loss.settings.rollout_steps)
    z = _rolled(physics)
    with torch.no_grad():
        slopes = physics.field()(loss.samples.times, z, loss.samples.inputs)
    fill_hidden(loss, z, slopes)
    return [stage("physics alone", reached)]


def _least_squares(loss: Loss) -> list[Stage]:
    """Least squares on segments, then on whole trajectories from whichever point rolls out best."""
    whole = Batch.whole(loss)
    squares = LeastSquares(loss, whole)
    points, stages = [_quiet(loss, squares), squares.here()], []
    for length in SEGMENTS:
        if length < loss.samples.times.shape[1] - 1:
            reached = descend(loss, Batch.segments(loss, length), loss.settings.segment_steps, enough=ROUGH)
            stages.append(stage(f"segments of {length}", reached))
            points.append(squares.here())
    squares.go(min(reversed(points), key=lambda point: _cost(squares, point)))
    stages.append(stage("whole trajectories", descend(loss, whole, loss.settings.segment_steps, enough=ROUGH)))
    _refine(loss)
    return [*stages, maximise_evidence(loss)]


def _refine(loss: Loss) -> bool:
    """Halve the steps of the training grid until its error is a small part of the misfit; whether any were halved."""
    exact, before = _accurate(loss), loss.settings.substeps
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
    cost, _ = squares.cost(point)
    return cost if math.isfinite(cost) else math.inf


def _checked(loss: Loss, stages: list[Stage], generator: torch.Generator) -> Fit:
    """Compare with an accurate rollout; where the training grid was too coarse, refine it and polish once more."""
    while math.isfinite(_error(loss)) and _refine(loss):
        by_shooting = loss.settings.method == "shooting"
        polished = shoot(loss, generator) if by_shooting else [maximise_evidence(loss)]
        stages += [replace(one, name=f"{one.name}, {loss.settings.substeps} substeps") for one in polished]
    error = loss.error(_accurate(loss), loss.samples.valid)
    with torch.no_grad():
        initial = loss.coordinates.natural(loss.initial.value())
    return Fit(loss, initial, error, tuple(stages), "ok" if math.isfinite(error) else "diverged")


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
