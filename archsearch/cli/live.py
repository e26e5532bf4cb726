"""What a terminal shows while a search works: how far it is, what runs, the leaderboard, what happened last."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsearch.cli.progress import Tally, clock, finished, noted
from archsearch.cli.sparkline import sparkline
from archsearch.cli.tables import leaderboard_table
from archsearch.report.leaderboard import four
from archsearch.study.running import RunningFit, RunningFits

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

    from archsearch.search import Event
    from archsearch.study.store import Study

NOTES = 50
"""What happened last: so many lines are kept for the end, where the terminal shows what it showed before."""
CURVE, NARROW = 16, 60
"""Columns of a curve, and of a terminal that has no room for one."""
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


def room(height: int, fits: int, notes: int) -> Room:
    """Share out a terminal of so many lines: fits first, then the leaderboard, then what happened last."""
    left = max(0, height - 5)  # title, tally, bar, a blank line, keys
    for_fits = min(fits, max(1, left // 2)) if left else 0
    left -= for_fits
    for_notes = min(notes, 4, max(0, left - 8) // 2)
    left -= for_notes + bool(for_notes)
    return Room(for_fits, max(0, left - 2 - bool(for_fits)), for_notes)


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
        self._table: tuple[tuple[int, int], Table] | None = None
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
        if self.help:
            notes = HELP.splitlines()
        share = room(height, len(fits), len(notes))
        if self.help:
            share = Room(share.fits, max(0, share.rows - len(notes)), min(len(notes), max(0, height - 5 - share.fits)))
        parts: list[RenderableType] = [*self._head(len(fits), waiting, width)]
        parts += [_line(_fit_line(fit, width)) for fit in fits[: share.fits]]
        if share.rows > 0:
            parts += [*([_line("")] if share.fits else []), self._leaderboard(share.rows)]
        if share.notes:
            parts += [_line(""), *(_line(note, "" if self.help else "dim") for note in notes[-share.notes :])]
        if height > 3:
            parts += [_line(""), _line(KEYS if self._keys else "Ctrl-C stops, resumably", "dim")]
        return Group(*parts)

    def state(self, fits: int, waiting: int) -> str:
        """What the search does now, and which key does something about it."""
        these = "1 proposal waits" if waiting == 1 else f"{waiting} proposals wait"
        review = f"{these} for a person" + (": r opens review" if self._keys else "")
        if self.stopping:
            return f"stopping: {fits} still run, q gives them up" if fits else "stopping"
        if self._paused:
            return "paused: p goes on" + (f" · {these}" if waiting else "")
        if waiting:
            return f"waits · {review}" if not fits else review
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
            case search.Paused() | search.Resumed():
                self._paused = isinstance(event, search.Paused)

    def _head(self, fits: int, waiting: int, width: int) -> list[RenderableType]:
        from rich.progress_bar import ProgressBar

        cost = self.cost()
        told = " · ".join(part for part in (self._tally.sentence(self._clock()), cost and f"LLM {cost}") if part)
        bar = ProgressBar(total=self._tally.budget.trials, completed=self._tally.done, width=min(width, 60))
        return [_line(f"{self._study.id}  {self.state(fits, waiting)}", "bold"), _line(told), bar]

    def _leaderboard(self, rows: int) -> RenderableType:
        """The best of what is there, read anew when something was finished."""
        key = self._tally.done, rows
        if self._table is None or self._table[0] != key:
            table = leaderboard_table(self._study, rows, brief=True)
            if table.row_count > rows:  # baselines stand below the best, wherever they rank
                table = leaderboard_table(self._study, max(1, 2 * rows - table.row_count), brief=True)
            self._table = key, table
        return _Cropped(self._table[1], rows + 1)


@dataclass(frozen=True)
class _Cropped:
    """The first lines of something."""

    content: RenderableType
    lines: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for line in console.render_lines(self.content, options, pad=False)[: self.lines]:
            yield from line
            yield Segment.line()


def _fit_line(fit: RunningFit, width: int) -> str:
    """A fit that runs: number, stage, time, error, its curve, its claim."""
    stage = f"{fit.stage} {fit.step or ''}".strip() or "starts"
    head = f"#{fit.number:<4} {stage[:24]:<24} {clock(fit.seconds):>5} {four(fit.error):>8}"
    curve = f" {sparkline(fit.curve, CURVE):<{CURVE}}" if width >= NARROW else ""
    return f"{head}{curve} {fit.claim or fit.candidate}"


def _line(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
