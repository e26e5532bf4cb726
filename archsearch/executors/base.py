"""What an executor promises: candidates go in, outcomes come out, whatever happens in between."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from typing import Protocol

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, Failure
from archsearch.errors import MachineError
from archsearch.evaluation import Outcome, Tell, Told, nobody


class Evaluates(Protocol):
    """Whatever can evaluate a candidate; an executor knows no more of an evaluator."""

    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        """Fit, predict, score; a failure is an outcome too. It may tell how far it is."""
        ...

    def close(self) -> None:
        """End what still runs; called from another thread than `evaluate`."""
        ...


class Executor(ABC):
    """Where evaluations run.

    Every candidate that is submitted comes back exactly once from `next_done` or `drain`, in any order, unless the
    executor is closed first. All methods are called from one thread.
    """

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many evaluations run at once."""

    @abstractmethod
    def submit(self, candidate: Candidate, number: int) -> None:
        """Start an evaluation; returns at once."""

    @abstractmethod
    def next_done(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the next outcome; None if there is none after so many seconds.

        Raises:
            MachineError: the machine lacks what every evaluation needs.
        """

    @abstractmethod
    def drain(self) -> list[Outcome]:
        """The outcomes that are there already, without waiting."""

    def progress(self) -> list[tuple[int, Told]]:
        """How far evaluations say that they are, by number, since this was last asked; without waiting.

        An executor that cannot know says nothing.
        """
        return []

    @abstractmethod
    def close(self) -> None:
        """Start nothing more; what still runs is given up."""


def evaluate_safely(evaluator: Evaluates, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
    """Evaluate, and turn whatever the evaluator did not foresee into a failure: the one place where that happens.

    Raises:
        MachineError: the machine lacks what every evaluation needs, so that going on makes no sense.
    """
    try:
        outcome = evaluator.evaluate(candidate, number, tell)
    except MachineError:
        raise
    except Exception as error:  # noqa: BLE001 - a crash is a record, and the search goes on
        return _crash(candidate, number, f"{type(error).__name__}: {error}", traceback.format_exc())
    found = (outcome.evaluation.number, outcome.evaluation.candidate)
    if found != (number, candidate.id):
        return _crash(candidate, number, f"asked for {(number, candidate.id)}, got the evaluation of {found}", "")
    return outcome


def _crash(candidate: Candidate, number: int, what: str, log: str) -> Outcome:
    failure = Failure(
        kind="crash",
        message=f"The evaluator crashed: {what}",
        remedy="This is a fault of archsearch, not of the candidate; its log has the traceback.",
    )
    return Outcome(Evaluation.of(candidate, number, failure), b"", {}, log)
