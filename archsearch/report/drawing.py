"""How figures look: colours, axes, and SVG that follows the light or dark theme of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from archsearch.problem.trajectories import Floats

COLOURS = {
    "ink": "#1b2430",
    "muted": "#6a7482",
    "grid": "#e3e7ec",
    "held": "#f1eee6",
    "paper": "#fefefe",
    "best": "#0a68b4",
    "physics": "#cf5a00",
    "net": "#0b8a66",
    "plus": "#9a5bb5",
    "failed": "#c03030",
}
"""Told apart with any common colour vision; each unique, so that the page can put its own in the place."""

WIDE, NARROW, NARROW_BELOW = 7.4, 3.9, 5.0
"""Figure widths in inches: a page, a telephone of 400 pixels, and below which panels stand below each other."""

BEST_STYLE: dict[str, Any] = {"color": COLOURS["best"], "linewidth": 2.3}

BASELINE_STYLES: dict[str, dict[str, Any]] = {
    "physics": {"color": COLOURS["physics"], "linestyle": (0, (5, 2)), "linewidth": 1.5},
    "net": {"color": COLOURS["net"], "linestyle": (0, (1.2, 1.4)), "linewidth": 1.7},
    "physics_plus_net": {"color": COLOURS["plus"], "linestyle": (0, (6, 1.6, 1.2, 1.6)), "linewidth": 1.2},
}
"""How the baselines are drawn, told apart by dashes as well as by colours."""

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.titlecolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["muted"],
    "axes.facecolor": "none",
    "figure.facecolor": COLOURS["paper"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.7,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "mathtext.default": "regular",
    "svg.fonttype": "none",
    "svg.hashsalt": "archsearch",
}


@dataclass(frozen=True)
class Model:
    """A model with what it predicts.

    Attributes:
        label: its name in the legend.
        style: line style; `best` for the model in question, otherwise the key of a baseline.
        predictions: as `Study.predictions` returns them.
    """

    label: str
    style: str
    predictions: Mapping[str, Floats]


@contextmanager
def house_style() -> Iterator[None]:
    """Draw as this project draws, and leave the settings of matplotlib as they were."""
    with matplotlib.rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, laid out by itself."""
    return Figure(figsize=(width, height), layout="constrained")


def dots(colour: str, size: float, marker: str = "o", **more: Any) -> dict[str, Any]:
    """The style of points that no line joins."""
    return {"linestyle": "none", "marker": marker, "color": colour, "markersize": size, **more}


def plain_ticks(axes: Axes, across: int, up: int) -> None:
    """Few ticks at round numbers: a year is never 1902.5."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=across, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=up, steps=[1, 2, 2.5, 5, 10]))


def error_axis(grid: Iterable[Axes], errors: Sequence[float]) -> None:
    """A logarithmic axis of errors with plain numbers on it."""
    low, high = min(errors), max(errors)
    steps = (1,) if high > 300 * low else (1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)
    marks = [step * 10.0**power for power in range(-12, 13) for step in steps]
    marks = [mark for mark in marks if 0.8 * low <= mark <= 1.3 * high]
    for axes in grid:
        axes.set_yscale("log")
        axes.set_yticks(marks, [f"{mark:g}" for mark in marks])
        axes.minorticks_off()
        room = max(1.2, (high / low) ** 0.07)
        axes.set_ylim(low / room, high * room**1.5)


def labelled(name: str, unit: str, between: str = " ") -> str:
    """`hare (thousand)`, or the name alone for a plain number."""
    return name if unit in ("1", "", "dimensionless") else f"{name}{between}({unit})"


def legend_above(figure: Figure, axes: Axes, columns: int) -> None:
    """One legend for the whole figure, above it: lines first, then points, then areas."""
    handles, labels = axes.get_legend_handles_labels()
    kinds = [int(handle.get_linestyle() == "None") if isinstance(handle, Line2D) else 2 for handle in handles]
    order = sorted(range(len(handles)), key=kinds.__getitem__)
    handles, labels = [handles[place] for place in order], [labels[place] for place in order]
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=2.2, columnspacing=1.4)


def png(figure: Figure, dpi: int = 160) -> bytes:
    """The figure as a PNG file."""
    FigureCanvasAgg(figure)
    target = io.BytesIO()
    with house_style():
        figure.savefig(target, format="png", dpi=dpi)
    return target.getvalue()


def svg(figure: Figure, name: str) -> str:
    """The figure as inline SVG whose colours are the page's, e.g. `var(--best)`.

    Args:
        figure: any figure drawn with `COLOURS`.
        name: unique on the page; goes into the ids, so that the clip paths of two figures do not clash.
    """
    FigureCanvasSVG(figure)
    target = io.StringIO()
    with house_style(), matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _themed(_inline(target.getvalue()), name)


def _inline(text: str) -> str:
    """The svg element alone, without prologue, metadata and fixed size."""
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)
    head, rest = text.split(">", 1)
    size = re.search(r'viewBox="[^"]+"', head)
    return f'<svg {size.group(0) if size else ""} role="img">{rest}'


def _themed(text: str, name: str) -> str:
    """The same with variables for colours and with ids of its own."""
    for role, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{role})")
    text = re.sub(r'id="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = text.replace("xlink:href", "href").replace("url(#", f"url(#{name}-")
    return re.sub(r" font-family: [^;\"]+;", "", text)
