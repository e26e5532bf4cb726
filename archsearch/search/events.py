"""What a search tells while it goes on, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.study.record import Baseline, Decision

Reason = Literal["trials", "minutes", "exhausted", "review", "stopped", "interrupted"]
"""Why a search is over: its trials or minutes are spent, nothing new can be proposed, only a person can go on with it,
a person stopped it, or it was interrupted. After the last three it can be resumed."""


@dataclass(frozen=True)
class Proposed:
    """A candidate was proposed."""

    number: int
    candidate: Candidate


@dataclass(frozen=True)
class Refused:
    """A proposal will not be evaluated."""

    number: int
    candidate: Candidate
    decision: Decision


@dataclass(frozen=True)
class Started:
    """An evaluation began."""

    number: int
    candidate: Candidate


@dataclass(frozen=True)
class Progress:
    """An evaluation says how far it is: stage, iteration and error of its fit. A claim, not a score."""

    number: int
    stage: str
    step: int
    error: float | None


@dataclass(frozen=True)
class Finished:
    """An evaluation is done and on disk."""

    evaluation: Evaluation


@dataclass(frozen=True)
class Waits:
    """A proposal needs a person's decision; the search goes on meanwhile as far as it can."""

    number: int
    candidate: Candidate


@dataclass(frozen=True)
class Paused:
    """A person wants nothing more to start; what runs is finished. `by` says who and where, if that is known."""

    by: str = ""


@dataclass(frozen=True)
class Resumed:
    """A person wants a search to go on that was paused, or was to stop."""

    by: str = ""


@dataclass(frozen=True)
class Stopping:
    """A person wants the search to stop; what runs is finished first."""

    by: str = ""


@dataclass(frozen=True)
class Stopped:
    """The search is over, see `Reason`."""

    reason: Reason


Event = Proposed | Refused | Waits | Started | Progress | Finished | Paused | Resumed | Stopping | Stopped


@dataclass(frozen=True)
class Summary:
    """What came of a run, earlier sessions of the same run included.

    Attributes:
        best: the model to believe in, see `candidate.ranking.best`; None if none fits.
        baselines: the evaluations of the baselines, as far as they exist.
        evaluated: how many candidates were evaluated, failures included.
        failed: how many of them failed.
        seconds: search time.
        reason: why the search stopped.
        waiting: how many proposals wait for a person's decision.
    """

    best: Evaluation | None
    baselines: dict[Baseline, Evaluation]
    evaluated: int
    failed: int
    seconds: float
    reason: Reason
    waiting: int = 0
