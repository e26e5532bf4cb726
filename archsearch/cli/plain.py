"""A search in lines: one for each finished candidate, and for what persons decide or have to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from archsearch.cli.tally import Tally, clock
from archsearch.plain_text import printable
from archsearch.report.leaderboard import four

if TYPE_CHECKING:
    from archsearch.candidate.outcome import Evaluation
    from archsearch.search import Event

LONGEST_REASON = 200


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
