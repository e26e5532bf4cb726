"""Guess from a data file alone what its columns are: time, trajectory id, states, and their units."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from archsearch.errors import DataError
from archsearch.problem import naming
from archsearch.problem.readers import DataTable
from archsearch.problem.syntax import ExpressionError
from archsearch.problem.trajectories import Floats
from archsearch.problem.units import parse_unit

TIMES = {"time": "1", "t": "1", "years": "yr", "year": "yr", "yr": "yr", "days": "day", "day": "day", "hours": "hour"}
TIMES |= {
    "hour": "hour",
    "minutes": "minute",
    "minute": "minute",
    "min": "minute",
    "seconds": "second",
    "sec": "second",
}
"""What a time column may be called, in small letters, with the unit that the name tells."""

IDS = ("trajectory", "id", "run", "batch", "experiment", "series", "subject", "patient", "replicate", "episode")
"""What a column of trajectory ids may be called, in small letters."""


@dataclass(frozen=True)
class GuessedState:
    """A column that is taken for a state."""

    name: str
    column: str
    unit: str


@dataclass(frozen=True)
class Guess:
    """What the columns of a data file are taken for, and why, one sentence each."""

    time: str
    time_unit: str
    trajectory: str | None
    states: tuple[GuessedState, ...]
    reasons: tuple[str, ...]


def guess(table: DataTable) -> Guess:
    """What the columns of a table most likely are.

    Raises:
        DataError: no column can be the time, or none is left for a state.
    """
    numeric = {name: values for name in table.columns if (values := _numbers(table, name)) is not None}
    trajectory = _trajectory(table)
    time = _time(table, numeric, trajectory)
    rest = [name for name in numeric if name not in (time, trajectory)]
    states = _states([name for name in rest if _varies(numeric[name])])
    if not states:
        raise DataError(
            f"{table.source}: expected a column of numbers that change besides the time '{time}', "
            f"found {', '.join(table.columns)}"
        )
    unit = _unit_in(time)[1] or TIMES.get(_plain(time), "1")
    left_out = [name for name in table.columns if name not in (time, trajectory, *(state.column for state in states))]
    return Guess(time, unit, trajectory, states, tuple(_reasons(time, unit, trajectory, states, left_out)))


def _reasons(
    time: str, unit: str, trajectory: str | None, states: tuple[GuessedState, ...], left_out: list[str]
) -> list[str]:
    """What was guessed, one sentence each."""
    told = [f"the time is the column '{time}', its unit {unit}"]
    if trajectory:
        told.append(f"the column '{trajectory}' tells trajectories apart")
    units = ", ".join(f"{state.name} [{state.unit}]" for state in states)
    told.append(f"these columns are states: {units}; make what you set from outside an input")
    return told + [f"the column '{name}' is left out: it holds no numbers, or they never change" for name in left_out]


def _numbers(table: DataTable, name: str) -> Floats | None:
    """A column as numbers, None if it holds something else."""
    try:
        return table.numbers(name, "guessed")
    except DataError:
        return None


def _plain(column: str) -> str:
    """A column name without its unit, in small letters."""
    return _unit_in(column)[0].lower()


def _unit_in(column: str) -> tuple[str, str | None]:
    """A column name such as `S [g/L]`, parted into name and unit; None if it ends in no known unit."""
    match = re.fullmatch(r"(.+?)\s*[\[(]([^\])]+)[\])]", column)
    if match is None:
        return column.strip(), None
    try:
        parse_unit(match[2])
    except ExpressionError:
        return match[1].strip(), None
    return match[1].strip(), match[2]


def _trajectory(table: DataTable) -> str | None:
    """The column of trajectory ids: by its name, or because it holds words that come back."""
    for name in IDS:
        for column, cells in table.columns.items():
            if _plain(column) == name and 1 <= len(set(cells.tolist())) <= len(cells) / 3:
                return column
    for column, cells in table.columns.items():
        if _numbers(table, column) is None and 1 < len(set(cells.tolist())) <= len(cells) / 3:
            return column
    return table.trajectory


def _time(table: DataTable, numeric: dict[str, Floats], trajectory: str | None) -> str:
    """The time column: by its name, or the first that increases along each trajectory."""
    increasing = [name for name in numeric if name != trajectory and _increases(table, numeric[name], trajectory)]
    for known in TIMES:
        for column in numeric:
            if _plain(column) == known and column in increasing:
                return column
    if increasing:
        return increasing[0]
    raise DataError(
        f"{table.source}: expected a time column, whose numbers increase along each trajectory, "
        f"found none among {', '.join(table.columns)}",
        "If there are several trajectories, add a column 'trajectory' that tells them apart.",
    )


def _increases(table: DataTable, values: Floats, trajectory: str | None) -> bool:
    ids = np.array([str(cell) for cell in table.columns[trajectory]]) if trajectory else np.zeros(len(values))
    return all(bool((np.diff(values[ids == label]) > 0).all()) for label in np.unique(ids)) and len(values) > 1


def _varies(values: Floats) -> bool:
    seen = values[np.isfinite(values)]
    return bool(seen.size and (seen != seen[0]).any())


def _states(columns: list[str]) -> tuple[GuessedState, ...]:
    """States with names that a space file may use, each its own."""
    states: list[GuessedState] = []
    for column in columns:
        plain, unit = _unit_in(column)
        name = _as_name(plain)
        while name in naming.VALUES or name in [state.name for state in states]:
            name += "_state"
        states.append(GuessedState(name, column, unit or "1"))
    return tuple(states)


def _as_name(text: str) -> str:
    """A text as a name of plain letters, digits and _."""
    plain = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    return plain if plain[:1].isalpha() else f"state_{plain}".rstrip("_")
