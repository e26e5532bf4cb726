"""Guess from a data file alone what its columns are: time, trajectory id, states, inputs, and their units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archsearch.errors import DataError
from archsearch.problem import naming
from archsearch.problem.readers import MISSING, DataTable, looks_like_date
from archsearch.problem.syntax import ExpressionError
from archsearch.problem.trajectories import Floats
from archsearch.problem.units import parse_unit

TIMES = {"time": "1", "t": "1", "zeit": "1"}
TIMES |= dict.fromkeys(("years", "year", "yr"), "yr") | dict.fromkeys(("weeks", "week"), "week")
TIMES |= dict.fromkeys(("days", "day"), "day") | dict.fromkeys(("hours", "hour", "hrs", "hr"), "hour")
TIMES |= dict.fromkeys(("minutes", "minute", "mins", "min"), "minute")
TIMES |= dict.fromkeys(("seconds", "second", "secs", "sec"), "second")
"""What a time column may be called, in small letters, with the unit that the name tells."""

SUFFIXES = {"y": "yr", "d": "day", "h": "hour", "s": "second", **TIMES}
"""What may follow `time_` or `t_` in the name of a time column."""

IDS = ("trajectory", "id", "run", "batch", "experiment", "series", "subject", "patient", "replicate", "episode")
IDS += ("well", "animal", "plot", "culture", "reactor", "sample", "group")
"""What a column of trajectory ids may be called, in small letters."""

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
    trajectory, time = _ordered(table, numeric)
    rest = [name for name in numeric if name not in (time, trajectory) and _varies(numeric[name])]
    groups = _groups(table, trajectory)
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
    unit = _unit_of_time(time)
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
        _, text = _parted(column)
        if text is not None and _known_unit(text) is None:
            yield f"'{text}' in the column '{column}' is not known as a unit, so it has none"


def _about_the_rest(table: DataTable, columns: Sequence[str]) -> Iterator[str]:
    for name in columns:
        cells = [str(cell) for cell in table.columns[name].tolist() if not _is_missing(str(cell))]
        same = len(set(cells)) == 1
        what = "it is empty" if not cells else f"it is always {cells[0]}" if same else f"it holds text ('{cells[0]}')"
        yield f"the column '{name}' is left out: {what}"


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
            if _share_of_numbers(table.columns[name]) > MOSTLY:
                raise
    return found


def _share_of_numbers(cells: npt.NDArray[np.object_]) -> float:
    filled = [str(cell) for cell in cells.tolist() if not _is_missing(str(cell))]
    return sum(_is_number(cell) for cell in filled) / max(len(filled), 1)


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _varies(values: Floats) -> bool:
    seen = values[np.isfinite(values)]
    return bool(seen.size and (seen != seen[0]).any())


def _is_set(values: Floats, groups: list[npt.NDArray[np.int64]]) -> bool:
    """Whether a column is always filled and mostly the same from row to row: nothing that is measured is."""
    same = [np.diff(values[rows]) == 0 for rows in groups if len(rows) > 1]
    return bool(np.isfinite(values).all() and same and np.concatenate(same).mean() > MOSTLY)


def _named(columns: Sequence[str]) -> tuple[GuessedColumn, ...]:
    """The columns with names that a space file may use, each its own."""
    found: list[GuessedColumn] = []
    for column in columns:
        plain, text = _parted(column)
        name = _as_name(plain)
        while name in naming.VALUES or name in [item.name for item in found]:
            name += "_state"
        found.append(GuessedColumn(name, column, (_known_unit(text) if text else None) or "1"))
    return tuple(found)


def _as_name(text: str) -> str:
    """A text as a name of plain letters, digits and _."""
    plain = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    return plain if plain[:1].isalpha() else f"state_{plain}".rstrip("_")


def _parted(column: str) -> tuple[str, str | None]:
    """A column name such as `S [g/L]`, parted into name and what stands in the brackets at its end."""
    match = re.fullmatch(r"(.+?)\s*[\[(]([^\])]+)[\])]", column)
    return (column.strip(), None) if match is None else (match[1].strip(), match[2].strip())


def _known_unit(text: str) -> str | None:
    try:
        parse_unit(text)
    except ExpressionError:
        return None
    return text


def _plain(column: str) -> str:
    """A column name without its unit, in small letters."""
    return _parted(column)[0].lower()


# ---- time and trajectories -------------------------------------------------------------------------------------------


def _ordered(table: DataTable, numeric: dict[str, Floats]) -> tuple[str | None, str]:
    """The column of trajectory ids, if there is one, and the time column, which increases along each trajectory."""
    known = _named_trajectory(table)
    for trajectory in [known] if known else [None, *_words(table, numeric), *_whole_numbers(numeric)]:
        time = _time(table, numeric, trajectory)
        if time is not None:
            return trajectory, time
    raise _no_time(table, numeric, known)


def _named_trajectory(table: DataTable) -> str | None:
    """The column that is called as trajectory ids are, and whose values come back."""
    for name in IDS:
        for column, cells in table.columns.items():
            if _plain(column).removesuffix("_id") == name and _comes_back(cells, fewest=1):
                return column
    return table.trajectory


def _words(table: DataTable, numeric: dict[str, Floats]) -> list[str]:
    """The columns of words that come back."""
    texts = [name for name in table.columns if name not in numeric and not _holds_dates(table, name)]
    return [name for name in texts if _comes_back(table.columns[name])]


def _whole_numbers(numeric: dict[str, Floats]) -> list[str]:
    """The columns of whole numbers that come back."""
    whole = [name for name, values in numeric.items() if (values == np.round(values)).all()]
    return [name for name in whole if _plain(name) not in TIMES and _comes_back(numeric[name])]


def _comes_back(cells: npt.NDArray[np.generic], fewest: int = 2) -> bool:
    return fewest <= len(set(cells.tolist())) <= len(cells) / 3


def _time(table: DataTable, numeric: dict[str, Floats], trajectory: str | None) -> str | None:
    """The time column: by its name, by its unit, or the first that increases; None if there is none.

    Where a column is called time or holds dates and does not increase, no other is taken in its place.
    """
    groups = _groups(table, trajectory)
    increasing = [name for name in numeric if name != trajectory and _increases(numeric[name], groups)]
    best = [name for name in increasing if _named_unit(name)] or [name for name in increasing if _has_time_unit(name)]
    if best:
        return best[0]
    whole = trajectory is not None and trajectory in numeric
    return None if whole or _meant_as_time(table, numeric) else next(iter(increasing), None)


def _meant_as_time(table: DataTable, numeric: dict[str, Floats]) -> list[str]:
    """The columns that are called as times are, or hold dates."""
    dates = [name for name in table.columns if name not in numeric and _holds_dates(table, name)]
    return [name for name in table.columns if _named_unit(name) or name in dates]


def _named_unit(column: str) -> str | None:
    """The unit that the name of a time column tells, None for another name: `t`, `hours`, `time_s`."""
    plain = _plain(column)
    match = re.fullmatch(r"(?:time|t|zeit)[ _.]*(\w+)", plain)
    return TIMES.get(plain) or (SUFFIXES.get(match[1]) if match else None)


def _has_time_unit(column: str) -> bool:
    _, text = _parted(column)
    return text is not None and _known_unit(text) is not None and dict(parse_unit(text).dimensionality) == {"[time]": 1}


def _unit_of_time(column: str) -> str:
    _, text = _parted(column)
    return (_known_unit(text) if text else None) or _named_unit(column) or "1"


def _holds_dates(table: DataTable, name: str) -> bool:
    cells = [str(cell) for cell in table.columns[name].tolist() if not _is_missing(str(cell))]
    return bool(cells) and looks_like_date(cells[0])


def _groups(table: DataTable, trajectory: str | None) -> list[npt.NDArray[np.int64]]:
    """The rows of each trajectory."""
    if trajectory is None:
        return [np.arange(len(table.lines))]
    ids = np.array([str(cell) for cell in table.columns[trajectory]])
    return [np.flatnonzero(ids == label) for label in np.unique(ids)]


def _increases(values: Floats, groups: list[npt.NDArray[np.int64]]) -> bool:
    return len(values) > 1 and all(bool((np.diff(values[rows]) > 0).all()) for rows in groups)


def _no_time(table: DataTable, numeric: dict[str, Floats], trajectory: str | None) -> DataError:
    """Why there is no time column, and what to do about it."""
    for name in _meant_as_time(table, numeric):
        try:
            values = table.numbers(name, "the time")
        except DataError as error:
            return error
        return _not_increasing(table, name, values, _groups(table, trajectory), trajectory)
    return DataError(
        f"{table.source}: expected a time column, whose numbers increase along each trajectory, "
        f"found none among {', '.join(table.columns)}",
        "If there are several trajectories, add a column 'trajectory' that tells them apart.",
    )


def _not_increasing(
    table: DataTable, name: str, values: Floats, groups: list[npt.NDArray[np.int64]], trajectory: str | None
) -> DataError:
    """The first place where a time column does not increase."""
    missing = np.flatnonzero(np.isnan(values))
    if missing.size:
        place = table.where(int(missing[0]))
        return DataError(f"{table.source}: expected a number in every row of the time '{name}', found none in {place}")
    rows = next(rows for rows in groups if (np.diff(values[rows]) <= 0).any())
    step = int(np.argmax(np.diff(values[rows]) <= 0))
    before, after, place = values[rows[step]], values[rows[step + 1]], table.where(int(rows[step + 1]))
    remedy = "Sort the rows by time, and keep one row per time" + (" and trajectory." if trajectory else ".")
    if trajectory is None:
        remedy += " If there are several trajectories, add a column 'trajectory' that tells them apart."
    found = f"the time {after:g} twice" if before == after else f"{after:g} after {before:g}"
    return DataError(f"{table.source}: expected times that increase in '{name}', found {found} in {place}", remedy)
