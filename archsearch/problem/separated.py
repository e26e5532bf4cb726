"""Read separated text: commas, semicolons, tabs or spaces; decimal points or commas; comments on top."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archsearch.errors import DataError
from archsearch.problem.cells import is_number

SEPARATORS = ",;\t"
"""What may stand between cells; where the line of column names has none of it, spaces do."""

DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""What may be a decimal comma, but may mark thousands as well."""

Lines = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class Separated:
    """The columns of a text file.

    Attributes:
        columns: name to (rows,) cells as text, decimals with points.
        lines: (rows,), the line of each row.
        decimal_comma: whether decimals were written with commas.
    """

    columns: dict[str, npt.NDArray[Any]]
    lines: npt.NDArray[np.int64]
    decimal_comma: bool


def read_separated(path: Path) -> Separated:
    """Read a text file of cells below a line of column names.

    Raises:
        DataError: it is no such file.
    """
    lines = [(number, cells) for number, cells in _cells(path) if any(cell.strip() for cell in cells)]
    if not lines:
        raise DataError(f"{path.name}: expected a line of column names and rows of numbers, found an empty file")
    header = [cell.strip() for cell in lines[0][1]]
    _check_header(path.name, header)
    rows = [(number, [cell.strip() for cell in cells]) for number, cells in lines[1:]]
    _check_rows(path.name, header, rows)
    commas = _has_decimal_commas(cell for _, cells in rows for cell in cells)
    columns = {
        name: np.array([_with_point(cells[place]) if commas else cells[place] for _, cells in rows], dtype=object)
        for place, name in enumerate(header)
        if name
    }
    return Separated(columns, np.array([number for number, _ in rows]), commas)


def _cells(path: Path) -> Lines:
    """The cells of each line with its number, comments at the top left out."""
    text = _decoded(path)
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    separator = max(SEPARATORS, key=first.count)
    if separator not in first:
        text, separator = "\n".join(" ".join(line.split()) for line in text.splitlines()), " "
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    found: Lines = []
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
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path.name}: expected text in UTF-8, found something else in line {line}",
            "Save it as `CSV UTF-8`, or convert it, for example with: iconv -f WINDOWS-1252 -t UTF-8",
        ) from error
    if "\0" in text:
        raise DataError(f"{path.name}: expected a CSV file, found binary data", "Save the file as CSV in UTF-8.")
    return text


def _check_header(source: str, header: list[str]) -> None:
    """The first line holds names, each once."""
    repeated = [name for name, count in Counter(header).items() if name and count > 1]
    if repeated:
        raise DataError(f"{source}: expected each column name once, found '{repeated[0]}' more than once")
    if all(is_number(name.replace(",", ".")) for name in header if name):
        raise DataError(
            f"{source}: expected column names in the first line, found numbers: {', '.join(header)}",
            "Put a line such as time,x,y on top.",
        )


def _check_rows(source: str, header: list[str], rows: Lines) -> None:
    """There are rows, and each has a cell per column."""
    if not rows:
        raise DataError(f"{source}: expected rows of numbers below the column names, found none")
    for number, cells in rows:
        if len(cells) != len(header):
            remedy = f"The column names are: {', '.join(header)}."
            if len(cells) > len(header) and all(cell.lstrip("+-").isdigit() for cell in cells if cell):
                remedy += " If decimals have commas, separate the columns by semicolons."
            raise DataError(
                f"{source}: expected {len(header)} cells in each line, found {len(cells)} in line {number}", remedy
            )


def _has_decimal_commas(cells: Iterable[str]) -> bool:
    """Whether decimals have commas: some do, none has a point, and not all of them might mark thousands."""
    distinct = set(cells)
    commas = [cell for cell in distinct if DECIMAL_COMMA.fullmatch(cell)]
    points = any(DECIMAL_POINT.fullmatch(cell) for cell in distinct)
    return not points and any(not THOUSANDS.fullmatch(cell) for cell in commas)


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell
