"""Read a data file as a table of columns: CSV, Parquet or NPZ."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archsearch.errors import DataError, did_you_mean

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
"""What an empty cell may say, in small letters."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
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
    """

    source: str
    columns: dict[str, Column]
    noun: str
    lines: npt.NDArray[np.int64]
    trajectory: str | None = None

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
        if cell.strip().lower() in MISSING:
            return float("nan")
        try:
            return float(cell)
        except ValueError:
            found = f"found '{cell.strip()}' in {self.where(row)}"
            raise DataError(
                f"{self.source}: expected numbers in the column '{name}', {found}", _number_remedy(cell)
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
    if not path.is_file():
        near = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"Expected a data file, found no '{path}'{did_you_mean(path.name, near)}")
    ending = path.suffix.lower()
    readers: dict[str, Callable[[Path], DataTable]] = {".csv": _read_csv, ".tsv": _read_csv, ".txt": _read_csv}
    readers |= {".parquet": _read_parquet, ".npz": lambda file: _read_npz(file, time, trajectory or "trajectory")}
    if ending not in readers:
        known = ", ".join(readers)
        raise DataError(f"{path.name}: expected a data file that ends in one of {known}, found '{ending}'")
    return readers[ending](path)


def _number_remedy(cell: str) -> str:
    """What to do about a cell that is no number."""
    if cell.count(",") == 1 and cell.replace(",", ".", 1).strip().replace(".", "", 1).lstrip("+-").isdigit():
        return f"Write decimals with a point: {cell.strip().replace(',', '.')}."
    if cell.count("-") == 2 or ":" in cell or cell.count("/") == 2:
        return "Write dates as numbers in the time unit, counted from a day of your choice."
    return "Leave the cell empty if the value is missing."


def _read_csv(path: Path) -> DataTable:
    lines = [(number, cells) for number, cells in _cells(path) if any(cell.strip() for cell in cells)]
    if not lines:
        raise DataError(f"{path.name}: expected a line of column names and rows of numbers, found an empty file")
    header = [cell.strip() for cell in lines[0][1]]
    _check_header(path.name, header)
    if len(lines) == 1:
        raise DataError(f"{path.name}: expected rows of numbers below the column names, found none")
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(
                f"{path.name}: expected {len(header)} cells in each line, found {len(cells)} in line {number}",
                f"The column names are: {', '.join(header)}.",
            )
    columns = {
        name: np.array([cells[place].strip() for _, cells in lines[1:]], dtype=object)
        for place, name in enumerate(header)
        if name
    }
    return DataTable(path.name, columns, "line", np.array([number for number, _ in lines[1:]]))


def _cells(path: Path) -> list[tuple[int, list[str]]]:
    """The cells of each line of a CSV file with its number, comments at the top left out."""
    text = _decoded(path)
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    found: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if found or not (cells and cells[0].startswith("#")):
                found.append((reader.line_num, cells))
    except csv.Error as error:
        raise DataError(
            f"{path.name}: expected a CSV file, found a fault in line {reader.line_num}: {error}"
        ) from error
    return found


def _decoded(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 if it says so."""
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        found = f"found a byte that is none at position {error.start}"
        raise DataError(f"{path.name}: expected text in UTF-8, {found}", "Save the file as CSV in UTF-8.") from error
    if "\0" in text:
        raise DataError(f"{path.name}: expected a CSV file, found binary data", "Save the file as CSV in UTF-8.")
    return text


def _check_header(source: str, header: list[str]) -> None:
    """The first line holds names, each once."""
    repeated = [name for name, count in Counter(header).items() if name and count > 1]
    if repeated:
        raise DataError(f"{source}: expected each column name once, found '{repeated[0]}' more than once")
    if all(_is_number(name) for name in header if name):
        raise DataError(
            f"{source}: expected column names in the first line, found numbers: {', '.join(header)}",
            "Put a line such as time,x,y on top.",
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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


def _read_npz(path: Path, time: str, trajectory: str) -> DataTable:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path.name}: expected an NPZ file of plain arrays, found something else")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        found = "pickled objects, which are never loaded" if "pickle" in str(error) else f"something else: {error}"
        raise DataError(f"{path.name}: expected an NPZ file of plain arrays, found {found}") from error
    if not arrays:
        raise DataError(f"{path.name}: expected one array per column, found none")
    stacked = any(array.ndim == 2 for array in arrays.values())
    if stacked:
        arrays = _flat(path.name, arrays, time, trajectory)
    lengths = {name: array.shape for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        shapes = ", ".join(f"{name} {shape}" for name, shape in lengths.items())
        raise DataError(f"{path.name}: expected arrays of one shape, (rows,) or (trajectories, times), found {shapes}")
    columns = {name: _npz_column(path.name, name, array) for name, array in arrays.items()}
    lines = np.arange(1, len(next(iter(columns.values()))) + 1)
    return DataTable(path.name, columns, "row", lines, trajectory if stacked else None)


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
                f"{source}: expected the shape {shape} as for the other columns, found {name} {array.shape}"
            )
    times = arrays[time] if time in arrays and arrays[time].dtype.kind in "fiu" else np.zeros(shape)
    return {name: array[~np.isnan(times)] for name, array in arrays.items()}


def _npz_column(source: str, name: str, array: Column) -> Column:
    if array.dtype.kind in "fiub":
        return array.astype(np.float64)
    if array.dtype.kind in "US":
        return np.array([str(cell) for cell in array.astype(str)], dtype=object)
    raise DataError(f"{source}: expected numbers or text, found {array.dtype} in the column '{name}'")
