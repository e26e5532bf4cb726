"""What the text of a cell means: nothing, a number, a date; and what to do about one that is no number."""

from __future__ import annotations

import re

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
"""What an empty cell may say, in small letters."""

DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(\D|$)|\d{1,2}:\d{2}")
DATES_REMEDY = (
    "Write times as numbers in one unit, counted from the first sample: =A2-A$2 in a spreadsheet gives days, "
    "(t - t.iloc[0]).dt.total_seconds() in pandas gives seconds."
)
THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?")


def is_missing(cell: str) -> bool:
    """Whether a cell holds no value."""
    return cell.strip().lower() in MISSING


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, infinite ones included."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_meant_as_number(cell: str) -> bool:
    """Whether a cell holds a number, or one written as this software does not read it."""
    return is_number(cell.replace(",", ".")) or bool(THOUSANDS.fullmatch(cell.strip()))


def is_date(cell: str) -> bool:
    """Whether a cell holds a date, or a time on a clock."""
    return bool(DATE.match(cell.strip()))


def number_remedy(cell: str, row: int) -> str:
    """What to do about a cell, in the row that is so many below the first, that should be a number and is none."""
    text = cell.strip()
    if is_date(text):
        return DATES_REMEDY
    if THOUSANDS.fullmatch(text):
        return "Leave out the marks between thousands; decimals have a point, or all of them a comma."
    if text.count(",") == 1 and is_number(text.replace(",", ".")):
        return f"Write all decimals with a point, as in {text.replace(',', '.')}, or all of them with a comma."
    if row == 0 and not any(character.isdigit() for character in text):
        return "Keep one line of column names; units belong into them, as in `time [h]`."
    return "Leave the cell empty if the value is missing; a limit such as <0.1 is no value."
