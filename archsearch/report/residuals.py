"""What the best model leaves over, as a figure."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from archsearch.problem.problem import Problem
from archsearch.problem.trajectories import Floats, over
from archsearch.report.drawing import (
    COLOURS,
    NARROW_BELOW,
    WIDE,
    Model,
    dots,
    house_style,
    labelled,
    legend_above,
    new_figure,
    plain_ticks,
)

MOST_POINTS = 501
"""Of a field; no power of two, so that not always the same column of the grid is drawn."""


def residual_figure(problem: Problem, model: Model, width: float = WIDE) -> Figure:
    """What the best model leaves over: prediction minus observation, against time and against the prediction."""
    states = [i for i, state in enumerate(problem.space.states) if state.observed]
    stacked = width < NARROW_BELOW
    rows, columns = (2 * len(states), 1) if stacked else (len(states), 2)
    with house_style():
        figure = new_figure(width, 0.45 + 1.75 * rows)
        grid = figure.subplots(rows, columns, squeeze=False, sharey="none" if stacked else "row")
        for place, state in enumerate(states):
            pair = grid[2 * place : 2 * place + 2, 0] if stacked else grid[place]
            _residual_panels(pair[0], pair[1], problem, model, state)
            item = problem.space.states[state]
            for axes in pair if stacked else pair[:1]:
                axes.set_ylabel(labelled(f"error, {item.name}", item.unit, "\n"))
        legend_above(figure, grid[0, 0], 2)
    return figure


def _residual_panels(over_time: Axes, over_value: Axes, problem: Problem, model: Model, state: int) -> None:
    """The residuals of one state, those of the training data below those of the held-out data."""
    name, unit = problem.space.states[state].name, problem.space.states[state].unit
    looks = {"train": ("training data", COLOURS["muted"]), "validation": ("held-out data", COLOURS["best"])}
    for part, (label, colour) in looks.items():
        times, predicted, errors = residuals(problem, model, part, state)
        style = dots(colour, 3.4 if problem.train.scored.sum() < 200 else 2)
        over_time.plot(times, errors, label=label, **style)
        over_value.plot(predicted, errors, **style)
    for axes in (over_time, over_value):
        plain_ticks(axes, 6, 5)
        axes.axhline(0, color=COLOURS["ink"], linewidth=0.8, zorder=1)
    over_time.set_xlabel(labelled("time", problem.space.problem.time_unit))
    over_value.set_xlabel(f"predicted {labelled(name, unit)}")


def residuals(problem: Problem, model: Model, part: str, state: int) -> tuple[Floats, Floats, Floats]:
    """Times, predictions and prediction minus observation over the scored samples of a part, each (K,).

    Of a field every so many points, so that no more are drawn than can be seen.
    """
    chosen = problem.validation if part == "validation" else problem.train
    observed = chosen.trajectories.states[..., state]
    predicted = model.predictions[f"{part}.states"][..., state]
    counted = over(chosen.scored, observed) & np.isfinite(observed) & np.isfinite(predicted)
    times = np.broadcast_to(over(chosen.trajectories.times, observed), observed.shape)
    thinned = slice(None, None, -(-int(counted.sum()) // MOST_POINTS) if problem.space.is_field else None)
    return times[counted][thinned], predicted[counted][thinned], (predicted - observed)[counted][thinned]
