"""Levenberg-Marquardt: from single intervals over short segments to whole trajectories.

A segment starts on the smooth, so that it cannot diverge; longer ones see how errors add up; a whole trajectory starts
from its initial state, which is fitted with the rest.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from archsearch.training.batches import Batch
from archsearch.training.least_squares import LeastSquares, Point
from archsearch.training.losses import Loss
from archsearch.training.minimise import Minimum, Reason

FIRST_DAMPING = 1e-2
LEAST_DAMPING = 1e-9
REFUSALS = 8
"""Damping is raised this often before an iteration gives up."""
SMALL_DECREASE = 1e-3
SMALL_STEPS = 2
"""So many iterations in a row with less than this relative decrease, and the fit has converged."""


def descend(loss: Loss, batch: Batch, steps: int, go_on: Callable[[int], bool] = lambda _: True) -> Minimum:
    """Lower the sum of squares of a batch, in place; ends at the best point that was visited.

    A trial point that is not finite or not better is refused and the damping raised, which is all the protection
    against divergence that the method needs.

    Args:
        loss: the training problem.
        batch: the rollouts to be fitted.
        steps: iterations at most.
        go_on: called after every iteration with the iterations done; False stops.

    Reference:
        Marquardt (1963), J. SIAM 11:431, with unknowns of order one damped alike; Jacobian parallel in time.
    """
    squares = LeastSquares(loss, batch)
    point = squares.here()
    cost, z = squares.cost(point)
    if not torch.isfinite(torch.tensor(cost)):
        return Minimum(cost, 0, "not finite")
    damping, small, reason, done = FIRST_DAMPING, 0, "steps", 0
    while done < steps:
        found = _improve(squares, point, cost, z, damping)
        done += 1
        if found is None:
            squares.go(point)
            return Minimum(cost, done, "converged")
        before, (point, cost, z, damping) = cost, found
        small = small + 1 if before - cost < SMALL_DECREASE * before else 0
        if small >= SMALL_STEPS:
            reason = "converged"
            break
        if not go_on(done):
            reason = "stopped"
            break
    squares.go(point)
    return Minimum(cost, done, _reason(reason))


def _reason(reason: str) -> Reason:
    return "converged" if reason == "converged" else "stopped" if reason == "stopped" else "steps"


def _improve(
    squares: LeastSquares, point: Point, cost: float, z: torch.Tensor, damping: float
) -> tuple[Point, float, torch.Tensor, float] | None:
    """The next point, with its cost, rollout and damping; None if no damping helps."""
    squares.go(point)
    equations = squares.equations(point, z)
    for _ in range(REFUSALS):
        trial = squares.moved(point, equations, damping)
        if trial is not None:
            trial_cost, trial_z = squares.cost(trial)
            if trial_cost < cost:
                return trial, trial_cost, trial_z, max(damping / 5, LEAST_DAMPING)
        damping *= 5
    return None
