"""How far a search is, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsearch.report.leaderboard import four

if TYPE_CHECKING:
    from archsearch.candidate.outcome import Evaluation
    from archsearch.settings import Budget


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
