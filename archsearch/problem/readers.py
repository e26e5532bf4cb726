"""Read a data file as a table of columns: CSV, Parquet or NPZ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archsearch.errors import DataError, did_you_mean
from archsearch.problem.cells import is_missing, number_remedy
from archsearch.problem.npz import NpzError, read_npz
from archsearch.problem.separated import read_separated

SHEETS = (".xlsx", ".xls", ".ods")
Column = npt.NDArray[Any]


@dataclass(frozen=True)
class DataTable:
    """The columns of a data file.

    Attributes:
        source: the name of the file, for messages.
        columns: name to (rows,) values: float64 with NaN for missing, or text as it was written.
        noun: what a row is called in messages.
        lines: (rows,), the number of each row as a person counts it.
        trajectory: the column that tells trajectories apart, where the file itself says so.
        decimal_comma: whether the file writes decimals with commas.
    """

    source: str
    columns: dict[str, Column]
    noun: str
    lines: npt.NDArray[np.int64]
    trajectory: str | None = None
    decimal_comma: bool = False

    def column(self, name: str, meaning: str) -> Column:
        """A column; `meaning` says what it is wanted for, and where the file says so.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.columns:
            raise DataError(
                f"{self.source}: expected a column '{name}' ({meaning}), "
                f"found {', '.join(self.columns) or 'none'}{did_you_mean(name, self.columns)}",
                "Name the right one in space.toml.",
            )
        return self.columns[name]

    def numbers(self, name: str, meaning: str) -> npt.NDArray[np.float64]:
        """A column as numbers, NaN where a cell is empty.

        Raises:
            DataError: the column is missing, or a cell is neither empty nor a finite number.
        """
        column = self.column(name, meaning)
        if column.dtype.kind == "O":
            column = np.array([self._number(cell, name, row) for row, cell in enumerate(column)], dtype=np.float64)
        infinite = np.flatnonzero(np.isinf(column))
        if infinite.size:
            raise DataError(
                f"{self.source}: expected finite numbers in the column '{name}', "
                f"found {column[infinite[0]]} in {self.where(int(infinite[0]))}",
                "Leave the cell empty if the value is missing.",
            )
        return column

    def where(self, row: int) -> str:
        """A row as a person finds it: `line 7`."""
        return f"{self.noun} {self.lines[row]}"

    def _number(self, cell: str, name: str, row: int) -> float:
        if is_missing(cell):
            return float("nan")
        try:
            return float(cell)
        except ValueError:
            found = f"found '{cell.strip()}' in {self.where(row)}"
            raise DataError(
                f"{self.source}: expected numbers in the column '{name}', {found}", number_remedy(cell, row)
            ) from None


def read_table(path: Path, time: str = "time", trajectory: str | None = None) -> DataTable:
    """Read a data file.

    Args:
        path: a file whose name ends in .csv, .tsv, .txt, .parquet or .npz.
        time: the name of the time column, which an NPZ with (N, T) arrays may give once for all as (T,).
        trajectory: the name of the column that tells trajectories apart, which such an NPZ may give as (N,).

    Raises:
        DataError: the file is missing, or is not what its name says.
    """
    ending = path.suffix.lower()
    readers: dict[str, Callable[[Path], DataTable]] = {".csv": _read_csv, ".tsv": _read_csv, ".txt": _read_csv}
    readers |= {".parquet": _read_parquet, ".npz": lambda file: _read_npz(file, time, trajectory or "trajectory")}
    if not path.is_file():
        raise _no_file(path, tuple(readers))
    if ending not in readers:
        known = ", ".join(readers)
        remedy = "Save the sheet as `CSV UTF-8`." if ending in SHEETS else ""
        raise DataError(f"{path.name}: expected a data file that ends in one of {known}, found '{ending}'", remedy)
    return readers[ending](path)


def _no_file(path: Path, endings: tuple[str, ...]) -> DataError:
    """What to say where there is no file: a folder, or nothing."""
    if path.is_dir():
        inside = sorted(file.name for file in path.iterdir() if file.suffix.lower() in endings)
        example = f", for example {path / inside[0]}" if inside else ""
        return DataError(f"Expected a data file, found the folder '{path}'.", f"Name the file itself{example}.")
    near = [file.name for file in path.parent.iterdir() if file.is_file()] if path.parent.is_dir() else []
    return DataError(
        f"Expected a data file, found no '{path}'{did_you_mean(path.name, near) or '.'}",
        "Check its path; in a space file it begins at the folder of that file.",
    )


