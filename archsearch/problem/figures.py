"""Draw the data of a problem, with what is held out shaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsearch.problem.problem import Part, PartName, Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: dict[PartName, str] = {"train": "#1f4e79", "validation": "#c55a11", "test": "#7f7f7f"}
SHOWN: tuple[PartName, ...] = ("train", "validation", "test")


def draw_data(problem: Problem) -> Figure:
    """Observations of each state and values of each input over time, a colour per part of the split."""
    from matplotlib.figure import Figure

    space = problem.space
    observed = [state for state in space.states if state.observed]
    rows = len(observed) + len(space.inputs)
    figure = Figure(figsize=(8, 0.6 + 1.9 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axis, state in zip(axes, observed, strict=False):
        _draw_state(axis, problem, space.state_names.index(state.name))
        axis.set_ylabel(_label(state.name, state.unit))
        axis.set_yscale(state.scale)
    for axis, column in zip(axes[len(observed) :], range(len(space.inputs)), strict=True):
        _draw_input(axis, problem, column)
        axis.set_ylabel(_label(space.inputs[column].name, space.inputs[column].unit))
    axes[-1].set_xlabel(_label("time", space.problem.time_unit))
    axes[0].set_title(space.problem.title)
    axes[0].legend(loc="upper right", fontsize="small", frameon=False)
    return figure


def _label(name: str, unit: str) -> str:
    return name if unit in ("1", "-") else f"{name} [{unit}]"


def _parts(problem: Problem) -> list[tuple[PartName, Part]]:
    named = [(name, problem.part(name)) for name in SHOWN]
    return [(name, part) for name, part in named if part is not None]


def _draw_state(axis: Axes, problem: Problem, column: int) -> None:
    """The scored observations of one state, each trajectory a line of dots."""
    for name, part in _parts(problem):
        label: str | None = name
        for row in range(len(part.trajectories)):
            values = part.trajectories.states[row, :, column]
            kept = part.scored[row] & np.isfinite(values)
            axis.plot(part.trajectories.times[row, kept], values[kept], ".-", color=COLOURS[name], lw=0.7, label=label)
            label = None
        _shade(axis, problem, name, part)


def _draw_input(axis: Axes, problem: Problem, column: int) -> None:
    """One input, held from each sample to the next."""
    for name, part in _parts(problem):
        for row in range(len(part.trajectories)):
            kept = part.trajectories.valid[row]
            values = part.trajectories.inputs[row, kept, column]
            axis.step(part.trajectories.times[row, kept], values, where="post", color=COLOURS[name], lw=0.8)
        _shade(axis, problem, name, part)


def _shade(axis: Axes, problem: Problem, name: PartName, part: Part) -> None:
    """The window of time that is held out, where the split is by time."""
    if name != "train" and problem.space.split.by == "time" and part.start == "continue":
        times = part.trajectories.times[part.scored]
        axis.axvspan(float(times.min()), float(times.max()), color=COLOURS[name], alpha=0.12, lw=0)
