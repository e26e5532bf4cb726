"""The picture of the benchmark of the fit: error against CPU time, all methods, a panel per problem.

Drawn at the end of the benchmark, or from its folder:
`python benchmarks/fit_figure.py fit_results docs/figures/fit.png`
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from fit_records import CHAIN, NAMES, Curve, Results
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image
from problems import BENCHMARKS

from archsearch.report.drawing import COLOURS, STYLE
from archsearch.systems.tables import Floats

SIZE, DOTS = (7.4, 6.4), 150
COLOURS_OF = {CHAIN: "best", "dopri5": "physics", "rk4": "plus", "diffrax": "net"}
LABELS = {CHAIN: "archsearch", "dopri5": "dopri5", "rk4": "RK4", "diffrax": "diffrax"}
FIRST = 0.02
"""Seconds at which the picture begins; the untrained models lie far above it."""
CEILING = 3.0
ROOM = 5.0
"""Factor of time that is left for labels on the right."""
APART = 0.09
"""Least distance of two labels, in heights of a panel."""


@dataclass(frozen=True)
class Track:
    """A method on a problem: common times and the median over seeds, and the curve of each seed."""

    method: str
    seconds: Floats
    median: Floats
    seeds: tuple[Curve, ...]


def best_so_far(curve: Curve) -> Curve:
    """The least error up to each time."""
    least = np.minimum.accumulate([error for _, error in curve])
    return [(seconds, float(error)) for (seconds, _), error in zip(curve, least, strict=True)]


def track(method: str, curves: Sequence[Curve]) -> Track:
    """Median over seeds of the best error so far, where at least half of the seeds are being fitted or done."""
    steps = [best_so_far(curve) for curve in curves]
    seconds = np.array(sorted({max(at, FIRST) for curve in steps for at, _ in curve}))
    values = np.array([_held(curve, seconds) for curve in steps])
    return Track(method, seconds, np.median(values, axis=0), tuple(steps))


def _held(curve: Curve, seconds: Floats) -> Floats:
    """The error of a curve at these times, held from each point to the next; infinite before its first one."""
    at = np.array([point for point, _ in curve])
    errors = np.array([np.inf, *(error for _, error in curve)])
    return errors[np.searchsorted(at, seconds, side="right")]


def tracks(results: Results, letter: str) -> list[Track]:
    """What was compared on a problem."""
    found = []
    for method in NAMES:
        keys = dict.fromkeys(p.key for p in results.curves if (p.key.problem, p.key.method) == (letter, method))
        curves = [results.curve(key) for key in keys if key.run == "compared"]
        found += [track(method, curves)] if curves else []
    return found


def draw(results: Results, target: Path) -> None:
    """Write the picture as a PNG of few colours."""
    letters = [letter for letter in BENCHMARKS if tracks(results, letter)]
    with matplotlib.rc_context(STYLE):
        rows = (len(letters) + 1) // 2
        figure = Figure(figsize=(SIZE[0], SIZE[1] * rows / 2), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        for place, letter in enumerate(letters):
            axes = figure.add_subplot(rows, min(len(letters), 2), place + 1)
            _panel(axes, tracks(results, letter), letter)
            if place >= len(letters) - 2:
                axes.set_xlabel("CPU seconds, one thread")
            if place % 2 == 0:
                axes.set_ylabel("error on unseen trajectories")
        figure.set_dpi(DOTS)
        canvas.draw()
    target.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.quantize(64, dither=Image.Dither.NONE).save(target, optimize=True)


def _panel(axes: Axes, found: list[Track], letter: str) -> None:
    """One problem: thin lines for seeds, a thick one for their median, its name at its end."""
    axes.set_title(BENCHMARKS[letter].name, loc="left")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for one in found:
        _lines(axes, one)
    last = max(one.seconds[-1] for one in found)
    least = min(one.median[-1] for one in found)
    axes.set_xlim(FIRST, last * ROOM)
    axes.set_ylim(least / 4, CEILING)
    axes.grid(visible=True, color=COLOURS["grid"], linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _name(axes, found)


def _lines(axes: Axes, one: Track) -> None:
    colour = COLOURS[COLOURS_OF[one.method]]
    for curve in one.seeds:
        axes.step(*zip(*curve, strict=True), where="post", color=colour, linewidth=0.6, alpha=0.35)
    wide = 2.2 if one.method == CHAIN else 1.5
    axes.step(one.seconds, one.median, where="post", color=colour, linewidth=wide)
    axes.plot(one.seconds[-1], one.median[-1], "o", color=colour, markersize=4 if one.method == CHAIN else 3)


def _name(axes: Axes, found: list[Track]) -> None:
    """Write each method beside the end of its line, one above the other where ends are close."""
    low, high = np.log10(axes.get_ylim())
    heights = {one.method: (np.log10(max(one.median[-1], 10**low)) - low) / (high - low) for one in found}
    taken: list[tuple[float, float]] = []
    for one in sorted(found, key=lambda one: heights[one.method]):
        x = np.log10(one.seconds[-1])
        near = [y for at, y in taken if abs(at - x) < 1.0]
        height = max([heights[one.method], *(y + APART for y in near)])
        taken.append((x, height))
        where = (one.seconds[-1], 10 ** (low + height * (high - low)))
        axes.annotate(
            LABELS[one.method],
            where,
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            fontweight="bold" if one.method == CHAIN else "normal",
            color=COLOURS[COLOURS_OF[one.method]],
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )


if __name__ == "__main__":
    draw(Results.of(Path(sys.argv[1])), Path(sys.argv[2]))
