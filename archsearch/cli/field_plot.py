"""Fields drawn in characters, the denser the more: data on the left, the model on the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from archsearch.problem.field_images import limits_of
from archsearch.problem.labels import axis_label
from archsearch.review.wording import four

if TYPE_CHECKING:
    from rich.text import Text

    from archsearch.problem.field_images import Image
    from archsearch.problem.trajectories import Floats
    from archsearch.review.fit import FieldFit

SHADES, UNKNOWN = " .:-=+*#%@", "?"
BETWEEN = "   "
MOST_STATES, MOST_ROWS, ROWS_OF_TIME = 3, 16, 8
TALL = 2
"""A character is about so many times as high as it is wide."""


def field_lines(fields: Sequence[FieldFit], width: int) -> Iterator[Text]:
    """Measured and predicted fields side by side, one line of the terminal after the other.

    Args:
        fields: of one trajectory.
        width: of the terminal, in characters.
    """
    from rich.text import Text

    for field in fields[:MOST_STATES]:
        columns, rows = _size(field.observed, (max(20, min(width, 100)) - len(BETWEEN)) // 2)
        limits = limits_of(field.observed.values)
        at = f" at {field.observed.title}" if field.observed.title else ""
        yield Text(f"{axis_label(field.state, field.unit)}{at}", style="bold")
        yield Text(f"{'data':<{columns}}{BETWEEN}model", style="dim")
        pictures = [shaded(image.values, rows, columns, limits) for image in (field.observed, field.predicted)]
        for data, model in zip(*pictures, strict=True):
            yield Text(f"{data}{BETWEEN}{model}".rstrip(), style="cyan")
        for line in _legend(field.observed, limits):
            yield Text(line, style="dim")
    if len(fields) > MOST_STATES:
        yield Text(f"not drawn: {', '.join(field.state for field in fields[MOST_STATES:])}", style="dim")


def shaded(values: Floats, rows: int, columns: int, limits: tuple[float, float]) -> list[str]:
    """An image as lines of characters, the uppermost first; each is the mean of what it stands for.

    Args:
        values: (R, C), the lowest row first; NaN where nothing was measured.
        rows: characters from bottom to top.
        columns: characters from left to right.
        limits: the values of the first and the last shade; what lies outside gets these.
    """
    low, high = limits
    up, across = _pieces(values.shape[0], rows), _pieces(values.shape[1], columns)
    return ["".join(_shade(values[i, j], low, high) for j in across) for i in reversed(up)]


def _shade(values: Floats, low: float, high: float) -> str:
    seen = values[np.isfinite(values)]
    if not seen.size:
        return UNKNOWN
    place = int((float(seen.mean()) - low) / (high - low) * len(SHADES))
    return SHADES[min(max(place, 0), len(SHADES) - 1)]


def _pieces(points: int, cells: int) -> list[slice]:
    """What each cell stands for: at least one point."""
    first = [place * points // cells for place in range(cells + 1)]
    return [slice(start, max(end, start + 1)) for start, end in pairwise(first)]


def _size(image: Image, most: int) -> tuple[int, int]:
    """Columns and rows: true to scale if both directions are places."""
    if not image.title:
        return most, ROWS_OF_TIME
    across, up = (float(end - start) for start, end in (image.across, image.up))
    rows = min(MOST_ROWS, max(1, round(most * up / across / TALL)))
    return min(most, max(1, round(TALL * rows * across / up))), rows


def _legend(image: Image, limits: tuple[float, float]) -> Iterator[str]:
    for way, label, (low, high) in zip(("across", "up"), image.labels, (image.across, image.up), strict=True):
        yield f"{way}: {label}, {four(low)} to {four(high)}"
    yield f"blank: {four(limits[0])} or less; {SHADES[-1]}: {four(limits[1])} or more; {UNKNOWN}: not known"
