"""What a terminal shows while a search works: how far it is, what runs, the leaderboard, what happened last."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsearch.cli.plain import finished, noted
from archsearch.cli.sparkline import sparkline
from archsearch.cli.tally import Tally, clock
from archsearch.plain_text import printable
from archsearch.report.leaderboard import Row, cells, four, rows_of
from archsearch.study.running import RunningFit, RunningFits

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from archsearch.search import Event
    from archsearch.study.store import Study

NOTES, MOST_NOTES = 200, 4
"""What happened last: so many lines are kept for the end, where the terminal shows what it showed before, and so many
are shown."""
CURVE, NARROW, WIDEST_BAR = 16, 60, 60
"""Columns of a curve, of a terminal that has no room for one, and of the bar at most."""
MOST_ROWS = 100
READING_SHARE = 20.0
"""So many times as long as it takes to read the leaderboard it is not read again."""
HEADING = f"{'rank':>5} {'no.':>5} {'error':>9} {'weights':>8} {'params':>7} {'s':>6}  model"
KEYS = "p pause or go on · r review · q stop · ? help"
HELP = """\
p   pause: what runs is finished, nothing new starts; once more: go on
r   review: decide on the proposals that wait, while the fits go on
q   stop, to be resumed: what runs is finished first; once more: give that up
Ctrl-C stops at once, and can be resumed too; Ctrl-Z suspends this terminal's view and search
?   this help; once more: away with it"""


@dataclass(frozen=True)
class Room:
    """How many lines each part gets.

    Attributes:
        fits: of fits that run.
        rows: of the leaderboard, without its heading.
        notes: of what happened last.
    """

    fits: int
    rows: int
    notes: int


def room(height: int, fits: int, notes: int, helping: bool = False) -> Room:
    """Share out a terminal of so many lines: fits first, then the leaderboard, then what happened last; or the help."""
    left = max(0, height - 5)  # title, tally, bar, a blank line, keys
    for_fits = min(fits, max(1, left // 2)) if left else 0
    left -= for_fits
    most = left - 1 if helping else min(MOST_NOTES, (left - 8) // 2)
    for_notes = max(0, min(notes, most))
    left -= for_notes + bool(for_notes)
    return Room(for_fits, max(0, left - 2), for_notes)


class LiveView:
    """The state of a search as its events tell it, and how it looks.

    Args:
        tally: how far the search is.
        study: the run, read anew when something is finished.
        keys: whether anything can be typed.
        clock: seconds that only grow.
    """

    def __init__(self, tally: Tally, study: Study, keys: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._tally, self._study, self._keys, self._clock = tally, study, keys, clock
        self._lock = threading.Lock()  # events come in the thread of the search, what draws has its own
        self._fits = RunningFits(clock)
        self._waiting: set[int] = set()
        self._paused = False
        self._stopped_from: str | None = None
        self._over = False
        self._rows: tuple[Row, ...] = ()
        self._rows_of, self._next_read = -1, -math.inf
        self.notes: deque[str] = deque(maxlen=NOTES)
        self.cost: Callable[[], str] = str
        self.stopping = self.help = False

    @property
    def running(self) -> int:
        """How many fits run."""
        with self._lock:
            return len(self._fits.now())

    def __call__(self, event: Event) -> None:
        """Takes an event of the search."""
        with self._lock:
            self._take(event)
            said = noted(event)
            if said is not None:
                self.notes.append(said.strip())
            evaluation = finished(event)
            if evaluation is not None:
                self._tally.count(evaluation)
                error = "failed" if evaluation.validation is None else f"nrmse {four(evaluation.validation.nrmse)}"
                self.notes.append(f"#{evaluation.number} {error}, {evaluation.seconds:.1f} s: {evaluation.claim}")

    def tell(self, text: str) -> None:
        """Takes a line that somebody has to say."""
        with self._lock:
            self.notes.extend(text.splitlines())

    def render(self, width: int, height: int) -> RenderableType:
        """All of it, for a terminal of this size."""
        from rich.console import Group

        with self._lock:
            fits, notes, waiting = self._fits.now(), list(self.notes), len(self._waiting)
        below = HELP.splitlines() if self.help else notes[-MOST_NOTES:]
        share = room(height, len(fits), len(below), self.help)
        parts = self._head(len(fits), waiting, width)
        parts += [_line(_fit_line(fit, width)) for fit in fits[: share.fits]]
        if share.rows > 0:
            parts += [_line(""), *self._leaderboard(share.rows)]
        if share.notes:
            parts += [_line(""), *(_line(text, "" if self.help else "dim") for text in below[: share.notes])]
        if height > 4:
            parts.append(_line(""))
        if height > 3:
            parts.append(_line(KEYS if self._keys else "Ctrl-C stops, resumably", "dim"))
        return Group(*parts)

    def state(self, fits: int, waiting: int) -> str:
        """What the search does now, and which key does something about it."""
        these = "1 proposal waits" if waiting == 1 else f"{waiting} proposals wait"
        review = f"{these} for a person" + (": r opens review" if self._keys else "")
        if self.stopping:
            told = "1 still runs, q gives it up" if fits == 1 else f"{fits} still run, q gives them up"
            return f"stopping: {told}" if fits else "stopping"
        if self._stopped_from is not None:
            return f"stopping: asked for {self._stopped_from}" + (", running fits end first" if fits else "")
        if self._paused:
            return "paused: p goes on" + (f" · {these}" if waiting else "")
        if waiting:
            return f"waits · {review}" if not fits else review
        if self._over:
            return "done"
        return f"{fits} running" if fits else "proposing"

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        from archsearch import search

        match event:
            case search.Started(number, candidate):
                self._fits.start(number, candidate)
                self._waiting.discard(number)
            case search.Progress(number, stage, step, error):
                self._fits.tell(number, stage, step, error)
            case search.Finished(evaluation):
                self._fits.end(evaluation.number)
            case search.Waits(number):
                self._waiting.add(number)
            case search.Refused(number):
                self._waiting.discard(number)
            case search.Paused() | search.Resumed() | search.Stopping():
                self._paused = isinstance(event, search.Paused)
                self._stopped_from = (event.by or "elsewhere") if isinstance(event, search.Stopping) else None
            case search.Stopped():
                self._over = True

    def _head(self, fits: int, waiting: int, width: int) -> list[RenderableType]:
        tally, cost = self._tally, self.cost()
        told = " · ".join(part for part in (tally.sentence(self._clock()), cost and f"LLM {cost}") if part)
        return [
            _line(f"{self._study.id}  {self.state(fits, waiting)}", "bold"),
            _line(told),
            _line(bar(tally.done, tally.budget.trials, min(width, WIDEST_BAR))),
        ]

    def _leaderboard(self, rows: int) -> list[RenderableType]:
        """The best of what is there, read anew when something was finished."""
        self._read()
        best, rest = self._rows[:rows], self._rows[rows:]
        kept = [row for row in rest if row.chosen or row.baseline]  # the comparison is always there
        shown = [*best[: max(1, rows - len(kept))], *kept][:rows]
        return [_line(HEADING, "dim"), *(_line(_row_line(row), _style(row)) for row in shown)]

    def _read(self) -> None:
        """Read the leaderboard again if something was finished; of a long run not every time: that takes a while."""
        began = self._clock()
        if self._rows_of == self._tally.done or began < self._next_read:
            return
        self._rows_of, self._rows = self._tally.done, rows_of(self._study, MOST_ROWS)
        self._next_read = began + READING_SHARE * (self._clock() - began)


def bar(done: int, of: int, width: int) -> str:
    """How far it is, in a line of this many columns."""
    full = min(width, width * done // max(of, 1))
    return "━" * full + "─" * (width - full)


def _row_line(row: Row) -> str:
    """A row of the leaderboard: place, number, error, weights, parameters, seconds, claim."""
    place, number, error, name, weights, parameters, seconds = cells(row)
    if row.error is None:
        error, name = "failed", f"{name} [{error}]"
    return f"{place:>5} {number:>5} {error:>9} {weights:>8} {parameters:>7} {seconds:>6}  {name}"


def _style(row: Row) -> str:
    return "bold" if row.chosen else "cyan" if row.baseline else ""


def _fit_line(fit: RunningFit, width: int) -> str:
    """A fit that runs: number, stage, time, error, its curve, its claim."""
    stage = f"{fit.stage} {fit.step or ''}".strip() or "starts"
    head = f"#{fit.number:<4} {stage[:24]:<24} {clock(fit.seconds):>5} {four(fit.error):>8}"
    curve = f" {sparkline(fit.curve, CURVE):<{CURVE}}" if width >= NARROW else ""
    return f"{head}{curve} {fit.claim or fit.candidate}"


def _line(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(text.replace("\n", " ")), style=style, no_wrap=True, overflow="ellipsis")
