"""The error along rollouts, as a figure: where a model begins to fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from archsearch.problem.problem import Problem
from archsearch.problem.trajectories import Floats
from archsearch.report.drawing import (
    BASELINE_STYLES,
    BEST_STYLE,
    COLOURS,
    NARROW_BELOW,
    WIDE,
    Model,
    error_axis,
    house_style,
    labelled,
    legend_above,
    new_figure,
)
from archsearch.report.weakness import squares_over_time

MOST_STRETCHES = 24
"""Sampling times are taken together until no more are left than this."""


def growth_figure(problem: Problem, models: Sequence[Model], width: float = WIDE) -> Figure | None:
    """The root mean square error over time, over all trajectories and states; None without time.

    Args:
        problem: whose held-out data are compared with.
        models: the best first, whose error on the fitted data is drawn as well.
        width: in inches.
    """
    if problem.space.is_static:
        return None
    with house_style():
        figure = new_figure(width, 2.9 if width < NARROW_BELOW else 2.7)
        axes = figure.subplots()
        drawn: list[float] = []
        for order, model in enumerate(reversed(models)):
            style = BASELINE_STYLES.get(model.style, BEST_STYLE)
            times, errors = error_over_time(problem, model, "validation")
            drawn += errors.tolist()
            marker: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(times) < 3 else {}
            axes.plot(times, errors, zorder=3 + order, **style, **marker)
        for model in models:
            axes.plot([], [], label=model.label, **BASELINE_STYLES.get(model.style, BEST_STYLE))
        times, errors = error_over_time(problem, models[0], "train")
        axes.plot(times, errors, color=COLOURS["muted"], linewidth=1.1, label="best, fitted data")
        drawn += errors.tolist()
        if drawn:
            error_axis([axes], drawn)
        axes.set_xlabel(labelled("time", problem.space.problem.time_unit))
        axes.set_ylabel("error (nrmse)")
        axes.margins(x=0.02)
        legend_above(figure, axes, 2 if width < NARROW_BELOW else 4)
    return figure


def error_over_time(problem: Problem, model: Model, part: str) -> tuple[Floats, Floats]:
    """Times (K,) in the time unit and the nrmse there (K,), without exact starts; neighbours together if many."""
    times, squares = squares_over_time(problem, model, part)
    distinct = np.unique(times)
    stretches = np.array_split(distinct, min(MOST_STRETCHES, max(len(distinct), 1)))
    found = []
    for stretch in stretches:
        inside = (times >= stretch[0]) & (times <= stretch[-1]) if len(stretch) else np.zeros(len(times), bool)
        if inside.any():
            found.append((float(stretch.mean()), float(np.sqrt(squares[inside].mean()))))
    middles, errors = np.array(found).T if found else np.empty((2, 0))
    return middles[errors > 0], errors[errors > 0]
