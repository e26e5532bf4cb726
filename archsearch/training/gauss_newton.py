"""Levenberg-Marquardt: from single intervals over short segments to whole trajectories.

A segment starts on the smooth, so that it cannot diverge; longer ones see how errors add up; a whole trajectory starts
from its initial state, which is fitted with the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from archsearch.training.batches import Batch
from archsearch.training.least_squares import LeastSquares, Point
from archsearch.training.losses import Loss
from archsearch.training.minimise import Minimum

FIRST_DAMPING = 1e-2
LEAST_DAMPING = 1e-9
FACTOR = 2.0
GROWTH = 1.5
"""Damping falls by the factor after a success and is raised by it, then by more and more, after refusals."""
REFUSALS = 10
"""Damping is raised this often before an iteration gives up."""
SMALL_DECREASE = 1e-3
SMALL_STEPS = 2
"""So many iterations in a row with less than that relative decrease, and the fit has converged."""
ROUGH = 0.02
"""The same for stages that only prepare the next one."""


@dataclass(frozen=True)
class Descent(Minimum):
    """Where a descent ended, with the damping to go on with."""

    damping: float


def descend(
    loss: Loss, batch: Batch, steps: int, damping: float = FIRST_DAMPING, enough: float = SMALL_DECREASE
) -> Descent:
    """Lower the sum of squares of a batch, in place; ends at the best point that was visited.

    A trial point that is not finite or not better is refused and the damping raised, which is all the protection
    against divergence that the method needs.

    Args:
        loss: the training problem.
        batch: the rollouts to be fitted.
        steps: iterations at most.
        damping: of the first iteration.
        enough: relative decrease of an iteration that is called small.

    Reference:
        Marquardt (1963), J. SIAM 11:431, with unknowns of order one damped alike; Jacobian parallel in time.
    """
    squares = LeastSquares(loss, batch)
    point = squares.here()
    cost, z = squares.cost(point)
    if not math.isfinite(cost):
        return Descent(cost, 0, "not finite", damping)
    small, done = 0, 0
    while done < steps and small < SMALL_STEPS:
        done += 1
        found = _improve(squares, point, cost, z, damping)
        if found is None:
            small = SMALL_STEPS
            break
        before, (point, cost, z, damping) = cost, found
        small = small + 1 if before - cost < enough * before else 0
    squares.go(point)
    return Descent(cost, done, "converged" if small >= SMALL_STEPS else "steps", damping)


def _improve(
    squares: LeastSquares, point: Point, cost: float, z: torch.Tensor, damping: float
) -> tuple[Point, float, torch.Tensor, float] | None:
    """The next point, with its cost, rollout and damping; None if no damping helps."""
    squares.go(point)
    equations = squares.equations(point, z)
    raise_by = FACTOR
    for _ in range(REFUSALS):
        trial = squares.moved(point, equations, damping)
        if trial is not None:
            trial_cost, trial_z = squares.cost(trial)
            if trial_cost < cost:
                return trial, trial_cost, trial_z, max(damping / FACTOR, LEAST_DAMPING)
        damping, raise_by = damping * raise_by, raise_by * GROWTH
    return None
