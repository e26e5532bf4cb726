"""What the heading of a column says: a name, a unit, whether it is a time."""

from __future__ import annotations

import re
import unicodedata

from archsearch.problem.syntax import ExpressionError
from archsearch.problem.units import parse_unit

TIMES = {"time": "1", "t": "1", "zeit": "1"}
TIMES |= dict.fromkeys(("years", "year", "yr"), "yr") | dict.fromkeys(("weeks", "week"), "week")
TIMES |= dict.fromkeys(("days", "day"), "day") | dict.fromkeys(("hours", "hour", "hrs", "hr"), "hour")
TIMES |= dict.fromkeys(("minutes", "minute", "mins", "min"), "minute")
TIMES |= dict.fromkeys(("seconds", "second", "secs", "sec"), "second")
"""What a time column may be called, in small letters, with the unit that the name tells."""

SUFFIXES = {"y": "yr", "d": "day", "h": "hour", "s": "second", **TIMES}
"""What may follow `time_` or `t_` in the name of a time column."""


def parted(column: str) -> tuple[str, str | None]:
    """A heading such as `S [g/L]`, parted into name and what stands in the brackets at its end."""
    match = re.fullmatch(r"(.+?)\s*[\[(]([^\])]+)[\])]", column)
    return (column.strip(), None) if match is None else (match[1].strip(), match[2].strip())


def plain(column: str) -> str:
    """The name in a heading, in small letters."""
    return parted(column)[0].lower()


def unit_in(column: str) -> str | None:
    """The unit in a heading; None if there is none, or none that is known."""
    _, text = parted(column)
    try:
        return text if text is not None and parse_unit(text) is not None else None
    except ExpressionError:
        return None


def unit_told(column: str) -> str | None:
    """The unit that the name of a time column tells, None for another name: `t`, `hours`, `time_s`."""
    match = re.fullmatch(r"(?:time|t|zeit)[ _.]*(\w+)", plain(column))
    return TIMES.get(plain(column)) or (SUFFIXES.get(match[1]) if match else None)


def has_time_unit(column: str) -> bool:
    """Whether the unit in a heading is one of time."""
    unit = unit_in(column)
    return unit is not None and dict(parse_unit(unit).dimensionality) == {"[time]": 1}


def unit_of_time(column: str) -> str:
    """The unit of a time column as far as its heading tells; `1` if it does not."""
    return unit_in(column) or unit_told(column) or "1"


def as_name(text: str) -> str:
    """A text as a name of plain letters, digits and _: `Größe` becomes Grosse, `µ max` becomes mu_max."""
    plain = "".join(_spelt(letter) for letter in unicodedata.normalize("NFKD", text))
    name = re.sub(r"\W+", "_", plain, flags=re.ASCII).strip("_")
    return name if name[:1].isalpha() else f"state_{name}".rstrip("_")


def _spelt(letter: str) -> str:
    """A letter in plain ones: Greek ones by their names, accents left out."""
    if letter.isascii() or unicodedata.combining(letter):
        return letter if letter.isascii() else ""
    kind = unicodedata.name(letter, "").split(" LETTER ")
    spelt = kind[-1].replace("FINAL ", "").replace("LAMDA", "LAMBDA") if kind[0].startswith("GREEK ") else ""
    return "ss" if letter == "ß" else spelt.capitalize() if "CAPITAL" in kind[0] else spelt.lower()
