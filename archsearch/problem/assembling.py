"""Make trajectories of a table: rows grouped by trajectory, times checked, gaps masked and never filled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from archsearch.errors import DataError
from archsearch.problem.cells import is_missing
from archsearch.problem.labels import trajectory_label
from archsearch.problem.readers import DataTable
from archsearch.problem.space import Input, SearchSpace, State
from archsearch.problem.trajectories import Floats, Trajectories

FEWEST = 3
"""Fewer samples than this say nothing about a rate and its change."""


def assemble(table: DataTable, space: SearchSpace) -> Trajectories:
    """The trajectories of a table, in the order in which their first rows stand.

    Raises:
        DataError: the table does not hold what the space says.
    """
    groups = _samples(table) if space.is_static else _groups(table, space)
    times = np.zeros(len(table.lines)) if space.is_static else table.numbers(space.data.time, "data.time")
    states = _columns(table, [(state, f"states.{state.name}") for state in space.states if state.observed])
    inputs = _columns(table, [(item, f"inputs.{item.name}") for item in space.inputs])
    if not space.is_static:
        _check_times(table, times, groups, space)
    _check_states(table, space, states)
    for name, values in inputs.items():
        _refuse_missing(table, f"the input '{name}'", values)
    shape = (len(times),)
    all_states = np.array([states.get(name, np.full(shape, np.nan)) for name in space.state_names]).T
    all_inputs = np.array([inputs[name] for name in space.input_names]).T.reshape(len(times), len(inputs))
    return _padded(groups, times, all_states, all_inputs)


def _groups(table: DataTable, space: SearchSpace) -> dict[str, npt.NDArray[np.int64]]:
    """The rows of each trajectory."""
    name = space.data.trajectory or table.trajectory
    if name is None:
        return {"1": np.arange(len(table.lines))}
    ids = trajectory_ids(table, name)
    return {label: np.flatnonzero(ids == label) for label in dict.fromkeys(ids.tolist())}


def _samples(table: DataTable) -> dict[str, npt.NDArray[np.int64]]:
    """Without time, every row is a trajectory of one sample, called by its number."""
    return {str(row + 1): np.array([row]) for row in range(len(table.lines))}


def trajectory_ids(table: DataTable, name: str) -> npt.NDArray[np.str_]:
    """The id of each row as text."""
    column = table.column(name, "data.trajectory")
    labels = [trajectory_label(cell) for cell in column.tolist()]
    for row, label in enumerate(labels):
        if is_missing(label):
            raise DataError(
                f"{table.source}: expected a trajectory id in the column '{name}', found none in {table.where(row)}"
            )
    return np.array(labels)


def _columns(table: DataTable, items: Sequence[tuple[State | Input, str]]) -> dict[str, Floats]:
    return {item.name: table.numbers(item.column or item.name, key) for item, key in items}


def _check_times(table: DataTable, times: Floats, groups: dict[str, npt.NDArray[np.int64]], space: SearchSpace) -> None:
    """Times are there and increase along each trajectory."""
    _refuse_missing(table, f"the time column '{space.data.time}'", times)
    for label, rows in groups.items():
        steps = np.diff(times[rows])
        if (steps <= 0).any():
            raise DataError(*_step_back(table, times, rows, int(np.argmax(steps <= 0)), label, space))
        if len(rows) < FEWEST:
            raise DataError(
                f"{table.source}: expected at least {FEWEST} samples in each trajectory, found {len(rows)} in '{label}'"
            )


def _step_back(
    table: DataTable, times: Floats, rows: npt.NDArray[np.int64], step: int, label: str, space: SearchSpace
) -> tuple[str, str]:
    """What is wrong where the time does not increase, and what to do about it."""
    before, after = times[rows[step]], times[rows[step + 1]]
    found = f"the time {after:g} twice" if before == after else f"{after:g} after {before:g}"
    place = f"{table.where(int(rows[step + 1]))}, trajectory '{label}'"
    remedy = "Sort the rows by time, and keep one row per time."
    if space.data.trajectory is None:
        remedy = "If there are several trajectories, name the column that tells them apart in data.trajectory."
    return f"{table.source}: expected times that increase, found {found} in {place}", remedy


def _refuse_missing(table: DataTable, what: str, values: Floats) -> None:
    missing = np.flatnonzero(np.isnan(values))
    if missing.size:
        place = table.where(int(missing[0]))
        raise DataError(f"{table.source}: expected a number in every row of {what}, found none in {place}")


def _check_states(table: DataTable, space: SearchSpace, states: dict[str, Floats]) -> None:
    for state in space.states:
        if not state.observed:
            continue
        values = states[state.name]
        if np.isnan(values).all():
            raise DataError(
                f"{table.source}: expected observations of the state '{state.name}', found an empty column",
                "Write observed = false if it was not measured.",
            )
        if state.scale == "log" and (values <= 0).any():
            row = int(np.argmax(values <= 0))
            raise DataError(
                f"{table.source}: expected values above 0 of '{state.name}', whose scale is \"log\", "
                f"found {values[row]:g} in {table.where(row)}",
                'Leave the cell empty, or write scale = "linear".',
            )


def _padded(groups: dict[str, npt.NDArray[np.int64]], times: Floats, states: Floats, inputs: Floats) -> Trajectories:
    """Trajectories of one shape: padding repeats the last row, its states missing."""
    lengths = np.array([len(rows) for rows in groups.values()], dtype=np.int64)
    column = np.arange(lengths.max())
    rows = np.array([own[np.minimum(column, len(own) - 1)] for own in groups.values()])
    inside = column[None, :] < lengths[:, None]
    return Trajectories(
        ids=tuple(groups),
        times=times[rows],
        states=np.where(inside[..., None], states[rows], np.nan),
        inputs=inputs[rows],
        lengths=lengths,
    )
