"""Fields beside their prediction, as images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from archsearch.problem.field_images import (
    COLOUR_MAP,
    DIFFERENCE_MAP,
    Image,
    draw_image,
    images_of,
    label_images,
    limits_of,
)
from archsearch.problem.problem import Problem
from archsearch.report.drawing import NARROW_BELOW, WIDE, Model, house_style, new_figure

FEW_TIMES, MORE_TIMES = 3, 4
"""Images in a row, on a narrow page and on a wide one."""


@dataclass(frozen=True)
class _Row:
    """One row of images: its name, what it shows, and in which colours."""

    name: str
    unit: str
    images: list[Image]
    limits: tuple[float, float]
    colours: str = COLOUR_MAP


def field_figure(problem: Problem, model: Model, name: str, width: float = WIDE) -> Figure:
    """One held-out trajectory as it was observed, as it was predicted, and the difference, for each state.

    Args:
        problem: whose data are drawn.
        model: whose predictions.
        name: of the trajectory.
        width: in inches.
    """
    narrow = width < NARROW_BELOW
    rows = list(_rows(problem, model, name, FEW_TIMES if narrow else MORE_TIMES))
    with house_style():
        figure = new_figure(width, 0.4 + (1.25 if narrow else 1.6) * len(rows))
        grid = figure.subplots(len(rows), len(rows[0].images), squeeze=False)
        for place, row in enumerate(rows):
            _draw(figure, list(grid[place]), row, last=place == len(rows) - 1)
    return figure


def _rows(problem: Problem, model: Model, name: str, most: int) -> Iterator[_Row]:
    part = problem.validation
    which = part.trajectories.ids.index(name)
    scored = part.scored[which]
    times = part.trajectories.times[which, scored]
    for column, state in enumerate(problem.space.states):
        observed = part.trajectories.states[which, scored, ..., column]
        predicted = model.predictions["validation.states"][which, scored, ..., column]
        limits, error = limits_of(observed), predicted - observed
        largest = max(map(abs, limits_of(error)))
        yield _Row(f"{state.name}, data", state.unit, images_of(problem, times, observed, most), limits)
        yield _Row(f"{state.name}, model", state.unit, images_of(problem, times, predicted, most), limits)
        images = images_of(problem, times, error, most)
        yield _Row(f"{state.name}, error", state.unit, images, (-largest, largest), DIFFERENCE_MAP)


def _draw(figure: Figure, places: Sequence[Axes], row: _Row, *, last: bool) -> None:
    """One row with its colour bar."""
    drawn = [draw_image(axes, image, row.limits, row.colours) for axes, image in zip(places, row.images, strict=True)]
    label_images(places, row.images, row.name, last=last)
    figure.colorbar(drawn[-1], ax=list(places), label="" if row.unit == "1" else row.unit)
