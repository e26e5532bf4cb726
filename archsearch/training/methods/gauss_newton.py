"""Levenberg-Marquardt on rollouts, on segments of them, or on states that are yet to become one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from archsearch.training.algebra.minimise import GoOn, Minimum, always
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.least_squares import LeastSquares, Linearised, Point, Visit
from archsearch.training.squares.losses import Loss

FIRST_DAMPING = 1e-2
LEAST_DAMPING = 1e-9
LOWER, RAISE = 4.0, 4.0
"""Damping falls by a factor after a step that kept its promise at once, and rises by one after a refusal."""
TRUSTED, DOUBTED = 0.6, 0.2
"""Shares of the promised decrease above which a step kept its promise, and below which it hardly did."""
REFUSALS = 8
"""Damping is raised this often before an iteration gives up."""
SMALL_DECREASE = 1e-3
SMALL_STEPS = 2
"""So many iterations in a row with less than that relative decrease, and the fit has converged."""
ROUGH = 0.02
"""The same for stages that only prepare the next one."""


@dataclass(frozen=True)
class State:
    """Where a descent stands: the unknowns, what was found there, and the damping of the next iteration."""

    point: Point
    visit: Visit
    damping: float

    @property
    def cost(self) -> float:
        """The sum of squares."""
        return self.visit.cost


def start(squares: LeastSquares) -> State:
    """Where a descent begins: at the current values of the model."""
    point = squares.here()
    return State(point, squares.visit(point), FIRST_DAMPING)


def descend(
    loss: Loss,
    batch: Batch,
    steps: int,
    enough: float = SMALL_DECREASE,
    watch: GoOn = always,
    single: bool = True,
) -> Minimum:
    """Lower the sum of squares of a batch, in place; ends at the best point that was visited.

    A trial point that is not finite or not better is refused and the damping raised, which is all the protection
    against divergence that the method needs.

    Args:
        loss: the training problem.
        batch: the rollouts to be fitted.
        steps: iterations at most.
        enough: relative decrease of an iteration that is called small.
        watch: called after every iteration, the model standing where the fit stands.
        single: whether the Jacobian may be of single precision.

    Reference:
        Marquardt (1963), J. SIAM 11:431, unknowns in units of their priors; Jacobian parallel in time.
    """
    squares = LeastSquares(loss, batch, single=single)
    state = start(squares)
    if not math.isfinite(state.cost):
        return Minimum(state.cost, 0, "not finite")
    small, done = 0, 0
    while done < steps and small < SMALL_STEPS:
        done += 1
        better = improved(squares, state, squares.linearised(state.point, state.visit))
        squares.go(state.point if better is None else better.point)
        if better is None:
            return Minimum(state.cost, done, "converged")
        small = small + 1 if state.cost - better.cost < enough * state.cost else 0
        state = better
        if not watch(done, state.cost / squares.count):
            return Minimum(state.cost, done, "stopped")
    return Minimum(state.cost, done, "converged" if small >= SMALL_STEPS else "steps")


def improved(squares: LeastSquares, state: State, around: Linearised) -> State | None:
    """The next state; None if no damping helps. Leaves the model wherever it tried last."""
    damping = state.damping
    for refused in range(REFUSALS):
        moved = squares.moved(state.point, around, damping)
        if moved is not None:
            point, promised = moved
            visit = squares.visit(point, state.visit)
            if visit.cost < state.cost:
                kept = (state.cost - visit.cost) / max(state.cost - promised, 1e-300)
                factor = max(_trust(kept), 0.5) if refused else _trust(kept)
                return State(point, visit, max(damping * factor, LEAST_DAMPING))
        damping *= RAISE
    return None


def _trust(kept: float) -> float:
    """Factor on the damping after a step that kept this share of its promise."""
    if kept > TRUSTED:
        return 1.0 / LOWER
    return 1.0 if kept > DOUBTED else RAISE / 2.0


def reckoned_anew(squares: LeastSquares, state: State) -> State:
    """The same state after noise or priors have changed."""
    return replace(state, visit=squares.again(state.point, state.visit))