def _read_csv(path: Path) -> DataTable:
    found = read_separated(path)
    return DataTable(path.name, found.columns, "line", found.lines, decimal_comma=found.decimal_comma)


def _read_parquet(path: Path) -> DataTable:
    import polars

    try:
        frame = polars.read_parquet(path)
    except (polars.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path.name}: expected a Parquet file, found something else: {reason}") from error
    columns = {name: _parquet_column(path.name, frame[name]) for name in frame.columns}
    return DataTable(path.name, columns, "row", np.arange(1, frame.height + 1))


def _parquet_column(source: str, series: Any) -> Column:
    """A column as float64, or as text where it is text."""
    import polars

    if series.dtype.is_numeric() or series.dtype == polars.Boolean:
        return np.asarray(series.cast(polars.Float64).fill_null(float("nan")).to_numpy(), dtype=np.float64)
    if series.dtype.is_nested() or series.dtype in (polars.Binary, polars.Object):
        raise DataError(
            f"{source}: expected a number or a text per row, found {series.dtype} in the column '{series.name}'"
        )
    return np.array([str(cell) for cell in series.cast(polars.String).fill_null("").to_list()], dtype=object)


def read_arrays(path: Path) -> dict[str, Column]:
    """The arrays of an NPZ file by name.

    Raises:
        DataError: there is no such file, or it is something else.
    """
    if not path.is_file():
        raise _no_file(path, (".npz",))
    try:
        arrays = read_npz(path.read_bytes())
    except NpzError as error:
        raise DataError(
            f"{path.name}: expected an NPZ file of plain arrays, {error}.",
            "Write it with numpy.savez: one array of numbers or text per column.",
        ) from error
    if not arrays:
        raise DataError(f"{path.name}: expected one array per column, found none")
    return arrays


def _read_npz(path: Path, time: str, trajectory: str) -> DataTable:
    arrays = read_arrays(path)
    stacked = any(array.ndim == 2 for array in arrays.values())
    if stacked:
        arrays = _flat(path.name, arrays, time, trajectory)
    lengths = {name: array.shape for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        shapes = ", ".join(f"{name} {shape}" for name, shape in lengths.items())
        expected = "expected arrays of one shape, (rows,) or (trajectories, times)"
        raise DataError(f"{path.name}: {expected}, found {shapes}", _about_grids(arrays))
    columns = {name: _npz_column(path.name, name, array) for name, array in arrays.items()}
    lines = np.arange(1, len(next(iter(columns.values()))) + 1)
    return DataTable(path.name, columns, "row", lines, trajectory if stacked else None)


def _about_grids(arrays: dict[str, Column]) -> str:
    """What to do if an array has more axes than trajectories and times."""
    deep = any(array.ndim > 2 for array in arrays.values())
    return "If states are fields on a grid, name its axes under [[axes]] in space.toml." if deep else ""


def _flat(source: str, arrays: dict[str, Column], time: str, trajectory: str) -> dict[str, Column]:
    """(N, T) arrays as columns of N T rows; rows without a time are padding and are left out."""
    shape = next(array.shape for array in arrays.values() if array.ndim == 2)
    ids = arrays.get(trajectory, np.array([str(row + 1) for row in range(shape[0])]))
    if ids.shape == shape[:1]:
        arrays = {**arrays, trajectory: np.broadcast_to(ids[:, None], shape)}
    if time in arrays and arrays[time].shape == shape[1:]:
        arrays = {**arrays, time: np.broadcast_to(arrays[time], shape)}
    for name, array in arrays.items():
        if array.shape != shape:
            raise DataError(
                f"{source}: expected the shape {shape} as for the other columns, found {name} {array.shape}",
                _about_grids(arrays),
            )
    times = arrays[time] if time in arrays and arrays[time].dtype.kind in "fiu" else np.zeros(shape)
    return {name: array[~np.isnan(times)] for name, array in arrays.items()}


def _npz_column(source: str, name: str, array: Column) -> Column:
    if array.dtype.kind in "fiub":
        return array.astype(np.float64)
    if array.dtype.kind in "US":
        return np.array([str(cell) for cell in array.astype(str)], dtype=object)
    raise DataError(f"{source}: expected numbers or text, found {array.dtype} in the column '{name}'")
