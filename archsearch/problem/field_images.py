"""A field as images: over place and time on a line, at a few times in a plane, through its middle in a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsearch.problem.labels import axis_label
from archsearch.problem.problem import Problem
from archsearch.problem.trajectories import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOUR_MAP, DIFFERENCE_MAP = "viridis", "PuOr"
MOST_TIMES = 5
"""More images than this in a row cannot be read."""


@dataclass(frozen=True)
class Image:
    """One picture of one state.

    Attributes:
        title: the time; empty if time is an axis of the picture.
        values: (rows, columns).
        across: where the columns lie: first and last edge.
        up: the same of the rows.
        labels: of both directions, across first.
    """

    title: str
    values: Floats
    across: tuple[float, float]
    up: tuple[float, float]
    labels: tuple[str, str]


def images_of(problem: Problem, times: Floats, frames: Floats, most: int = MOST_TIMES) -> list[Image]:
    """Pictures of one state along one trajectory.

    Args:
        problem: names and units of the axes.
        times: (T,), of the frames.
        frames: (T, *grid).
        most: so many times at most, evenly drawn, the first and the last among them.
    """
    labels = [axis_label(axis.name, axis.unit) for axis in problem.space.axes]
    lengths = [(0.0, points * step) for points, step in zip(frames.shape[1:], _steps(problem, frames), strict=True)]
    unit = problem.space.problem.time_unit
    if len(labels) == 1:
        time = (float(times[0]), float(times[-1]))
        return [Image("", frames.T, time, lengths[0], (axis_label("time", unit), labels[0]))]
    planes = frames if frames.ndim == 3 else frames[:, frames.shape[1] // 2]
    shown = np.unique(np.linspace(0, len(times) - 1, min(most, len(times))).round().astype(int))
    suffix = "" if unit in ("1", "-") else f" {unit}"
    return [
        Image(f"{times[k]:.4g}{suffix}", planes[k], lengths[-1], lengths[-2], (labels[-1], labels[-2])) for k in shown
    ]


def draw_image(axes: Axes, image: Image, limits: tuple[float, float], colours: str = COLOUR_MAP) -> Any:
    """Draw one picture; what was not measured stays blank. Returns what a colour bar is made of."""
    drawn = axes.imshow(
        image.values,
        origin="lower",
        extent=(*image.across, *image.up),
        aspect="auto" if not image.title else "equal",
        interpolation="nearest",
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
    )
    axes.set_title(image.title, fontsize="medium")
    axes.grid(visible=False)
    return drawn


def label_images(row: Sequence[Axes], images: Sequence[Image], name: str, *, last: bool) -> None:
    """Label a row of pictures: what it shows at its left, the direction across below the last row."""
    for place, (axes, image) in enumerate(zip(row, images, strict=True)):
        axes.set_ylabel(f"{name}\n{image.labels[1]}" if place == 0 else "")
        axes.set_xlabel(image.labels[0] if last else "")
        axes.tick_params(labelleft=place == 0, labelbottom=last)


def limits_of(values: Floats) -> tuple[float, float]:
    """The range of colours that shows all values."""
    seen = values[np.isfinite(values)]
    if not seen.size:
        return 0.0, 1.0
    low, high = float(seen.min()), float(seen.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _steps(problem: Problem, frames: Floats) -> tuple[float, ...]:
    return problem.space.spacing or (1.0,) * (frames.ndim - 1)
