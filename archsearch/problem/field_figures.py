"""Draw the data of a problem on a grid: the first trajectory of every part, a row for each state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsearch.problem.field_images import Image, draw_image, images_of, label_images, limits_of
from archsearch.problem.problem import Part, PartName, Problem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEAD, ROW = 8.5, 0.8, 1.75
"""Inches: of the figure, of its title, and of each row."""
PARTS: tuple[PartName, ...] = ("train", "validation", "test")


def draw_fields(problem: Problem) -> Figure:
    """Observations of each state as images, at a few times of the first trajectory of each part."""
    from matplotlib.figure import Figure

    parts = [(name, part) for name in PARTS if (part := problem.part(name)) is not None]
    rows = [(name, part, column) for name, part in parts for column in range(len(problem.space.states))]
    figure = Figure(figsize=(WIDTH, HEAD + ROW * len(rows)), layout="constrained")
    pictures = [_pictures(problem, part, column) for _, part, column in rows]
    grid = figure.subplots(len(rows), max(map(len, pictures)), squeeze=False)
    for place, ((name, part, column), images) in enumerate(zip(rows, pictures, strict=True)):
        state = problem.space.states[column]
        limits = limits_of(part.trajectories.states[0, ..., column])
        drawn = [draw_image(axes, image, limits) for axes, image in zip(grid[place], images, strict=False)]
        shown = list(grid[place][: len(images)])
        label_images(shown, images, f"{name} '{part.trajectories.ids[0]}': {state.name}", last=place == len(rows) - 1)
        for axes in grid[place][len(images) :]:
            axes.set_visible(False)
        figure.colorbar(drawn[-1], ax=shown, label="" if state.unit == "1" else state.unit)
    figure.suptitle(problem.space.problem.title, fontsize="medium", x=0.01, ha="left")
    return figure


def _pictures(problem: Problem, part: Part, column: int) -> list[Image]:
    """The pictures of one state of the first trajectory of a part, over what is its own."""
    own = part.scored[0] | (part.given[0] & (part.start != "continue"))
    times, states = part.trajectories.times[0, own], part.trajectories.states[0, own, ..., column]
    return images_of(problem, times, np.asarray(states))
