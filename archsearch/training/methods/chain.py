"""The chain of methods that a fit goes through, each started from what the one before it found."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.algebra.minimise import minimise
from archsearch.training.flow.sensitivities import Intervals
from archsearch.training.methods.collocation import collocate
from archsearch.training.methods.evidence import maximise_evidence
from archsearch.training.methods.gauss_newton import ROUGH, descend
from archsearch.training.methods.shooting import match_intervals, shoot
from archsearch.training.methods.stages import Journal
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.least_squares import LeastSquares, Point
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.prepare import fill_hidden, unseen
from archsearch.training.squares.rollouts import on_grid, training_error

NEAR = 1e-2
"""Relative decrease of an iteration below which states and unknowns together have converged."""
ALIKE = 1.005
"""Largest ratio of the costs of a rollout and of the states that it was fitted with, if these are to be the same."""
UNSTABLE = 1e-4
"""A training grid is too coarse to begin with if halving its steps moves single intervals more than this, in variances
of the data."""
MOST_SUBSTEPS = 64
MOST_UNKNOWNS = 6000
"""With more parameters and weights than this, a step of Gauss-Newton costs more than it gains."""
WIDEST_LOG = 5.0
"""The logarithm of a state that nothing shows is sought no farther away than a few times this."""
QUIET = 1e-3
"""Factor of the last layer of a net that is turned down."""


def by_shooting(loss: Loss, journal: Journal, generator: torch.Generator) -> None:
    """Match intervals, then shoot; from the quiet start if what matches intervals cannot be rolled out."""
    squares = LeastSquares(loss, Batch.whole(loss))
    quiet = quiet_point(loss, squares)
    match_intervals(loss, journal)
    if not math.isfinite(training_error(loss)):
        squares.go(quiet)
    shoot(loss, journal, generator)


def physics_first(loss: Loss, journal: Journal) -> None:
    """Where a trajectory hides a state, roll out the physics alone, fitted, to have an idea of it to start from."""
    if not bool(unseen(loss).any()):
        return
    _widen_hidden(loss)
    physics = replace(loss, model=loss.model.nulled())
    unknowns = [loss.model.raw, *loss.initial.unknowns()]
    journal.run("physics alone", lambda watch: minimise(physics.rollout, unknowns, loss.settings.rollout_steps, watch))
    path = on_grid(physics)
    with torch.no_grad():
        slopes = physics.field()(loss.samples.times, loss.completed(path), loss.samples.inputs)
    fill_hidden(loss, path.z, slopes)


def _widen_hidden(loss: Loss) -> None:
    """Give the start of a state that nothing shows the unit that moves what is shown by one standard deviation."""
    squares = LeastSquares(loss, Batch.whole(loss), single=False)
    here = squares.here()
    answers = squares.linearised(here, squares.visit(here)).answers
    rows = answers.initial / loss.scale[:, None]
    rows = rows[torch.isfinite(loss.coordinates.inner(loss.samples.states))]
    unit = rows.square().mean(0).rsqrt()
    most = torch.where(loss.coordinates.logarithmic, WIDEST_LOG, torch.inf)
    never = unseen(loss).all(0).squeeze(0)
    loss.initial.widen(torch.where(never & torch.isfinite(unit), torch.minimum(unit, most), 0.0))


def by_least_squares(loss: Loss, journal: Journal, generator: torch.Generator) -> None:
    """Single intervals, then states and unknowns together, then whole trajectories from what rolls out best.

    With too many unknowns for that, collocation and then rollouts, neither of which needs a matrix.
    """
    _stable(loss)
    if sum(tensor.numel() for tensor in loss.model.parameters()) > MOST_UNKNOWNS:
        if _collocates(loss):
            journal.run("collocation", lambda watch: collocate(loss, loss.settings.collocation_steps, watch))
            shoot(loss, journal, generator)
        else:
            by_shooting(loss, journal, generator)
        return
    whole = Batch.whole(loss)
    squares = LeastSquares(loss, whole)
    points = [quiet_point(loss, squares), squares.here()]
    _segments(loss, journal, points, squares, 1)
    lifted = journal.run(
        "states and unknowns", lambda watch: maximise_evidence(loss, lifted=True, enough=NEAR, watch=watch)
    )
    reached = squares.visit_here().cost
    if lifted.loss / ALIKE <= reached <= ALIKE * lifted.loss and lifted.reason == "converged":
        return  # the gaps are closed: what solves the one problem solves the other
    points.append(squares.here())
    if not math.isfinite(reached):
        _otherwise(loss, journal, points, squares)
    squares.go(min(reversed(points), key=lambda point: _cost(squares, point)))
    journal.run("whole trajectories", lambda watch: maximise_evidence(loss, watch=watch))


def _collocates(loss: Loss) -> bool:
    """Whether collocation knows what this candidate declares: states that are measured, and nothing algebraic."""
    own_start = type(loss.model).initial is not HybridModel.initial
    return loss.observations.plain and not loss.model.algebraic_variables and not own_start


def _otherwise(loss: Loss, journal: Journal, points: list[Point], squares: LeastSquares) -> None:
    """Where states and unknowns together led nowhere: slowly tightened equations, then segments."""
    squares.go(points[0])
    if _collocates(loss):
        journal.run("collocation", lambda watch: collocate(loss, loss.settings.collocation_steps, watch))
        points.append(squares.here())
    _segments(loss, journal, points, squares, 5)


def _segments(loss: Loss, journal: Journal, points: list[Point], squares: LeastSquares, length: int) -> None:
    """Least squares on segments of that many intervals, each from the smooth."""
    if length >= loss.samples.times.shape[1] - 1:
        return
    batch, steps = Batch.segments(loss, length), loss.settings.segment_steps
    journal.run(f"segments of {length}", lambda watch: descend(loss, batch, steps, ROUGH, watch))
    points.append(squares.here())


def _stable(loss: Loss) -> None:
    """Halve the steps of the training grid until single intervals no longer depend on them much."""
    over = Intervals.of(torch.nan_to_num(loss.smoothed.states), loss.samples.times, loss.samples.inputs)

    def ends() -> Tensor:
        return loss.scheme().ends(over, None)[0]

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


def quiet_point(loss: Loss, squares: LeastSquares) -> Point:
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
