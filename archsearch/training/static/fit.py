"""Fit a static model, `output(x, u)`: least squares on its rows, with no rollout in between.

The same steps, priors and evidence as for models in time; what falls away is time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.algebra.compression import Compressed
from archsearch.training.algebra.curvature import Curvature
from archsearch.training.algebra.minimise import GoOn, Minimum
from archsearch.training.data.task import Samples
from archsearch.training.methods.evidence import CLEAN, NOISE, PRECISION, Hyper
from archsearch.training.methods.gauss_newton import FIRST_DAMPING, LEAST_DAMPING, LOWER, RAISE, REFUSALS
from archsearch.training.methods.stages import Journal, Stage, Watch, unwatched
from archsearch.training.squares.identified import judged, raw_spread
from archsearch.training.squares.least_squares import UNINFORMED
from archsearch.training.static.rows import StaticRows

SMALL_DECREASE = 1e-9
SMALL_STEPS = 2
"""So many steps in a row that gain less than that relative decrease, hyperparameters settled, and it has converged."""
ROUGH = 1e-3
"""The same of the fit of the physics alone, which only prepares."""
PHYSICS_STEPS = 30


@dataclass(frozen=True)
class StaticFit:
    """A fitted static model (in place).

    Attributes:
        rows: the training problem.
        hyper: variance of the noise in variances of the data, precision of the weights.
        error: mean square error on the training data, in variances of the data.
        stages: what was done.
        status: `ok`, or `diverged` if no finite output was found.
    """

    rows: StaticRows
    hyper: Hyper
    error: float
    stages: tuple[Stage, ...]
    status: Literal["ok", "diverged"]


def fit_static(
    model: HybridModel,
    states: tuple[State, ...],
    samples: Samples,
    settings: FitSettings,
    generator: torch.Generator,
    watch: Watch = unwatched,
) -> StaticFit:
    """Fit the parameters and nets of a static model, in place; noise and prior of the weights by the evidence.

    Args:
        model: the candidate, initialised, with `output`.
        states: what is known of its outputs.
        samples: `inputs` (N, T, m) and `states` (N, T, n), what was measured, NaN where nothing was.
        settings: weights of priors, iterations.
        generator: not drawn from: nothing here is random; all fits have it.
        watch: called after every iteration; False stops the fit, which is then reported as it is.

    Reference:
        As in `evidence.py`: MacKay (1992), Neural Computation 4:415 and 4:448; Foresee & Hagan (1997).
    """
    rows, journal = StaticRows.of(model, states, samples, settings), Journal(watch)
    rows.calibrate()
    if model.nets():
        cautious = Hyper(rows.first_noise(1.0), settings.weight_decay)
        journal.run("physics alone", lambda go_on: _physics_first(rows, cautious, go_on))
    evidence = _Evidence(rows, Hyper(rows.first_noise(rows.error(rows.here())), settings.weight_decay))
    if not journal.stopped:
        journal.run("evidence", lambda go_on: evidence.maximise(settings.least_squares_steps, go_on))
    error = rows.error(rows.here())
    status: Literal["ok", "diverged"] = "ok" if math.isfinite(error) else "diverged"
    return StaticFit(rows, evidence.hyper, error, tuple(journal.stages), status)


def diagnose_static(found: StaticFit) -> dict[str, Any]:
    """Standard errors and identifiability of the physical parameters, and the share of the nets.

    As `diagnose` says of models in time: weights integrated out, regularizers and their priors left out.
    """
    rows, model = found.rows, found.rows.model
    noise = max(found.error, found.hyper.noise)
    curvature = rows.curvature(rows.here(), UNINFORMED, regularized=False)
    spread = raw_spread(curvature.covariance(noise, len(model.raw)), len(model.raw))
    enough = rows.count > len(model.parameter_values())
    return judged(model, spread, rows.settings.parameter_prior, enough) | {"share": rows.share()}


@dataclass(frozen=True)
class _Standing:
    """Where a descent stands: point, cost there, damping of the next step."""

    p: Tensor
    cost: float
    damping: float


def _improved(rows: StaticRows, at: _Standing, curvature: Curvature | Compressed, hyper: Hyper) -> _Standing | None:
    """The next point; None if no damping helps."""
    damping = at.damping
    for _ in range(REFUSALS):
        step = curvature.step(hyper.noise, damping)
        if step is not None:
            trial = at.p + step.common
            cost = rows.cost(trial, hyper)
            if cost < at.cost:
                return _Standing(trial, cost, max(damping / LOWER, LEAST_DAMPING))
        damping *= RAISE
    return None


def _physics_first(rows: StaticRows, hyper: Hyper, go_on: GoOn) -> Minimum:
    """Fit the physics alone, and begin from its parameters where the whole model is better there."""
    before, cost = rows.here(), rows.cost(rows.here(), hyper)
    physics = replace(rows, alone=True)
    at, steps, gained = _Standing(before, physics.cost(before, hyper), FIRST_DAMPING), 0, math.inf
    while steps < PHYSICS_STEPS and gained > ROUGH and math.isfinite(at.cost):
        steps += 1
        better = _improved(physics, at, physics.curvature(at.p, hyper.precision, hyper.noise), hyper)
        gained = 0.0 if better is None else (at.cost - better.cost) / at.cost
        at = better or at
        if not go_on(steps, at.cost / max(rows.count, 1)):
            break
    size = len(rows.start)
    moved = torch.cat([at.p[:size], before[size:]])
    rows.go(moved if rows.cost(moved, hyper) < cost or not math.isfinite(cost) else before)
    return Minimum(physics.error(at.p), steps, "converged" if gained <= ROUGH else "steps")


class _Evidence:
    """A fit with noise and prior of the weights, in turns of one step each.

    Args:
        rows: the training problem.
        hyper: where noise and precision begin.
    """

    def __init__(self, rows: StaticRows, hyper: Hyper) -> None:
        self._rows = rows
        self.hyper = hyper

    def maximise(self, most: int, go_on: GoOn) -> Minimum:
        """Fit, in place."""
        rows = self._rows
        at = _Standing(rows.here(), rows.cost(rows.here(), self.hyper), FIRST_DAMPING)
        small = steps = 0
        watched = True
        while steps < most and small < SMALL_STEPS and math.isfinite(at.cost) and watched:
            steps += 1
            at, still = self._turn(at)
            small = small + 1 if still else 0
            rows.go(at.p)
            watched = go_on(steps, at.cost / max(rows.count, 1))
        reason: Literal["converged", "stopped", "steps"] = "converged" if small >= SMALL_STEPS else "steps"
        reason = reason if watched else "stopped"
        said = f"noise {self.hyper.noise**0.5:.2g}, precision of weights {self.hyper.precision:.2g}; {reason}"
        return Minimum(at.cost, steps, reason, said)

    def _turn(self, at: _Standing) -> tuple[_Standing, bool]:
        """One step and one update of noise and precision; whether both changed next to nothing."""
        rows, before = self._rows, self.hyper
        curvature = rows.curvature(at.p, before.precision, before.noise)
        better = _improved(rows, at, curvature, before)
        gained = 0.0 if better is None else (at.cost - better.cost) / at.cost
        at = better or at
        self.hyper = self._updated(curvature, at.p)
        settled = self.hyper.settled(before) or self.hyper.noise < CLEAN
        return replace(at, cost=rows.cost(at.p, self.hyper)), settled and gained < SMALL_DECREASE

    def _updated(self, curvature: Curvature | Compressed, p: Tensor) -> Hyper:
        """Noise and precision that fit a point; as they were if its curvature is singular."""
        rows, now = self._rows, self.hyper
        found = curvature.determined(now.noise)
        if found is None:
            return now
        noise, left = now.noise, rows.count - found.weights - found.others
        if rows.known_noise is None and left >= 1.0:
            noise = _within(rows.error(p) * rows.count / left, NOISE)
        squares = rows.weights_squared(p)
        return Hyper(noise, _within(found.weights / squares, PRECISION) if squares > 0 else now.precision)


def _within(value: float, ends: tuple[float, float]) -> float:
    return min(max(value, ends[0]), ends[1])
