"""Fits and residuals drawn in characters: curves of braille dots, data as circles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from archsearch.review.wording import four

if TYPE_CHECKING:
    from rich.text import Text

    from archsearch.problem.trajectories import Floats
    from archsearch.review.fit import StateFit

GUTTER = 10
FIT_ROWS, RESIDUAL_ROWS = 5, 3
MOST_STATES = 3
BRAILLE = 0x2800
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a braille character, by column and row."""
FITTED, HELD_OUT, ZERO = "●", "○", "─"


def fit_lines(fits: Sequence[StateFit], width: int) -> Iterator[Text]:
    """The fit and the residuals of each state, one line of the terminal after the other.

    Args:
        fits: states along one trajectory.
        width: of the terminal, in characters.
    """
    from rich.text import Text

    for fit in fits[:MOST_STATES]:
        columns = max(20, min(width, 100) - GUTTER - 1)
        yield Text(f"{fit.state} [{fit.unit}]", style="bold")
        yield from _fit(fit, columns)
        yield Text("predicted - observed", style="dim")
        yield from _residuals(fit, columns)
        yield _axis(fit, columns)
    yield Text(f"curve: prediction; {FITTED} data, fitted; {HELD_OUT} data, held out", style="dim")
    if len(fits) > MOST_STATES:
        yield Text(f"not drawn: {', '.join(fit.state for fit in fits[MOST_STATES:])}", style="dim")


class Canvas:
    """A field of characters on which dots and marks are set; x to the right, y upwards.

    Args:
        columns: characters from left to right.
        rows: characters from bottom to top.
        x: the least and the greatest value.
        y: likewise.
    """

    def __init__(self, columns: int, rows: int, x: tuple[float, float], y: tuple[float, float]) -> None:
        self._shape = columns, rows
        self._x, self._y = x, y
        self._dots = np.zeros((rows, columns), dtype=int)
        self._marks: dict[tuple[int, int], str] = {}

    def curve(self, xs: Floats, ys: Floats) -> None:
        """Join points by a line of dots."""
        columns, rows = self._shape
        places = np.linspace(xs[0], xs[-1], 2 * columns)
        for place, value in zip(places, np.interp(places, xs, ys), strict=True):
            across, up = self._place(place, value, 2 * columns, 4 * rows)
            if 0 <= up < 4 * rows:
                row, column = rows - 1 - up // 4, across // 2
                self._dots[row, column] |= DOTS[across % 2][3 - up % 4]

    def mark(self, x: float, y: float, character: str) -> None:
        """Put a character at a point; one that lies outside is left out."""
        columns, rows = self._shape
        across, up = self._place(x, y, columns, rows)
        if 0 <= up < rows:
            self._marks[rows - 1 - up, across] = character

    def line(self, row: int) -> str:
        """The characters of one row, the uppermost first."""
        dots = (chr(BRAILLE + int(bits)) if bits else " " for bits in self._dots[row])
        return "".join(self._marks.get((row, column), found) for column, found in enumerate(dots))

    def _place(self, x: float, y: float, columns: int, rows: int) -> tuple[int, int]:
        across = (x - self._x[0]) / ((self._x[1] - self._x[0]) or 1.0) * (columns - 1)
        up = (y - self._y[0]) / ((self._y[1] - self._y[0]) or 1.0) * (rows - 1)
        return min(max(round(across), 0), columns - 1), round(up) if np.isfinite(up) else -1


def _fit(fit: StateFit, columns: int) -> Iterator[Text]:
    seen = np.isfinite(fit.observed)
    known = np.isfinite(fit.predicted)
    values = np.concatenate([fit.observed[seen], fit.predicted[known]])
    low, high = float(values.min()), float(values.max())
    canvas = Canvas(columns, FIT_ROWS, (float(fit.times[0]), float(fit.times[-1])), (low, high))
    if known.any():
        canvas.curve(fit.times[known], fit.predicted[known])
    for time, value, held in zip(fit.times[seen], fit.observed[seen], fit.held_out[seen], strict=True):
        canvas.mark(float(time), float(value), HELD_OUT if held else FITTED)
    return _framed(canvas, FIT_ROWS, high, low)


def _residuals(fit: StateFit, columns: int) -> Iterator[Text]:
    errors = fit.predicted - fit.observed
    known = np.isfinite(errors)
    most = float(np.abs(errors[known]).max(initial=0.0)) or 1.0
    canvas = Canvas(columns, RESIDUAL_ROWS, (float(fit.times[0]), float(fit.times[-1])), (-most, most))
    for time in np.linspace(fit.times[0], fit.times[-1], columns):
        canvas.mark(float(time), 0.0, ZERO)
    for time, error, held in zip(fit.times[known], errors[known], fit.held_out[known], strict=True):
        canvas.mark(float(time), float(error), HELD_OUT if held else FITTED)
    return _framed(canvas, RESIDUAL_ROWS, most, -most)


def _axis(fit: StateFit, columns: int) -> Text:
    """The first and the last time below their places."""
    from rich.text import Text

    first, last = four(fit.times[0]), f"{four(fit.times[-1])} {fit.time_unit}"
    return Text(f"{'':{GUTTER}} {first}{last:>{columns - len(first)}}", style="dim")


def _framed(canvas: Canvas, rows: int, high: float, low: float) -> Iterator[Text]:
    """The rows with the range on the left."""
    from rich.text import Text

    labels = {0: four(high), rows - 1: four(low)}
    for row in range(rows):
        yield Text.assemble((f"{labels.get(row, ''):>{GUTTER}} ", "dim"), (canvas.line(row), "cyan"))
