"""Guess from a data file alone what its columns are: time, trajectory id, states, inputs, and their units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archsearch.errors import DataError
from archsearch.problem import naming
from archsearch.problem.cells import is_meant_as_number, is_missing, is_number
from archsearch.problem.headings import as_name, parted, plain, unit_in, unit_of_time
from archsearch.problem.ordering import Rows, groups_of, is_id, ordered
from archsearch.problem.readers import DataTable
from archsearch.problem.trajectories import Floats

COUNTERS = ("index", "row", "no", "no.", "nr", "nr.", "#", "unnamed: 0")
"""What a column may be called that only numbers the rows, in small letters."""

MOSTLY = 0.5
"""A column with more than this share of numbers is meant to be one, and one that changes less often is an input."""


@dataclass(frozen=True)
class GuessedColumn:
    """A column that is taken for a state or an input."""

    name: str
    column: str
    unit: str


@dataclass(frozen=True)
class Guess:
    """What the columns of a data file are taken for, and why, one sentence each."""

    time: str
    time_unit: str
    trajectory: str | None
    states: tuple[GuessedColumn, ...]
    inputs: tuple[GuessedColumn, ...]
    reasons: tuple[str, ...]


def guess(table: DataTable) -> Guess:
    """What the columns of a table most likely are.

    Raises:
        DataError: no column can be the time, none is left for a state, or a column of numbers holds something else.
    """
    numeric = _numeric(table)
    trajectory, time = ordered(table, numeric)
    rest = [name for name in numeric if name not in (time, trajectory) and _says_something(name, numeric[name])]
    groups = groups_of(table, trajectory)
    set_from_outside = [name for name in rest if _is_set(numeric[name], groups)]
    if set(set_from_outside) == set(rest):
        set_from_outside = []
    measured = [name for name in rest if name not in set_from_outside]
    if not measured:
        raise DataError(
            f"{table.source}: expected a column of numbers that change besides the time '{time}', "
            f"found {', '.join(table.columns)}"
        )
    columns = _named([*measured, *set_from_outside])
    states, inputs = columns[: len(measured)], columns[len(measured) :]
    unit = unit_of_time(time)
    used = (time, trajectory, *rest)
    reasons = (
        *_about_time(table, time, unit, trajectory),
        *_about_columns(states, inputs),
        *_about_units([time, *rest]),
        *_about_the_rest(table, [name for name in table.columns if name not in used]),
    )
    return Guess(time, unit, trajectory, states, inputs, reasons)


# ---- what is said ---------------------------------------------------------------------------------------------------


def _about_time(table: DataTable, time: str, unit: str, trajectory: str | None) -> Iterator[str]:
    if table.decimal_comma:
        yield "decimals have commas"
    yield f"the time is the column '{time}', " + ("without a unit" if unit == "1" else f"in {unit}")
    if trajectory:
        yield f"the column '{trajectory}' tells trajectories apart"


def _about_columns(states: Sequence[GuessedColumn], inputs: Sequence[GuessedColumn]) -> Iterator[str]:
    yield f"these columns are states, for the model to predict: {_listed(states)}"
    if inputs:
        yield f"these columns are inputs, set from outside, since they mostly stay the same: {_listed(inputs)}"


def _listed(columns: Sequence[GuessedColumn]) -> str:
    return ", ".join(item.name if item.unit == "1" else f"{item.name} [{item.unit}]" for item in columns)


def _about_units(columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        _, text = parted(column)
        if text is not None and unit_in(column) is None:
            yield f"'{text}' in the column '{column}' is not known as a unit, so it has none"


def _about_the_rest(table: DataTable, columns: Sequence[str]) -> Iterator[str]:
    for name in columns:
        cells = [str(cell) for cell in table.columns[name].tolist() if not is_missing(str(cell))]
        yield f"the column '{name}' is left out: {_why_left_out(cells)}"


def _why_left_out(cells: list[str]) -> str:
    if len(set(cells)) <= 1:
        return f"it is always {cells[0]}" if cells else "it is empty"
    if is_number(cells[0]):
        return "it numbers the rows"
    return f"it holds text, such as {cells[0]}; only numbers can be used"


# ---- columns ---------------------------------------------------------------------------------------------------------


def _numeric(table: DataTable) -> dict[str, Floats]:
    """The columns of numbers.

    Raises:
        DataError: most cells of a column are numbers, but not all that are filled.
    """
    found = {}
    for name in table.columns:
        try:
            found[name] = table.numbers(name, "guessed")
        except DataError:
            if _share_of_numbers(table.columns[name]) > MOSTLY and not is_id(name):
                raise
    return found


def _share_of_numbers(cells: npt.NDArray[np.object_]) -> float:
    filled = [str(cell) for cell in cells.tolist() if not is_missing(str(cell))]
    return sum(is_meant_as_number(cell) for cell in filled) / max(len(filled), 1)


def _says_something(name: str, values: Floats) -> bool:
    """Whether a column varies, and does more than to number the rows."""
    seen = values[np.isfinite(values)]
    counts = bool((np.diff(values) == 1).all()) and (plain(name) in COUNTERS or is_id(name))
    return bool(seen.size and (seen != seen[0]).any()) and not counts


def _is_set(values: Floats, groups: list[Rows]) -> bool:
    """Whether a column is always filled and mostly the same from row to row: nothing that is measured is."""
    same = [np.diff(values[rows]) == 0 for rows in groups if len(rows) > 1]
    return bool(np.isfinite(values).all() and same and np.concatenate(same).mean() > MOSTLY)


def _named(columns: Sequence[str]) -> tuple[GuessedColumn, ...]:
    """The columns with names that a space file may use, each its own."""
    found: list[GuessedColumn] = []
    for column in columns:
        name = as_name(parted(column)[0])
        while name in naming.VALUES or name in [item.name for item in found]:
            name += "_state"
        found.append(GuessedColumn(name, column, unit_in(column) or "1"))
    return tuple(found)
