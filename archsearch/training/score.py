"""Score predictions against what was observed; runs in the trusted process, on arrays alone."""

from __future__ import annotations

import numpy as np

from archsearch.candidate.outcome import Score
from archsearch.problem.expressions import parse_condition
from archsearch.problem.problem import Part, Problem
from archsearch.problem.trajectories import Bools, Floats, over

FEWEST_TRAJECTORIES = 5
"""With fewer, models are compared by sampling times."""


def significant(value: float, digits: int = 4) -> float:
    """A number rounded to its significant digits: more would be noise, and ranks would hang on it."""
    return float(f"{value:.{digits}g}")


def score(problem: Problem, part: Part, predicted: Floats) -> Score:
    """Score the rollouts of one part.

    Args:
        problem: gives the scales, the states that count and the constraints.
        part: what was observed, and which samples are scored.
        predicted: (N, T, n), or (N, T, *grid, n) of fields, natural units; anything not finite where a sample is scored
            makes its trajectory diverged, and the error infinite.
    """
    counted = over(part.scored, predicted) & part.trajectories.observed & _columns(problem)
    with np.errstate(over="ignore", invalid="ignore"):
        wrong = np.where(counted, predicted - part.trajectories.states, 0.0)
    known = np.isfinite(np.where(over(part.trajectories.valid, predicted), predicted, 0.0))
    finite: Bools = np.asarray(known.reshape(len(known), -1).all(1))
    wrong = np.where(over(finite, wrong), wrong, np.inf)
    wrong = np.where(counted, wrong, 0.0)
    scaled = wrong / problem.scales
    names = problem.space.state_names
    squares, counts = _units(scaled, counted) if finite.all() else ((), ())
    return Score(
        nrmse=_rms(scaled, counted),
        rmse={names[j]: _rms(wrong[..., j], counted[..., j]) for j in range(len(names)) if counted[..., j].any()},
        per_trajectory={
            name: _rms(scaled[i], counted[i]) for i, name in enumerate(part.trajectories.ids) if counted[i].any()
        },
        trajectories=int(counted.reshape(len(counted), -1).any(1).sum()),
        diverged=int((~finite).sum()),
        constraints=_violations(problem, part, predicted),
        squares=squares,
        counts=counts,
    )


def _columns(problem: Problem) -> Bools:
    """(n,): the states that count."""
    wanted = problem.space.objective.states or problem.space.observed_names
    return np.array([name in wanted for name in problem.space.state_names])


def _rms(wrong: Floats, counted: Bools) -> float:
    with np.errstate(over="ignore"):
        return significant(float(np.sqrt(np.square(wrong).sum() / max(counted.sum(), 1))))


def _units(wrong: Floats, counted: Bools) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Sum of squares and number of observations per trajectory, or per sampling time if there are few trajectories."""
    each = tuple(range(1, counted.ndim))
    axes = each if counted.any(each).sum() >= FEWEST_TRAJECTORIES else each[1:]
    counts = counted.sum(axes).reshape(-1)
    with np.errstate(over="ignore"):
        squares = np.square(wrong).sum(axes).reshape(-1)
    some = counts > 0
    return tuple(significant(float(x)) for x in squares[some]), tuple(int(x) for x in counts[some])


def _violations(problem: Problem, part: Part, predicted: Floats) -> dict[str, float]:
    """Worst violation of each constraint along the rollouts."""
    valid, grid = part.trajectories.valid, part.trajectories.grid
    values = {name: predicted[..., j][valid] for j, name in enumerate(problem.space.state_names)}
    inputs = part.trajectories.inputs[valid][:, *(None for _ in grid)]
    values |= {name: inputs[..., j] for j, name in enumerate(problem.space.input_names)}
    found = {}
    for constraint in problem.space.constraints:
        worst = float(np.max(parse_condition(constraint.expression).violation(values), initial=0.0))
        found[constraint.name] = significant(worst)
    return found


def no_change(part: Part) -> Floats:
    """(N, T, *grid, n): the last observation that a predictor may see, held for ever; the sanity row of every table."""
    states = part.trajectories.states
    seen = over(part.given, states) & part.trajectories.observed
    samples = np.arange(states.shape[1]).reshape(-1, *(1 for _ in states.shape[2:]))
    step = np.where(seen, samples, -1).max(1, keepdims=True)
    held = np.take_along_axis(states, np.maximum(step, 0), 1)
    held = np.where(step >= 0, held, 0.0)
    return np.broadcast_to(held, states.shape).copy()
