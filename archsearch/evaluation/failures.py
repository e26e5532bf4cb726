"""Why a candidate has no score: a kind, a sentence, a remedy; caught in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archsearch.candidate.outcome import Failure
from archsearch.plain_text import one_line
from archsearch.sandbox.report import Report
from archsearch.settings import Limits
from archsearch.training.jobs import FAILURE

MOST_LETTERS = 2000
"""Of a sentence that a candidate wrote."""
REMEDIES = {
    "load": "Mend the source; see its log.",
    "fit": "Mend the source; see its log.",
    "memory": "Use smaller nets, or allow more memory.",
    "diverged": "Bound its parameters more tightly, or make its nets smaller.",
}


class FailedError(Exception):
    """A candidate failed; carries the failure and what it printed. Leaves this room only by `Evaluator.predict`."""

    def __init__(self, failure: Failure, log: str = "") -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.log = log


def check_failure(findings: Sequence[str]) -> Failure:
    """The static check found something."""
    message = "\n".join(one_line(finding, MOST_LETTERS) for finding in findings)
    return Failure(kind="check", message=message, remedy="Mend what is listed; nothing was run.")


def result_failure(message: str) -> Failure:
    """It left something else than what was asked for."""
    return Failure(
        kind="result", message=_told(message), remedy="Leave results to the trainer; a candidate only states equations."
    )


def unread_failure() -> Failure:
    """The trusted process itself has no memory left to take a result."""
    remedy = "Use fewer --workers, or close other programs."
    return Failure(kind="memory", message="there was no memory left to read what it returned", remedy=remedy)


def diverged_failure(message: str) -> Failure:
    """It cannot be integrated."""
    return Failure(kind="diverged", message=message, remedy=REMEDIES["diverged"])


def failure_of(report: Report, limits: Limits) -> Failure | None:
    """What a report and the job's own words say about why it failed; None if it did not."""
    return _limit_broken(report, limits) or _said(report.header) or _crash(report)


def _limit_broken(report: Report, limits: Limits) -> Failure | None:
    if report.killed in ("time", "cpu"):
        message = f"it ran longer than {limits.wall_seconds:g} s"
        return Failure(kind="time", message=message, remedy="Use smaller nets or fewer terms, or allow more time.")
    if report.killed == "memory":
        message = f"it used more than {limits.memory_mb} MB of memory"
        return Failure(kind="memory", message=message, remedy=REMEDIES["memory"])
    if report.killed == "threads":
        message = f"it started more than {limits.threads} threads"
        return Failure(kind="crash", message=message, remedy="A candidate states equations; leave threads alone.")
    if report.killed == "output":
        message = "it printed without end"
        return Failure(kind="output", message=message, remedy="Print nothing inside of methods that are called often.")
    return result_failure(f"what it returned was refused: {report.bad}") if report.killed == "result" else None


def _said(header: dict[str, Any] | None) -> Failure | None:
    """The failure that a job reported, None if it reported none."""
    said = (header or {}).get(FAILURE)
    if not isinstance(said, dict):
        return None
    kind = said.get("kind")
    kind = kind if isinstance(kind, str) and kind in REMEDIES else "fit"
    return Failure(kind=kind, message=_told(str(said.get("message", ""))), remedy=REMEDIES[kind])


def _told(message: str) -> str:
    """What a candidate had a hand in: one line, and never nothing."""
    return one_line(message, MOST_LETTERS) or "it did not say why"


def _crash(report: Report) -> Failure | None:
    if report.exit is None:
        return Failure(kind="crash", message="the process that ran it died", remedy="See its log.")
    if report.exit != 0:
        how = f"signal {-report.exit}" if report.exit < 0 else f"exit code {report.exit}"
        return Failure(kind="crash", message=f"its process ended with {how}", remedy="See its log.")
    return result_failure(f"it left no result: {report.bad}") if report.header is None else None
