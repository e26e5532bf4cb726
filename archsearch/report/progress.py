"""The progress of a search, as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import best as best_of
from archsearch.report.drawing import (
    BASELINE_STYLES,
    COLOURS,
    NARROW_BELOW,
    WIDE,
    dots,
    error_axis,
    house_style,
    legend_above,
    new_figure,
)
from archsearch.report.leaderboard import BASELINES

ERROR = "held-out error (nrmse)"


def progress_figure(
    evaluations: Sequence[Evaluation],
    baselines: Mapping[str, Evaluation],
    sanity: Mapping[str, float],
    width: float = WIDE,
) -> Figure:
    """The error of each candidate in the order of proposal, and against the numbers that were fitted."""
    stacked = width < NARROW_BELOW
    with house_style():
        figure = new_figure(width, 5.6 if stacked else 3.1)
        shape: tuple[int, int] = (2, 1) if stacked else (1, 2)
        ratios = {"height_ratios": [1.1, 1]} if stacked else {"width_ratios": [1.45, 1]}
        grid = figure.subplots(*shape, squeeze=False, gridspec_kw=ratios, sharey=not stacked).ravel()
        finite = [e.error for e in evaluations if np.isfinite(e.error)]
        if finite:
            _progress_panel(grid[0], evaluations, baselines, sanity)
            _size_panel(grid[1], evaluations, baselines)
            error_axis(grid, finite)
            if stacked:
                grid[1].set_ylabel(ERROR)
        else:
            grid[0].set_title("no candidate could be scored", loc="left")
        legend_above(figure, grid[0], 2 if stacked else 4)
    return figure


def _progress_panel(
    axes: Axes, evaluations: Sequence[Evaluation], baselines: Mapping[str, Evaluation], sanity: Mapping[str, float]
) -> None:
    """Error against number, with the best so far as a line."""
    scored = [e for e in evaluations if np.isfinite(e.error)]
    _marks(axes, scored, baselines, [e.number for e in scored])
    numbers = [e.number for e in scored]
    best = np.minimum.accumulate([e.error for e in scored])
    last = max(e.number for e in evaluations)
    line: dict[str, Any] = {"color": COLOURS["best"], "linewidth": 1.6, "label": "best so far"}
    axes.step([*numbers, last], [*best, best[-1]], where="post", **line)
    failed = [e.number for e in evaluations if not np.isfinite(e.error)]
    if failed:
        style = dots(COLOURS["failed"], 4.5, "x", clip_on=False)
        axes.plot(failed, np.full(len(failed), 0.97), transform=axes.get_xaxis_transform(), label="failed", **style)
    if sanity.get("no_change", np.inf) < 1.4 * max(e.error for e in scored):
        axes.axhline(sanity["no_change"], color=COLOURS["muted"], linewidth=1, linestyle=(0, (2, 2)), label="no change")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.set_xlabel("candidate, in the order of proposal")
    axes.set_ylabel(ERROR)


def _size_panel(axes: Axes, evaluations: Sequence[Evaluation], baselines: Mapping[str, Evaluation]) -> None:
    """Error against the number of fitted numbers, with the front of what no smaller model betters."""
    scored = sorted((e for e in evaluations if np.isfinite(e.error)), key=lambda e: (fitted(e), e.error))
    _marks(axes, scored, baselines, [fitted(e) for e in scored])
    best = np.minimum.accumulate([e.error for e in scored])
    axes.step([fitted(e) for e in scored], best, where="post", color=COLOURS["muted"], linewidth=1.0)
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlabel("parameters and weights")
    axes.set_xlim(left=0)
    ticks = [tick for tick in (0, 5, 10, 30, 100, 300, 1000, 3000, 10000) if tick <= 1.5 * max(map(fitted, scored))]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()


def _marks(
    axes: Axes, scored: Sequence[Evaluation], baselines: Mapping[str, Evaluation], positions: Sequence[float]
) -> None:
    """A dot for each candidate, filled if it has a net; baselines in their colours; a ring around the best."""
    special = {item.number: key for key, item in baselines.items()}
    place = dict(zip((e.number for e in scored), positions, strict=True))
    plain = [e for e in scored if e.number not in special]
    for label, chosen, face in (
        ("with a net", [e for e in plain if e.nets], COLOURS["ink"]),
        ("without a net", [e for e in plain if not e.nets], COLOURS["paper"]),
    ):
        style = dots(COLOURS["ink"], 4, markerfacecolor=face)
        axes.plot([place[e.number] for e in chosen], [e.error for e in chosen], label=label, **style)
    for e in (e for e in scored if e.number in special):
        style = dots(BASELINE_STYLES[special[e.number]]["color"], 5.5, "D", zorder=5)
        axes.plot([place[e.number]], [e.error], label=BASELINES[special[e.number]], **style)
    best = best_of(scored)
    assert best is not None
    ring = dots(COLOURS["best"], 10, markerfacecolor="none", markeredgewidth=1.8, zorder=6)
    axes.plot([place[best.number]], [best.error], **ring)


def fitted(evaluation: Evaluation) -> int:
    """How many numbers were fitted: parameters and weights."""
    return evaluation.weights + len(evaluation.parameters)
