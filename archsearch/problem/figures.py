"""Draw the data of a problem, with what is held out in colours of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from archsearch.problem.field_figures import draw_fields
from archsearch.problem.labels import axis_label
from archsearch.problem.problem import Part, PartName, Problem
from archsearch.problem.trajectories import Bools, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: dict[PartName, str] = {"train": "#1b2430", "validation": "#0a68b4", "test": "#cf5a00"}
LABELS: dict[PartName, str] = {
    "train": "train: what is fitted",
    "validation": "validation: ranks the candidates",
    "test": "test: sealed",
}
BEHIND: tuple[PartName, ...] = ("test", "validation", "train")
"""The parts from the back of the picture to its front."""

MANY = 12
"""With more trajectories than this, lines and points are drawn finer."""

WIDTH, HEAD, ROW = 8.0, 0.9, 1.9
"""Inches: of the figure, of its title with the legend, and of each row."""


def draw_data(problem: Problem) -> Figure:
    """Observations of each state and values of each input over time, a colour per part of the split; or images."""
    from matplotlib.figure import Figure

    space = problem.space
    if space.is_field:
        return draw_fields(problem)
    observed = [state for state in space.states if state.observed]
    rows = len(observed) + len(space.inputs)
    figure = Figure(figsize=(WIDTH, HEAD + ROW * rows), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axis, state in zip(axes, observed, strict=False):
        _draw_state(axis, problem, space.state_names.index(state.name))
        axis.set_ylabel(axis_label(state.name, state.unit))
        _scale(axis, state.scale)
    for axis, column in zip(axes[len(observed) :], range(len(space.inputs)), strict=True):
        _draw_input(axis, problem, column)
        axis.set_ylabel(axis_label(space.inputs[column].name, space.inputs[column].unit))
    _finish(figure, axes, problem)
    return figure


def _finish(figure: Figure, axes: Any, problem: Problem) -> None:
    """Title, one legend for all rows, and few round ticks: a year is never 1902.5."""
    from matplotlib.ticker import MaxNLocator

    axes[-1].set_xlabel(axis_label("time", problem.space.problem.time_unit))
    axes[-1].xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 5, 10]))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#e3e7ec", linewidth=0.7)
        axis.set_axisbelow(True)
    figure.suptitle(problem.space.problem.title, fontsize="medium", x=0.01, ha="left")
    names = [name for name in reversed(BEHIND) if problem.part(name) is not None]
    handles = [_example(name) for name in names]
    figure.legend(handles, [LABELS[name] for name in names], loc="outside lower left", ncols=3, frameon=False)


def _example(name: PartName) -> Any:
    """The line that stands for a part in the legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=COLOURS[name], marker="o", markersize=3.5, linewidth=1)


def _scale(axis: Axes, scale: str) -> None:
    """The scale of a state; numbers at a logarithmic axis stay plain."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if scale == "log":
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())


def _parts(problem: Problem) -> list[tuple[PartName, Part]]:
    named = [(name, problem.part(name)) for name in BEHIND]
    return [(name, part) for name, part in named if part is not None]


def _draw_state(axis: Axes, problem: Problem, column: int) -> None:
    """The observations of one state: what belongs to a part in its colour, joined with what came just before."""
    for order, (name, part) in enumerate(_parts(problem)):
        fine = len(part.trajectories) > MANY
        style: dict[str, Any] = {"color": COLOURS[name], "zorder": 3 + order, "alpha": 0.6 if fine else 1.0}
        for row in range(len(part.trajectories)):
            times, values = part.trajectories.times[row], part.trajectories.states[row, :, column]
            own = part.scored[row] | (part.given[row] & (part.start != "continue"))
            line, points = _joined(own, np.isfinite(values)), own & np.isfinite(values)
            axis.plot(times[line], values[line], linewidth=0.4 if fine else 0.9, **style)
            axis.plot(times[points], values[points], "o", markersize=1.2 if fine else 3, **style)
        _shade(axis, problem, name, part)


def _joined(own: Bools, seen: Bools) -> Bools:
    """(T,), the observations of a part, and the last one before them, so that lines do not break at its border."""
    before = np.flatnonzero(seen & ~own & (np.arange(len(own)) < np.argmax(own)))
    line = own & seen
    line[before[-1:]] = True
    return line


def _draw_input(axis: Axes, problem: Problem, column: int) -> None:
    """One input, held from each sample to the next."""
    for order, (name, part) in enumerate(_parts(problem)):
        for row in range(len(part.trajectories)):
            kept = part.trajectories.valid[row]
            values: Floats = part.trajectories.inputs[row, kept, column]
            style: dict[str, Any] = {"color": COLOURS[name], "linewidth": 0.9, "zorder": 3 + order}
            axis.step(part.trajectories.times[row, kept], values, where="post", **style)
        _shade(axis, problem, name, part)


def _shade(axis: Axes, problem: Problem, name: PartName, part: Part) -> None:
    """The window of time that is held out, where the split is by time."""
    if name != "train" and problem.space.split.by == "time" and part.start == "continue":
        times = part.trajectories.times[part.scored]
        axis.axvspan(float(times.min()), float(times.max()), color=COLOURS[name], alpha=0.08, lw=0)
