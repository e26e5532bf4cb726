"""Let the data say how noisy they are and how far a net may go: the evidence approximation.

Nothing is held back for it, which matters where a dozen samples are all there is. A net that the data do not need is
drawn to its null value; one that they need is let go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from archsearch.training.algebra.compression import Compressed
from archsearch.training.algebra.curvature import Curvature
from archsearch.training.algebra.minimise import GoOn, Minimum, Reason, always
from archsearch.training.methods.gauss_newton import (
    FIRST_DAMPING,
    SMALL_DECREASE,
    SMALL_STEPS,
    State,
    improved,
    reckoned_anew,
    start,
)
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.least_squares import LeastSquares
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.schemes import Path

SETTLED = 0.05
"""Relative change of noise and precision below which they have settled."""
FAST = 0.1
"""Relative decrease of an iteration from which on the misfit is not yet noise."""
ADJUST, RECHECK = 2, 4
"""Noise and precision are looked at again after so many iterations, before and after they have settled."""
CLEAN = 1e-6
"""Variance of the noise, in variances of the data, below which the priors no longer matter."""
NOISE = (1e-8, 1.0)
PRECISION = (1e-3, 1e3)


@dataclass(frozen=True)
class Hyper:
    """Variance of the noise in variances of the data, and precision of the weights relative to 1 / fan-in."""

    noise: float
    precision: float

    def settled(self, before: Hyper) -> bool:
        """Whether it has moved little."""
        pairs = ((self.noise, before.noise), (self.precision, before.precision))
        return all(abs(new - old) <= SETTLED * old for new, old in pairs)


def maximise_evidence(
    loss: Loss, lifted: bool = False, enough: float = SMALL_DECREASE, watch: GoOn = always
) -> Minimum:
    """Fit whole trajectories, noise and prior of the weights, in turns of one step each, in place.

    Noise and prior are left alone while the misfit still falls fast: they would follow a misfit that is not noise.

    Args:
        loss: the training problem.
        lifted: whether the states are unknowns too.
        enough: relative decrease of an iteration that is called small.
        watch: called after every iteration.

    Reference:
        MacKay (1992), Neural Computation 4:448, eq. 31 and 32 of the regression paper 4:415; in Levenberg-Marquardt as
        in Foresee & Hagan (1997), with the precision of physical parameters kept and initial states integrated out.
    """
    batch = Batch.whole(loss)
    squares = LeastSquares(loss, batch, lifted=lifted)
    data = squares if not loss.regularizers() else LeastSquares(loss, batch, regularized=False, lifted=lifted)
    now, state = Hyper(float(loss.noise), loss.settings.weight_decay), start(squares)
    small, steps, settled = 0, 0, False
    reason: Reason = "steps" if math.isfinite(state.cost) else "not finite"
    while steps < loss.settings.least_squares_steps and math.isfinite(state.cost):
        steps += 1
        squares.go(state.point)
        around = squares.linearised(state.point, state.visit)
        better = improved(squares, state, around)
        if better is None and squares.stricter():
            squares.go(state.point)
            state = replace(reckoned_anew(squares, state), damping=FIRST_DAMPING)
            if watch(steps, state.cost / squares.count):
                continue
            reason = "stopped"
            break
        gained = 0.0 if better is None else (state.cost - better.cost) / state.cost
        before, state = state, state if better is None else better
        squares.go(state.point)
        if gained < FAST and steps % (RECHECK if settled else ADJUST) == 0:
            told = around if data is squares else data.linearised(before.point, before.visit)
            new = _updated(loss, told.curvature, state, now)
            settled = new is None or new.settled(now) or new.noise < CLEAN
            if new is not None:
                _set(loss, new)
                now, state = new, reckoned_anew(squares, state)
        small = small + 1 if settled and gained < enough else 0
        if small >= SMALL_STEPS or not watch(steps, state.cost / squares.count):
            reason = "converged" if small >= SMALL_STEPS else "stopped"
            break
    said = f"noise {now.noise**0.5:.2g}, precision of weights {now.precision:.2g}; {reason}"
    return Minimum(state.cost, steps, reason, said)


def _set(loss: Loss, hyper: Hyper) -> None:
    loss.noise = torch.full_like(loss.noise, hyper.noise)
    loss.settings = loss.settings.model_copy(update={"weight_decay": hyper.precision})


def _updated(loss: Loss, curvature: Curvature | Compressed, state: State, now: Hyper) -> Hyper | None:
    """Noise and precision that fit the current point; None if its curvature is singular."""
    found = curvature.determined(now.noise)
    if found is None:
        return None
    _, precision = loss.prior(1.0)
    squares = float((precision * state.point.p.square())[len(loss.model.raw) :].sum())
    weights = _within(found.weights / squares, PRECISION) if squares > 0 else now.precision
    return Hyper(_noise(loss, state.visit.path, found.weights + found.others, now), weights)


def _noise(loss: Loss, path: Path, free: float, now: Hyper) -> float:
    """Misfit over degrees of freedom; as it was where nothing is left over to tell, or where it is known."""
    seen = float(torch.isfinite(loss.samples.states).sum())
    if not loss.noise_is_free or seen - free < 1.0:
        return now.noise
    return _within(loss.error(loss.measured(path), loss.samples.valid) * seen / (seen - free), NOISE)


def _within(value: float, ends: tuple[float, float]) -> float:
    return min(max(value, ends[0]), ends[1])
