"""What a person sees while a search works: a live leaderboard in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

from archsearch.cli.output import console
from archsearch.cli.screen import full_screen
from archsearch.report.leaderboard import four
from archsearch.sandbox.report import printable
from archsearch.study.proposals import read_log
from archsearch.study.writer import PROPOSALS

if TYPE_CHECKING:
    from archsearch.candidate.outcome import Evaluation
    from archsearch.problem.problem import Problem
    from archsearch.search import Event
    from archsearch.settings import Budget, RunSettings
    from archsearch.study.store import Study

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
def progress(study: Study, problem: Problem, settings: RunSettings, quiet: bool) -> Iterator[View]:
    """Shows how a search goes; yields what the search tells its events to.

    Args:
        study: the run.
        problem: what is asked.
        settings: whose budget counts; that of a resumed run may differ from what it was started with.
        quiet: standard output is for a program: plain lines on standard error instead.
    """
    used = read_log(study.folder / PROPOSALS).seconds
    tally = Tally(settings.budget, study.evaluations(), time.monotonic(), used)
    screen = None if quiet else full_screen(console())
    if screen is None:
        yield PlainView(tally, study.id, stderr=quiet)
        return
    from archsearch.cli.live import LiveView
    from archsearch.cli.watching import Watching

    view = LiveView(tally, study, screen.has_keys)
    with Watching(view, screen, study, problem):
        yield view


class View(Protocol):
    """What a search is shown by."""

    cost: Callable[[], str]
    """What the LLM has cost so far, in words; empty if there is none."""

    def __call__(self, event: Event) -> None:
        """Takes an event of the search."""

    def tell(self, text: str) -> None:
        """Takes a line that somebody has to say."""


class PlainView:
    """One line for each finished candidate, and for what persons decide or have to.

    Args:
        tally: how far the search is.
        run: its id.
        stderr: where standard output is for a program.
    """

    def __init__(self, tally: Tally, run: str, stderr: bool) -> None:
        self._tally = tally
        self._run = run
        self._stderr = stderr
        self.cost: Callable[[], str] = str

    def __call__(self, event: Event) -> None:
        """Takes an event of the search."""
        said = noted(event, self._run)
        if said is not None:
            self.tell(said)
        evaluation = finished(event)
        if evaluation is not None:
            self._tally.count(evaluation)
            self.tell(line(evaluation, self._tally, time.monotonic()))

    def tell(self, text: str) -> None:
        """Takes a line that somebody has to say."""
        typer.echo(printable(text), err=self._stderr)


def noted(event: Event, run: str = "") -> str | None:
    """What is said of an event besides what was evaluated; None for those that need no word.

    Args:
        event: of the search.
        run: named to those who may have to do something about it from elsewhere.
    """
    from archsearch.search import Paused, Resumed, Stopping, Waits

    if isinstance(event, Waits):
        how = f" (archsearch review {run})" if run else ""
        claim = event.candidate.claim or event.candidate.id
        return f"      #{event.number:<3} {event.candidate.author:<8} waits for a person{how}: {claim}"
    if isinstance(event, Paused | Stopping | Resumed):
        asked = f", as asked for {event.by}" if event.by else ""
        if isinstance(event, Resumed):
            return f"      goes on{asked}"
        what = "paused" if isinstance(event, Paused) else "stopping"
        return f"      {what}{asked}: what runs is finished, nothing new starts"
    return refused(event)


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
