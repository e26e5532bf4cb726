"""Charts of a running search as plain shapes: drawn in microseconds, and each mark leads to its candidate.

The report's figures are drawn once, when a search is over. These are drawn again with every evaluation, beside the
search and on the same processors, so they cost next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import rank, size
from archsearch.report.leaderboard import BASELINES, four
from archsearch.service.timeline import Point

WIDTH, HEIGHT = 520.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 12.0, 40.0
MOST_LINKS = 40
"""So many marks are links; on a thousand of them no keyboard finds its way."""


@dataclass(frozen=True)
class Mark:
    """One candidate: where it is drawn, its number, what it is called, and its look (a CSS class)."""

    x: float
    y: float
    number: int
    label: str
    look: str


@dataclass(frozen=True)
class Chart:
    """A chart in units of its own box.

    Attributes:
        title: what it shows, for those who cannot see it.
        marks: the candidates that are links.
        others: the path of all other candidates, as dots.
        line: the path of the least error.
        across: ticks of the horizontal axis: place and text.
        up: ticks of the vertical axis.
        label: of the horizontal axis.
    """

    title: str
    marks: tuple[Mark, ...]
    others: str
    line: str
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    label: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


Scale = Callable[[float], float]


def error_over_time(
    evaluations: Mapping[int, Evaluation], points: Mapping[int, Point], baselines: Mapping[str, Evaluation]
) -> Chart | None:
    """The error of each candidate against search time, with the least so far; None if nothing was scored."""
    times = {number: point.seconds / 60 for number, point in points.items()}
    scored = [e for e in evaluations.values() if math.isfinite(e.error) and e.number in times]
    scored.sort(key=lambda e: times[e.number])
    title = "Held-out error of each candidate against search time; the line is the least error so far."
    return _chart(scored, [times[e.number] for e in scored], baselines, title, "minutes of search", _linear)


def error_over_size(evaluations: Mapping[int, Evaluation], baselines: Mapping[str, Evaluation]) -> Chart | None:
    """The error of each candidate against its size, with the Pareto front; None if nothing was scored."""
    scored = [e for e in evaluations.values() if math.isfinite(e.error)]
    scored.sort(key=lambda e: (size(e), e.error))
    title = (
        "Held-out error of each candidate against its size; the line is the Pareto front: no smaller model is better."
    )
    return _chart(scored, [float(size(e)) for e in scored], baselines, title, "parameters and weights", _symlog)


def sparkline(values: Sequence[float], width: float = 120.0, height: float = 28.0) -> str:
    """The path of a curve of positive values on a logarithmic scale; empty for less than two."""
    kept = [math.log10(value) for value in values if value > 0 and math.isfinite(value)]
    if len(kept) < 2:
        return ""
    low, span = min(kept), (max(kept) - min(kept)) or 1.0
    step = width / (len(kept) - 1)
    places = ((place * step, 2 + (height - 4) * (1 - (value - low) / span)) for place, value in enumerate(kept))
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _chart(
    scored: Sequence[Evaluation],
    values: Sequence[float],
    baselines: Mapping[str, Evaluation],
    title: str,
    label: str,
    horizontal: Callable[[float, float], tuple[Scale, tuple[tuple[float, str], ...]]],
) -> Chart | None:
    if not scored:
        return None
    x_of, across = horizontal(min(values), max(values))
    y_of, up = _logarithmic(min(e.error for e in scored), max(e.error for e in scored))
    places = {e.number: (x_of(value), y_of(e.error)) for e, value in zip(scored, values, strict=True)}
    named = {item.number: key for key, item in baselines.items()}
    linked = {e.number for e in rank(scored)[:MOST_LINKS]} | named.keys()
    marks = [_mark(e, places[e.number], named) for e in scored if e.number in linked]
    others = "".join("M{:.1f} {:.1f}h0".format(*places[e.number]) for e in scored if e.number not in linked)
    line = _front([places[e.number] for e in scored], WIDTH - RIGHT)
    return Chart(title, tuple(marks), others, line, across, up, label)


def _mark(evaluation: Evaluation, place: tuple[float, float], named: Mapping[int, str]) -> Mark:
    key = named.get(evaluation.number, "")
    name = BASELINES.get(key) or evaluation.claim or evaluation.candidate
    look = key or ("with-net" if evaluation.nets else "no-net")
    text = f"number {evaluation.number}: error {four(evaluation.error)}, {size(evaluation)} numbers; {name}"
    return Mark(round(place[0], 1), round(place[1], 1), evaluation.number, text, look)


def _front(places: Iterable[tuple[float, float]], end: float) -> str:
    """A staircase down through the lowest points from left to right."""
    path, lowest = "", -math.inf  # y grows downwards: the least error has the greatest y
    for x, y in places:
        if y > lowest:
            path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
            lowest = y
    return f"{path}H{end:.1f}" if path else ""


def _linear(low: float, high: float) -> tuple[Scale, tuple[tuple[float, str], ...]]:
    """From 0 to the greatest value, with about five ticks at round numbers."""
    high = high or 1.0
    step = 10.0 ** math.floor(math.log10(high / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if high / (step * factor) <= 5)

    def scale(value: float) -> float:
        return LEFT + 6 + (WIDTH - LEFT - RIGHT - 12) * value / high

    ticks = [step * place for place in range(int(high / step + 1e-9) + 1)]
    return scale, tuple((scale(tick), f"{tick:g}") for tick in ticks)


def _symlog(low: float, high: float) -> tuple[Scale, tuple[tuple[float, str], ...]]:
    """Even steps up to ten, even factors beyond."""

    def squeezed(value: float) -> float:
        return value / 10 if value <= 10 else 1 + math.log10(value / 10)

    top = squeezed(high) or 1.0

    def scale(value: float) -> float:
        return LEFT + 6 + (WIDTH - LEFT - RIGHT - 12) * squeezed(value) / top

    ticks = [tick for tick in (0, 5, 10, 30, 100, 300, 1000, 3000, 10000, 100000) if squeezed(tick) <= 1.01 * top]
    return scale, tuple((scale(tick), f"{tick:g}") for tick in ticks)


def _logarithmic(low: float, high: float) -> tuple[Scale, tuple[tuple[float, str], ...]]:
    """A logarithmic axis upwards, with plain numbers on it."""
    low, high = max(low, 1e-12) / 1.15, max(high, 1e-12) * 1.15
    span = math.log10(high / low)

    def scale(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log10(max(value, 1e-12) / low) / span

    steps = (1,) if span > 2.5 else (1, 2, 5) if span > 0.9 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    marks = [step * 10.0**power for power in range(-13, 14) for step in steps]
    return scale, tuple((scale(mark), f"{mark:g}") for mark in marks if low <= mark <= high)
