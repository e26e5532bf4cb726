"""Lifted Gauss-Newton: windows with free first states, tied together more and more, where no whole rollout can be had.

A chaotic system forgets its initial state, a system that blows up has no rollout at all: windows that are short against
the time in which errors grow have both a rollout and a derivative that means something.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.algebra.minimise import GoOn, Minimum, Reason, always
from archsearch.training.squares.lifted_squares import LiftedPoint, LiftedSquares, Tie
from archsearch.training.squares.losses import Loss

FIRST_DAMPING = 1.0
LEAST_DAMPING = 1e-9
FACTOR = 3.0
GROWTH = 1.5
"""Damping falls by the factor after a success and is raised by it, then by more and more, after refusals."""
REFUSALS = 12
"""Damping is raised this often before a level of the penalty is given up."""
FIRST_PENALTY = 0.1
"""A gap of one standard deviation first weighs a tenth of an observation that is wrong by as much."""
MOST_PENALTY = 1e3
"""The multipliers close the gaps; a higher penalty would only make the valley narrower that the iteration follows."""
TIGHTER = 10.0
"""The penalty is raised by this factor whenever the fit has come to rest."""
REST = 0.02
"""Relative decrease of an iteration under which it has."""
SMALL_DECREASE = 1e-3
FAR = 10.0
"""Windows that go farther than this from the data or end so far from the next one, in standard deviations, are too
long to begin with."""
STUCK = 3
"""Iterations in a row that find nothing better, however the ties are changed between them, before the fit gives up."""
CONTINUOUS = 1e-5
"""Largest gap between windows, in standard deviations, that counts as none."""
NOISE = (1e-8, 1.0)
"""Variances of the noise that may be found, in variances of the data."""


@dataclass(frozen=True, kw_only=True)
class Lifted(Minimum):
    """Where a lifted fit ended; `loss` is the sum of squares without the penalty, as of a fit of whole trajectories.

    Attributes:
        window: intervals per window, shorter than asked for where the start could not be rolled out that far.
        begins: (W,), the sample at which each window begins.
        states: (N, W, n), inner coordinates, the state at the start of each window.
        rollout: (N, T, n), inner coordinates, the windows rolled out from these states and joined: what may be scored
            where a rollout of the whole means nothing.
        gap: largest jump between windows, in standard deviations.
    """

    window: int
    begins: Tensor
    states: Tensor
    rollout: Tensor
    gap: float


@dataclass(frozen=True)
class _Standing:
    """Where the iteration stands: point, cost with the penalty, rollout of the windows, and what they are tied with."""

    point: LiftedPoint
    cost: float
    z: Tensor
    tie: Tie
    damping: float


def fit_lifted(loss: Loss, window: int, steps: int, watch: GoOn = always) -> Lifted:
    """Fit model, initial states and the first states of all windows together; model and initial states in place.

    The ties are an augmented Lagrangian rather than constraints of a sequential quadratic programme: a merit that is a
    plain sum of squares needs no other protection than refusing what does not lower it, loose ties let the windows
    find the data before the model does, and with the states kept as unknowns no product of transition matrices over
    the whole time is formed. Where the noise is not known it is found on the way.

    Args:
        loss: the training problem.
        window: sampling intervals per window; halved until all windows can be rolled out from the smooth and stay near.
        steps: iterations at most.
        watch: called after every iteration; False stops.

    Reference:
        Bock (1983), "Recent advances in parameter identification techniques for O.D.E."; Albersmeyer & Diehl (2010),
        SIAM J. Optim. 20:1655. They condense linearised continuity; here it is tied by the method of multipliers
        (Hestenes 1969, J. Optim. Theory Appl. 4:303) and the states are eliminated block by block.
    """
    squares, now = _first(loss, window)
    if not math.isfinite(now.cost):
        return _ended(squares, now, 0, "not finite")
    done, stuck = 0, 0
    while done < steps and stuck < STUCK:
        done += 1
        before, after = now, _improved(squares, now)
        now, stuck = after or now, 0 if after else stuck + 1
        if not watch(done, now.cost / max(squares.count, 1)):
            return _ended(squares, now, done, "stopped")
        decrease = (before.cost - now.cost) / max(before.cost, 1e-300)
        if decrease >= REST:
            continue
        if decrease < SMALL_DECREASE and squares.largest_gap(now.point, now.z) < CONTINUOUS:
            return _ended(squares, now, done, "converged")
        now = _tightened(squares, now)
    return _ended(squares, now, done, "steps")


def _first(loss: Loss, window: int) -> tuple[LiftedSquares, _Standing]:
    """The longest windows, no longer than asked for, that stay near the smooth; single intervals if none do."""
    length = max(1, min(window, loss.samples.times.shape[1] - 1))
    while True:
        squares = LiftedSquares(loss, length)
        point = squares.here()
        tie = Tie(FIRST_PENALTY, torch.zeros_like(point.nodes))
        cost, z = squares.cost(point, tie)
        near = math.isfinite(cost) and squares.farthest(point, z) <= FAR
        if near or length == 1:
            return squares, _Standing(point, cost, z, tie, FIRST_DAMPING)
        length = length // 2


def _improved(squares: LiftedSquares, now: _Standing) -> _Standing | None:
    """The next point; None if no damping helps."""
    squares.go(now.point)
    equations = squares.equations(now.point, now.z, now.tie)
    damping, raise_by = now.damping, FACTOR
    for _ in range(REFUSALS):
        trial = squares.moved(now.point, equations, damping)
        if trial is not None:
            cost, z = squares.cost(trial, now.tie)
            if cost < now.cost:
                return _Standing(trial, cost, z, now.tie, max(damping / FACTOR, LEAST_DAMPING))
        damping, raise_by = damping * raise_by, raise_by * GROWTH
    return None


def _tightened(squares: LiftedSquares, now: _Standing) -> _Standing:
    """The same point with new multipliers, a higher penalty, and the noise that the point shows."""
    squares.go(now.point)
    gaps = squares.gaps(now.point, now.z)
    factor = min(TIGHTER, MOST_PENALTY / now.tie.penalty)
    tie = Tie(now.tie.penalty * factor, (now.tie.multipliers + gaps) / factor)
    _find_noise(squares, now)
    cost, z = squares.cost(now.point, tie)
    return _Standing(now.point, cost, z, tie, now.damping)


def _find_noise(squares: LiftedSquares, now: _Standing) -> None:
    """Misfit over degrees of freedom, as the evidence has it; left alone where it is known or nothing is left over."""
    loss = squares.loss
    covariance = squares.equations(now.point, now.z, now.tie).covariance() if loss.noise_is_free else None
    if covariance is None:
        return
    _, precision = loss.prior()
    kept = float(loss.noise) * precision * covariance.diagonal()[: len(precision)]
    free = float((1.0 - kept).clamp(0.0, 1.0).sum()) + loss.initial.count()
    left = squares.count - free
    if left >= 1.0:
        loss.noise = torch.full_like(loss.noise, squares.misfit(now.z) / left).clamp(*NOISE)


def _ended(squares: LiftedSquares, now: _Standing, steps: int, reason: Reason) -> Lifted:
    """Leave the model there, and say where that is."""
    squares.go(now.point)
    cost, z = squares.cost(now.point, Tie(0.0, torch.zeros_like(now.point.nodes)))
    windows, samples = squares.windows, squares.loss.samples.times.shape[1]
    return Lifted(
        loss=cost,
        steps=steps,
        reason=reason,
        window=windows.times.shape[2] - 1,
        begins=windows.begins,
        states=squares.starts(now.point),
        rollout=windows.joined(z, samples),
        gap=squares.largest_gap(now.point, z),
    )
