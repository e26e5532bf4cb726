"""The figures of a run by name, and the fits against the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from archsearch.candidate.outcome import Evaluation
from archsearch.problem.problem import Part, Problem
from archsearch.problem.space import State
from archsearch.problem.trajectories import Floats
from archsearch.report.drawing import (
    BASELINE_STYLES,
    BEST_STYLE,
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
from archsearch.report.field_figure import field_figure
from archsearch.report.growth import growth_figure
from archsearch.report.leaderboard import BASELINES, baselines_of
from archsearch.report.learned import learned_figure
from archsearch.report.progress import progress_figure
from archsearch.report.residuals import residual_figure

if TYPE_CHECKING:
    from archsearch.study.store import Study

MOST_TRAJECTORIES = 4
"""More panels than this in a row cannot be read."""


def figures_of(study: Study, width: float = WIDE) -> dict[str, Figure]:
    """Every figure of a run by name: `progress`, and what there is of `fit`, `residuals`, `growth` and `nets`."""
    figures = {"progress": progress_figure(study.evaluations(), baselines_of(study), study.sanity, width)}
    models = models_of(study)
    if models:
        problem = study.problem()
        best = study.best()
        assert best is not None
        errors = errors_of(best)
        figures["fit"] = (
            field_figure(problem, models[0], shown_trajectories(problem, errors)[0], width)
            if problem.space.is_field
            else fit_figure(problem, models, errors, width)
        )
        figures["residuals"] = residual_figure(problem, models[0], width)
        growth = growth_figure(problem, models, width)
        figures |= {"growth": growth} if growth is not None else {}
        source, weights = study.source(best.number), study.weights(best.number)
        nets = learned_figure(problem, source, weights, models[0].predictions, width)
        figures |= {"nets": nets} if nets is not None else {}
    return figures


def models_of(study: Study) -> list[Model]:
    """The best model of a run and its baselines, the best first; empty if nothing fits."""
    best = study.best()
    if best is None:
        return []
    baselines = baselines_of(study)
    baseline = next((BASELINES[key] for key, item in baselines.items() if item.number == best.number), "")
    label = f"best: {baseline}" if baseline else f"best: number {best.number}"
    models = [Model(label, "best", study.predictions(best.number))]
    for key, item in baselines.items():
        if item.validation is not None and item.number != best.number:
            models.append(Model(BASELINES[key], key, study.predictions(item.number)))
    return models


def errors_of(evaluation: Evaluation) -> dict[str, float]:
    """The held-out error of each trajectory."""
    return dict(evaluation.validation.per_trajectory) if evaluation.validation is not None else {}


def fit_figure(problem: Problem, models: Sequence[Model], errors: Mapping[str, float], width: float = WIDE) -> Figure:
    """Data and rollouts over time: one row for each state, one column for each trajectory that is shown.

    Args:
        problem: whose data are drawn.
        models: the best first.
        errors: the held-out error of the best on each trajectory; decides which are shown if there are many.
        width: in inches; below 5 the trajectories stand below each other.
    """
    shown = shown_trajectories(problem, errors)
    states = problem.space.states
    stacked = width < NARROW_BELOW and len(shown) > 1
    rows, columns = (len(states) * len(shown), 1) if stacked else (len(states), len(shown))
    with house_style():
        figure = new_figure(width, 0.55 + (1.75 if width < NARROW_BELOW else 1.95) * rows)
        grid = figure.subplots(rows, columns, squeeze=False, sharex="none" if stacked else "col")
        for i, state in enumerate(states):
            for j, name in enumerate(shown):
                axes = grid[j * len(states) + i, 0] if stacked else grid[i, j]
                _fit_panel(axes, problem, models, name, i)
                _fit_labels(axes, problem, state, name, errors.get(name), i, j if not stacked else 0, len(shown))
        legend_above(figure, grid[0, 0], 2 if width < NARROW_BELOW else 4)
    return figure


def shown_trajectories(problem: Problem, errors: Mapping[str, float]) -> list[str]:
    """Up to four held-out trajectories, best predicted to worst; training ones where few are held out."""
    held = list(problem.validation.trajectories.ids)
    if len(held) > MOST_TRAJECTORIES:
        ordered = sorted(held, key=lambda name: errors.get(name, 0.0))
        picks = np.linspace(0, len(ordered) - 1, MOST_TRAJECTORIES).round().astype(int)
        return [ordered[pick] for pick in picks]
    spare = [name for name in problem.train.trajectories.ids if name not in held]
    return held + spare[: max(0, min(MOST_TRAJECTORIES, 3) - len(held))]


def _fit_panel(axes: Axes, problem: Problem, models: Sequence[Model], name: str, state: int) -> None:
    """One state of one trajectory: shaded window, curves, data."""
    part, row = _part_of(problem, name)
    window = held_window(part, row)
    if window is not None:
        axes.axvspan(*window, color=COLOURS["held"], linewidth=0, zorder=0, label="held out")
    for order, model in enumerate(reversed(models)):
        times, values = curve(problem, model, name)
        style = BASELINE_STYLES.get(model.style, BEST_STYLE)
        axes.plot(times, values[:, state], zorder=2 + order, **style)
    _dots(axes, part, row, state, held_out=part is problem.validation)
    for model in models:
        style = BASELINE_STYLES.get(model.style, BEST_STYLE)
        axes.plot([], [], label=model.label, **style)
    axes.set_ylim(*_limits(part.trajectories.states[row, :, state], curve(problem, models[0], name)[1][:, state]))
    axes.margins(x=0.02)
    plain_ticks(axes, 8, 5)


def _dots(axes: Axes, part: Part, row: int, state: int, *, held_out: bool) -> None:
    """The observations: filled where they were fitted or given, hollow where they are scored."""
    times, values = part.trajectories.times[row], part.trajectories.states[row, :, state]
    hollow = part.scored[row] & np.isfinite(values) & held_out
    filled = np.isfinite(values) & ~hollow
    size = 3.6 if np.isfinite(values).sum() < 60 else 2.2
    style = dots(COLOURS["ink"], size, zorder=9)
    axes.plot(times[filled], values[filled], label="data, fitted or given", **style)
    axes.plot(times[hollow], values[hollow], label="data, held out", markerfacecolor=COLOURS["paper"], **style)


def _fit_labels(
    axes: Axes, problem: Problem, state: State, name: str, error: float | None, i: int, j: int, number: int
) -> None:
    """Title and axis labels of a panel, none said twice."""
    if j == 0:
        axes.set_ylabel(labelled(state.name, state.unit) + ("" if state.observed else "\n(not observed)"))
    if i == len(problem.space.states) - 1:
        axes.set_xlabel(labelled("time", problem.space.problem.time_unit))
    if i == 0 and number > 1:
        full_name = f"trajectory {name}" if name.isdigit() else name
        axes.set_title(f"{full_name}\n" + ("fitted" if error is None else f"nrmse {error:.2g}"), loc="left")


def held_window(part: Part, row: int) -> tuple[float, float] | None:
    """The time in which a trajectory is held out, if it is a window and not all of it after the first sample."""
    times, given, scored = part.trajectories.times[row], part.given[row], part.scored[row]
    if not scored.any() or (given & ~scored).sum() < 2:
        return None
    first = float(times[scored].min())
    before = times[given & ~scored & (times < first)]
    return ((first + float(before.max())) / 2 if len(before) else first), float(times[scored].max())


def curve(problem: Problem, model: Model, name: str) -> tuple[Floats, Floats]:
    """The dense rollout of a trajectory: held-out rollouts first, the fitted one where those do not reach."""
    pieces = []
    for part in ("validation", "train"):
        ids = (problem.validation if part == "validation" else problem.train).trajectories.ids
        if name in ids:
            times = model.predictions[f"{part}.dense_times"][ids.index(name)]
            values = model.predictions[f"{part}.dense_states"][ids.index(name)]
            kept = np.isfinite(times) & np.isfinite(values).all(1)
            pieces.append((times[kept], values[kept]))
    times, values = pieces[0]
    if len(pieces) == 2:
        early = pieces[1][0] < (times[0] if len(times) else np.inf)
        times, values = np.append(pieces[1][0][early], times), np.append(pieces[1][1][early], values, axis=0)
    return times, values


def _part_of(problem: Problem, name: str) -> tuple[Part, int]:
    """The part in which a trajectory is shown, and its row there."""
    part = problem.validation if name in problem.validation.trajectories.ids else problem.train
    return part, part.trajectories.ids.index(name)


def _limits(data: Floats, best: Floats) -> tuple[float, float]:
    """Limits that show all data and the best model; a baseline that runs off is cut."""
    values = np.concatenate([data[np.isfinite(data)], best[np.isfinite(best)]])
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = (high - low) or max(abs(high), 1.0)
    return (low - 0.08 * room if low < 0 or low > 0.3 * room else -0.03 * room), high + 0.22 * room
