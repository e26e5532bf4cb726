"""The loop: propose, review, evaluate, record; until the budget is spent."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import rank
from archsearch.errors import RequestError
from archsearch.evaluation import Outcome, no_change
from archsearch.executors.base import Executor
from archsearch.problem.problem import Problem
from archsearch.proposers.base import Proposer
from archsearch.settings import RunSettings
from archsearch.study.record import Baseline, Decision, Gate
from archsearch.study.store import Study
from archsearch.study.writer import Writer

__all__ = [
    "Event",
    "Finished",
    "Gate",
    "Proposed",
    "Refused",
    "Started",
    "Stopped",
    "Summary",
    "approve_all",
    "rank",
    "run_search",
]

REPEATS = 50
"""So many proposals in a row that were there before mean that the proposer has nothing new to say."""

Reason = Literal["trials", "minutes", "exhausted", "interrupted"]


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
class Finished:
    """An evaluation is done and on disk."""

    evaluation: Evaluation


@dataclass(frozen=True)
class Stopped:
    """The search is over: its trials or minutes are spent, nothing new can be proposed, or a person stopped it."""

    reason: Reason


Event = Proposed | Refused | Started | Finished | Stopped


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
    """

    best: Evaluation | None
    baselines: dict[Baseline, Evaluation]
    evaluated: int
    failed: int
    seconds: float
    reason: Reason


def approve_all(candidate: Candidate) -> Decision:
    """The gate of a run that nobody reviews."""
    return Decision(approved=True, by="nobody", reason="this run is not reviewed")


def run_search(
    problem: Problem,
    study: Study,
    proposer: Proposer,
    executor_factory: Callable[[], Executor],
    settings: RunSettings,
    on_event: Callable[[Event], None] = lambda event: None,
    gate: Gate = approve_all,
) -> Summary:
    """Search until the budget is spent, going on where an earlier session of the run stopped.

    Which candidates are evaluated depends on the problem, the proposer and `settings.seed` and `settings.generation`
    alone: proposal k sees the evaluations with numbers up to k - generation, however many workers there are and
    whichever of them is done first. A budget in minutes decides how far the search comes, not which way it goes.

    Args:
        problem: what is asked.
        study: the run.
        proposer: suggests candidates.
        executor_factory: called once, when the run is locked; the executor is closed at the end.
        settings: budget and workers may differ from what the run was started with.
        on_event: told of everything that happens, in the thread that called this function.
        gate: decides on each proposal before it is evaluated.

    Raises:
        KeyboardInterrupt: a person stopped it; everything that was finished is recorded, and the run can be resumed.
        RunError: another process searches this run, or it is damaged.
        MachineError: the machine lacks what every evaluation needs.
    """
    _check_same_search(study.settings, settings)
    with study.writing(problem) as writer:
        _note_sanity(study, problem)
        executor = executor_factory()
        search = _Search(writer, proposer, executor, settings, on_event, gate)
        try:
            reason = search.run()
            on_event(Stopped(reason))
        except KeyboardInterrupt:
            search.rescue()
            on_event(Stopped("interrupted"))
            raise
        finally:
            executor.close()
        return _summary(study, search.seconds(), reason)


