"""Find the time column of a table, and the column that tells trajectories apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from archsearch.errors import DataError
from archsearch.problem.cells import is_date, is_missing
from archsearch.problem.headings import TIMES, has_time_unit, plain, unit_told
from archsearch.problem.readers import DataTable
from archsearch.problem.trajectories import Floats

IDS = (
    *("trajectory", "id", "run", "batch", "experiment", "series", "subject", "patient", "replicate", "episode"),
    *("well", "animal", "plot", "culture", "reactor", "sample", "group"),
)
"""What a column of trajectory ids may be called, in small letters, with `_id` or without."""

Rows = npt.NDArray[np.int64]


def ordered(table: DataTable, numeric: dict[str, Floats]) -> tuple[str | None, str]:
    """The column of trajectory ids, if there is one, and the time column, which increases along each trajectory.

    Raises:
        DataError: no column can be the time.
    """
    known = _named_trajectory(table)
    words = [] if known else _words(table, numeric)
    for trajectory in [known, *words]:
        time = _named_time(table, numeric, trajectory) or _first_increasing(table, numeric, trajectory)
        if time is not None:
            return trajectory, time
    for trajectory in [] if known else _whole_numbers(numeric):
        time = _named_time(table, numeric, trajectory)
        if time is not None:
            return trajectory, time
    raise _no_time(table, numeric, known)


def is_id(column: str) -> bool:
    """Whether a column is called as trajectory ids are."""
    return plain(column).removesuffix("_id") in IDS


def _named_trajectory(table: DataTable) -> str | None:
    """The column that is called as trajectory ids are, and whose values come back."""
    called = [name for name, cells in table.columns.items() if is_id(name) and _comes_back(cells, fewest=1)]
    return min(called, key=lambda name: IDS.index(plain(name).removesuffix("_id")), default=table.trajectory)


def _words(table: DataTable, numeric: dict[str, Floats]) -> list[str]:
    """The columns of words that come back."""
    texts = [name for name in table.columns if name not in numeric and not _holds_dates(table, name)]
    return [name for name in texts if _comes_back(table.columns[name])]


def _whole_numbers(numeric: dict[str, Floats]) -> list[str]:
    """The columns of whole numbers that come back."""
    whole = [name for name, values in numeric.items() if (values == np.round(values)).all()]
    return [name for name in whole if plain(name) not in TIMES and _comes_back(numeric[name])]


def _comes_back(cells: npt.NDArray[np.generic], fewest: int = 2) -> bool:
    return fewest <= len(set(cells.tolist())) <= len(cells) / 3


def _named_time(table: DataTable, numeric: dict[str, Floats], trajectory: str | None) -> str | None:
    """The first column that increases and is a time by its name, or else by its unit."""
    increasing = _increasing(table, numeric, trajectory)
    best = [name for name in increasing if unit_told(name)] + [name for name in increasing if has_time_unit(name)]
    return best[0] if best else None


def _first_increasing(table: DataTable, numeric: dict[str, Floats], trajectory: str | None) -> str | None:
    """The first column that increases; none where another is meant as the time, and cannot be."""
    return None if _meant_as_time(table, numeric) else next(iter(_increasing(table, numeric, trajectory)), None)


def _increasing(table: DataTable, numeric: dict[str, Floats], trajectory: str | None) -> list[str]:
    groups = groups_of(table, trajectory)
    return [name for name in numeric if name != trajectory and _increases(numeric[name], groups)]


def _meant_as_time(table: DataTable, numeric: dict[str, Floats]) -> list[str]:
    """The columns that are called as times are, or hold dates."""
    dates = [name for name in table.columns if name not in numeric and _holds_dates(table, name)]
    return [name for name in table.columns if unit_told(name) or name in dates]


def _holds_dates(table: DataTable, name: str) -> bool:
    cells = [str(cell) for cell in table.columns[name].tolist() if not is_missing(str(cell))]
    return bool(cells) and is_date(cells[0])


def groups_of(table: DataTable, trajectory: str | None) -> list[Rows]:
    """The rows of each trajectory."""
    if trajectory is None:
        return [np.arange(len(table.lines))]
    ids = np.array([str(cell) for cell in table.columns[trajectory]])
    return [np.flatnonzero(ids == label) for label in np.unique(ids)]


def _increases(values: Floats, groups: list[Rows]) -> bool:
    return len(values) > 1 and all(bool((np.diff(values[rows]) > 0).all()) for rows in groups)


def _no_time(table: DataTable, numeric: dict[str, Floats], trajectory: str | None) -> DataError:
    """Why there is no time column, and what to do about it."""
    for name in _meant_as_time(table, numeric):
        try:
            values = table.numbers(name, "the time")
        except DataError as error:
            return error
        return _not_increasing(table, name, values, groups_of(table, trajectory), trajectory)
    return DataError(
        f"{table.source}: expected a time column, whose numbers increase along each trajectory, "
        f"found none among {', '.join(table.columns)}",
        "If there are several trajectories, add a column 'trajectory' that tells them apart.",
    )


def _not_increasing(
    table: DataTable, name: str, values: Floats, groups: list[Rows], trajectory: str | None
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
