"""The fit of an evaluated candidate beside the data, as numbers that a terminal can draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsearch.errors import RequestError
from archsearch.problem.field_images import Image, images_of
from archsearch.problem.problem import Part, Problem
from archsearch.problem.trajectories import Bools, Floats
from archsearch.study.candidate_files import Arrays
from archsearch.study.store import Study


@dataclass(frozen=True)
class StateFit:
    """One state along one trajectory.

    Attributes:
        state: its name.
        unit: of its values.
        trajectory: the name of the trajectory.
        time_unit: of the times.
        times: (T,), of the samples.
        observed: (T,), NaN where there is no observation.
        predicted: (T,), at the same times.
        held_out: (T,), samples that the fit did not see.
    """

    state: str
    unit: str
    trajectory: str
    time_unit: str
    times: Floats
    observed: Floats
    predicted: Floats
    held_out: Bools


@dataclass(frozen=True)
class FieldFit:
    """One field as it was measured and as it was predicted: over place and time on a line, at its last time otherwise.

    Attributes:
        state: its name.
        unit: of its values.
        trajectory: the name of the trajectory.
        observed: what was measured, NaN where nothing was.
        predicted: the same places and times.
    """

    state: str
    unit: str
    trajectory: str
    observed: Image
    predicted: Image


def fit_of(study: Study, problem: Problem, number: int) -> tuple[StateFit, ...]:
    """The observed states of one held-out trajectory, the one that is predicted worst; nothing of fields and failures.

    Args:
        study: the run.
        problem: what is asked.
        number: of an evaluated candidate.
    """
    arrays = {} if problem.space.is_field or problem.space.is_static else _predictions(study, number)
    if not arrays:
        return ()
    trajectory = _worst(study, problem, number)
    return tuple(
        _state(problem, arrays, trajectory, column)
        for column, state in enumerate(problem.space.states)
        if state.observed
    )


def fields_of(study: Study, problem: Problem, number: int) -> tuple[FieldFit, ...]:
    """The fields of one held-out trajectory, the one that is predicted worst; nothing of failures, or without a grid.

    Args:
        study: the run.
        problem: what is asked.
        number: of an evaluated candidate.
    """
    arrays = _predictions(study, number) if problem.space.is_field else {}
    if not arrays:
        return ()
    trajectory, part = _worst(study, problem, number), problem.validation
    row = part.trajectories.ids.index(trajectory)
    scored = part.scored[row] & part.trajectories.valid[row]
    times = part.trajectories.times[row, scored]
    found = []
    for column, state in enumerate(problem.space.states):
        films = (part.trajectories.states, arrays["validation.states"])
        observed, predicted = (images_of(problem, times, film[row, scored, ..., column])[-1] for film in films)
        found.append(FieldFit(state.name, state.unit, trajectory, observed, predicted))
    return tuple(found)


def _predictions(study: Study, number: int) -> Arrays:
    try:
        return study.predictions(number)
    except RequestError:  # it failed
        return {}


def _worst(study: Study, problem: Problem, number: int) -> str:
    """The held-out trajectory of the largest error."""
    score = study.evaluation(number).validation
    errors = score.per_trajectory if score is not None else {}
    return max(problem.validation.trajectories.ids, key=lambda name: errors.get(name, 0.0))


def _state(problem: Problem, arrays: Arrays, trajectory: str, column: int) -> StateFit:
    """A state, fitted where it was fitted and predicted where it was held out."""
    item = problem.space.states[column]
    times, observed, predicted, held = _samples(problem.validation, arrays, "validation", trajectory, column)
    if trajectory in problem.train.trajectories.ids:
        early, seen, fitted, _ = _samples(problem.train, arrays, "train", trajectory, column)
        first = times[held].min() if held.any() else np.inf
        before, after = early < first, times >= first
        times, observed = np.append(early[before], times[after]), np.append(seen[before], observed[after])
        predicted, held = (
            np.append(fitted[before], predicted[after]),
            np.append(np.zeros(before.sum(), bool), held[after]),
        )
    unit = problem.space.problem.time_unit
    return StateFit(item.name, item.unit, trajectory, unit, times, observed, predicted, held)


def _samples(
    part: Part, arrays: Arrays, name: str, trajectory: str, column: int
) -> tuple[Floats, Floats, Floats, Bools]:
    row = part.trajectories.ids.index(trajectory)
    valid = part.trajectories.valid[row]
    predicted = arrays[f"{name}.states"][row, :, column]
    states = part.trajectories.states[row, :, column]
    return part.trajectories.times[row][valid], states[valid], predicted[valid], part.scored[row][valid]