class _Search:
    """One session of a search."""

    def __init__(
        self,
        writer: Writer,
        proposer: Proposer,
        executor: Executor,
        settings: RunSettings,
        on_event: Callable[[Event], None],
        gate: Gate,
    ) -> None:
        self._writer = writer
        self._proposer = proposer
        self._executor = executor
        self._settings = settings
        self._on_event = on_event
        self._gate = gate
        self._began = time.monotonic()
        self._waiting = deque(number for number in sorted(writer.proposals) if not writer.is_settled(number))
        self._running: dict[int, Candidate] = {}
        self._reason: Reason = "trials"

    def run(self) -> Reason:
        """Propose, evaluate and record until nothing runs and nothing may start."""
        self._fill()
        while self._running:
            self._record(self._executor.next_done())
            self._fill()
        return self._reason

    def seconds(self) -> float:
        """Search time, earlier sessions included."""
        return self._writer.seconds_before + time.monotonic() - self._began

    def rescue(self) -> None:
        """Record what is finished, after an interruption."""
        for outcome in self._executor.drain():
            self._record(outcome)

    def _record(self, outcome: Outcome) -> None:
        number = outcome.evaluation.number
        evaluation = self._writer.record(number, outcome, self.seconds())
        del self._running[number]
        self._on_event(Finished(evaluation))

    def _fill(self) -> None:
        """Start evaluations until all workers are busy or nothing may start yet."""
        while len(self._running) < self._executor.capacity:
            number = self._waiting.popleft() if self._waiting else self._propose()
            if number is None:
                return
            if self._passes(number):
                self._start(number)

    def _start(self, number: int) -> None:
        candidate = self._writer.proposals[number].candidate
        self._running[number] = candidate
        self._executor.submit(candidate, number)
        self._on_event(Started(number, candidate))

    def _propose(self) -> int | None:
        """Add the next proposal; None if there may be none, or none yet."""
        number = self._writer.next_number()
        if self._is_over() or not self._may_propose(number):
            return None
        taken = self._writer.taken_before(number)
        candidate = self._proposer.propose(self._writer.history(number - self._settings.generation), taken, number)
        if candidate is None or self._only_repeats(number):
            self._reason = "exhausted"
            return None
        self._writer.propose(number, candidate, self.seconds())
        self._on_event(Proposed(number, candidate))
        return number

    def _is_over(self) -> bool:
        budget = self._settings.budget
        if self._writer.approved() >= budget.trials:
            self._reason = "trials"
        elif budget.minutes is not None and self.seconds() >= 60 * budget.minutes:
            self._reason = "minutes"
        else:
            return False
        return True

    def _may_propose(self, number: int) -> bool:
        """Whether everything that the proposal may depend on is settled."""
        return all(self._writer.is_settled(known) for known in range(number - self._settings.generation + 1))

    def _passes(self, number: int) -> bool:
        """Ask the gate, unless it was asked in an earlier session or the content is known."""
        proposal = self._writer.proposals[number]
        decision = proposal.decision
        if decision is None:
            decision = self._repeat(number) or self._gate(proposal.candidate)
            self._writer.decide(number, decision, self.seconds())
            if not decision.approved:
                self._on_event(Refused(number, proposal.candidate, decision))
        return decision.approved

    def _repeat(self, number: int) -> Decision | None:
        """The decision against what was proposed before."""
        proposals = self._writer.proposals
        for known in range(number):
            if proposals[known].candidate.id == proposals[number].candidate.id:
                return Decision(approved=False, by="search", reason=f"the same as number {known}")
        return None

    def _only_repeats(self, number: int) -> bool:
        recent = [self._writer.proposals[known].decision for known in range(max(0, number - REPEATS), number)]
        return len(recent) == REPEATS and all(decision is not None and decision.by == "search" for decision in recent)


def _check_same_search(started: RunSettings, now: RunSettings) -> None:
    """Refuse settings that would make the rest of a run another search than its beginning."""
    for name in ("seed", "generation", "proposer", "fit", "anonymise"):
        before, after = getattr(started, name), getattr(now, name)
        if before != after:
            message = f"This run was started with {name} = {before!r}, and goes on with it; found {after!r}."
            raise RequestError(message, "Start a new run for other settings.")


def _note_sanity(study: Study, problem: Problem) -> None:
    """Write down, once, how wrong the prediction is that nothing changes."""
    error = no_change(problem)
    if not study.sanity and math.isfinite(error):
        study.record_sanity({"no_change": error})


def _summary(study: Study, seconds: float, reason: Reason) -> Summary:
    ranked = study.ranked()
    ok = [evaluation for evaluation in ranked if evaluation.status == "ok"]
    return Summary(
        best=study.best(),
        baselines=study.baselines(),
        evaluated=len(ranked),
        failed=len(ranked) - len(ok),
        seconds=seconds,
        reason=reason,
    )
