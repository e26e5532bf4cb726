"""What a person sees while a search works: a live leaderboard in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from archsearch.cli.output import console
from archsearch.cli.tables import leaderboard_table
from archsearch.report.leaderboard import four
from archsearch.study.proposals import read_log
from archsearch.study.writer import PROPOSALS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsearch.candidate.outcome import Evaluation
    from archsearch.search import Event
    from archsearch.settings import Budget, RunSettings
    from archsearch.study.store import Study

LIVE_ROWS = 10
LONGEST_REASON = 200


class Tally:
    """How far a search has come.

    Args:
        budget: when the search stops.
        before: evaluations that an earlier part of the run has finished.
        started: the time of now, in seconds of a monotonic clock.
        used: seconds that the earlier part has used.
    """

    def __init__(self, budget: Budget, before: Sequence[Evaluation], started: float, used: float = 0.0) -> None:
        self.budget = budget
        self.done = self.failed = 0
        self.least: float | None = None
        for evaluation in before:
            self.count(evaluation)
        self._before = len(before)
        self._started = started
        self._used = used

    def count(self, evaluation: Evaluation) -> None:
        """Takes one more finished evaluation into account."""
        self.done += 1
        self.failed += evaluation.status == "failed"
        if evaluation.status == "ok":
            self.least = min(evaluation.error, self.least if self.least is not None else evaluation.error)

    def seconds_left(self, now: float) -> float | None:
        """The time until the budget is spent, judged by the pace so far; None before the first evaluation."""
        passed, fresh = now - self._started, self.done - self._before
        by_trials = passed / fresh * max(self.budget.trials - self.done, 0) if fresh else None
        by_minutes = (
            max(self.budget.minutes * 60 - self._used - passed, 0.0) if self.budget.minutes is not None else None
        )
        known = [seconds for seconds in (by_trials, by_minutes) if seconds is not None]
        return min(known) if known else None

    def sentence(self, now: float) -> str:
        """Trials done, failures, the least error, the time left."""
        left = self.seconds_left(now)
        done = f"{self.done} of {self.budget.trials} evaluated"
        parts = [done, f"{self.failed} failed", f"least error {four(self.least)}"]
        return " · ".join([*parts, "" if left is None else f"about {clock(left)} left"]).rstrip(" ·")


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes: `3:07`, `2 h 05`."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d}"


def line(evaluation: Evaluation, tally: Tally, now: float) -> str:
    """A finished candidate in one line: how far the search is, number, author, error, seconds, time left, claim."""
    told = evaluation.claim or evaluation.candidate
    error = "-"
    if evaluation.failure is not None:
        told = f"failed ({evaluation.failure.kind}): {evaluation.failure.message} [{told}]"
    elif evaluation.validation is not None:
        error = four(evaluation.validation.nrmse)
    left = tally.seconds_left(now)
    head = f"{tally.done:>3}/{tally.budget.trials} #{evaluation.number:<3} {evaluation.author:<8} nrmse {error:<7}"
    pace = f"{evaluation.seconds:5.1f} s  least {four(tally.least):<7} {'' if left is None else clock(left) + ' left'}"
    return f"{head} {pace:<31} {told}"


@contextmanager
def progress(study: Study, settings: RunSettings, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Shows how a search goes; yields what the search tells its events to.

    Args:
        study: the run.
        settings: whose budget counts; that of a resumed run may differ from what it was started with.
        quiet: standard output is for a program: plain lines on standard error instead.
    """
    used = read_log(study.folder / PROPOSALS).seconds
    tally = Tally(settings.budget, study.evaluations(), time.monotonic(), used)
    if quiet or not sys.stdout.isatty():
        yield PlainView(tally, stderr=quiet)
        return
    from rich.live import Live

    view = LiveView(tally, study)
    with Live(get_renderable=view.render, console=console(), refresh_per_second=2, transient=True):
        yield view


class PlainView:
    """One line for each finished candidate."""

    def __init__(self, tally: Tally, stderr: bool) -> None:
        self._tally = tally
        self._stderr = stderr

    def __call__(self, event: Event) -> None:
        """Takes an event of the search."""
        refusal = refused(event)
        if refusal is not None:
            typer.echo(refusal, err=self._stderr)
        evaluation = finished(event)
        if evaluation is not None:
            self._tally.count(evaluation)
            typer.echo(line(evaluation, self._tally, time.monotonic()), err=self._stderr)


class LiveView:
    """The leaderboard so far, a bar, and a sentence."""

    def __init__(self, tally: Tally, study: Study) -> None:
        self._tally = tally
        self._study = study
        self._table = leaderboard_table(study, LIVE_ROWS, brief=True)

    def __call__(self, event: Event) -> None:
        """Takes an event of the search; the table is made anew only then, because it is read from the run's folder."""
        evaluation = finished(event)
        if evaluation is not None:
            self._tally.count(evaluation)
            self._table = leaderboard_table(self._study, LIVE_ROWS, brief=True)

    def render(self) -> RenderableType:
        """What the terminal shows now."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar

        bar = ProgressBar(total=self._tally.budget.trials, completed=self._tally.done, width=60)
        return Group(self._tally.sentence(time.monotonic()), bar, "\n", self._table)  # what does not fit is cut below


def refused(event: Event) -> str | None:
    """What is said of a proposal that will not be evaluated; nothing of one that was there before."""
    from archsearch.search import Refused

    if not isinstance(event, Refused) or event.decision.by == "search":
        return None
    reason = event.decision.reason
    shown = reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 3]}..."
    return f"      #{event.number:<3} {event.candidate.author:<8} refused by {event.decision.by}: {shown}"


def finished(event: Event) -> Evaluation | None:
    """The evaluation that an event tells of, if it does."""
    from archsearch.search import Finished

    return event.evaluation if isinstance(event, Finished) else None
