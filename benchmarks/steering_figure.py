"""The picture of docs/steering.md: what two searches with the same beginning proposed, one of them steered.

    python benchmarks/steering_figure.py runs/free runs/steered docs/figures/steering.png

Rows are the terms of the library and the slots, a dot is a proposal that uses one, a line is a word of the scientist.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from archsearch.problem.space import SearchSpace
from archsearch.proposers.obeying import uses
from archsearch.report.drawing import COLOURS, dots, house_style, new_figure, png
from archsearch.study.record import Ban, Pin, Preference, WishedLine
from archsearch.study.steering import Steering
from archsearch.study.store import Study


def figure_of(free: Study, steered: Study, space: SearchSpace) -> Figure:
    """Both searches, one above the other."""
    with house_style():
        figure = new_figure(7.4, 5.2)
        above, below = figure.subplots(2, 1, sharex=True)
        for axes, study, title in ((above, free, "left alone"), (below, steered, "steered")):
            _draw(axes, study, space)
            axes.set_title(title, loc="left", fontsize=10)
        for wishes in _said(steered):
            _mark(below, wishes)
        below.set_xlabel("proposal")
    return figure


def _draw(axes: Axes, study: Study, space: SearchSpace) -> None:
    """The dots of one search."""
    names = [item.name for item in (*space.library, *space.slots)]
    slots = {slot.name for slot in space.slots}
    for row, name in enumerate(reversed(names)):
        used = [item.number for item in study.proposals().values() if uses(name, item.candidate.source, space)]
        colour = COLOURS["net"] if name in slots else COLOURS["best"]
        axes.plot(used, [row] * len(used), **dots(colour, 5.0, "s" if name in slots else "o"))
    axes.set_yticks(range(len(names)), list(reversed([name.replace("_", " ") for name in names])))
    axes.set_ylim(-0.7, len(names) - 0.3)


def _said(study: Study) -> list[list[WishedLine]]:
    """What was said, by the proposal that it counts from."""
    return [list(lines) for _, lines in groupby(Steering(study).wishes(), key=lambda line: line.number)]


def _mark(axes: Axes, wishes: list[WishedLine]) -> None:
    """A line in front of the first proposal that was steered, with what was said."""
    at = wishes[0].number - 0.5
    axes.axvline(at, color=COLOURS["ink"], linewidth=0.9)
    said = fill(", ".join(_words(line) for line in wishes), 20)
    top = axes.get_ylim()[1]
    axes.annotate(said, (at, top), (2, -2), textcoords="offset points", va="bottom", fontsize=8, annotation_clip=False)


def _words(line: WishedLine) -> str:
    match line.wish:
        case Ban(name=name) | Pin(name=name):
            return f"{line.wish.kind} {name.replace('_', ' ')}"
        case Preference(better=better, worse=worse):
            return f"prefer {better} to {worse}"
    return line.wish.kind


def main() -> None:
    """Draw two runs."""
    free, steered = (Study.open(Path(name)) for name in sys.argv[1:3])
    Path(sys.argv[3]).write_bytes(png(figure_of(free, steered, free.problem().space)))


if __name__ == "__main__":
    main()
