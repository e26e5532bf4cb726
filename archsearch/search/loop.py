"""The loop: propose, review, evaluate, record; until the budget is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from archsearch.candidate.candidate import Candidate
from archsearch.errors import RequestError
from archsearch.evaluation import Outcome, no_change
from archsearch.executors.base import Executor
from archsearch.problem.problem import Problem
from archsearch.proposers.base import Proposer
from archsearch.search.events import (
    Event,
    Finished,
    Paused,
    Progress,
    Proposed,
    Reason,
    Refused,
    Resumed,
    Started,
    Stopped,
    Stopping,
    Summary,
    Waits,
)
from archsearch.search.queue import Queue
from archsearch.settings import RunSettings
from archsearch.study.control import Control, read_request, write_control
from archsearch.study.proposals import Gate, Proposal
from archsearch.study.record import Decision
from archsearch.study.running import Running, RunningFile, RunningFits
from archsearch.study.store import Study
from archsearch.study.writer import Writer

TICK_SECONDS = 0.2
"""How often a search looks for what persons want of it."""
TOLD: dict[Control, Callable[[str], Event]] = {"run": Resumed, "pause": Paused, "stop": Stopping}


def approve_all(proposal: Proposal) -> Decision:
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
    wait: bool = False,
) -> Summary:
    """Search until the budget is spent, going on where an earlier session of the run stopped.

    Which candidates are evaluated depends on the problem, the proposer and `settings.seed` and `settings.generation`
    alone: proposal k sees the evaluations with numbers up to k - generation, however many workers there are and
    whichever of them is done first. A budget in minutes decides how far the search comes, not which way it goes. Where
    persons decide, the search also depends on what they said and when; what they said is kept.

    The search never waits for a person while it can do something else: proposals that are approved are evaluated,
    and others are made, until `QUEUE` in a row wait (with `review = "batch"`, until a generation is decided).

    Args:
        problem: what is asked.
        study: the run.
        proposer: suggests candidates.
        executor_factory: called once, when the run is locked; the executor is closed at the end.
        settings: budget and workers may differ from what the run was started with.
        on_event: told of everything that happens, in the thread that called this function.
        gate: decides on each proposal before it is evaluated; what it leaves open, persons decide (`Steering`).
        wait: when all that is left is for a person to decide, wait for that; else stop, to be resumed.

    Raises:
        KeyboardInterrupt: a person stopped it; everything that was finished is recorded, and the run can be resumed.
        RunError: another process searches this run, or it is damaged.
        MachineError: the machine lacks what every evaluation needs.
    """
    _check_same_search(study.settings, settings)
    with study.writing(problem) as writer:
        _note_sanity(study, problem)
        study.record_budget(settings.budget)
        write_control(study.folder, "run")
        executor = executor_factory()
        search = _Search(study.folder, writer, proposer, executor, settings, on_event, gate, wait)
        try:
            reason = search.run()
            on_event(Stopped(reason))
        except KeyboardInterrupt:
            search.rescue()
            on_event(Stopped("interrupted"))
            raise
        finally:
            executor.close()
            search.leave()
        return _summary(study, search.seconds(), reason, search.waiting())


class _Search:
    """One session of a search."""

    def __init__(
        self,
        folder: Path,
        writer: Writer,
        proposer: Proposer,
        executor: Executor,
        settings: RunSettings,
        on_event: Callable[[Event], None],
        gate: Gate,
        wait: bool,
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._queue = Queue(writer, settings)
        self._proposer = proposer
        self._executor = executor
        self._settings = settings
        self._on_event = on_event
        self._gate = gate
        self._wait = wait
        self._began = time.monotonic()
        self._idle = 0.0
        self._running: dict[int, Candidate] = {}
        self._fits, self._file = RunningFits(), RunningFile(folder)
        self._control: Control = "run"
        self._waits: set[int] = set()
        self._reason: Reason = "trials"

    def run(self) -> Reason:
        """Propose, evaluate and record until nothing runs and nothing may start."""
        while True:
            self._hear()
            if self._control == "run":
                self._fill()
            self._file.keep(self._now)
            if self._running:
                outcome = self._executor.next_done(TICK_SECONDS)
                self._report()
                if outcome is not None:
                    self._record(outcome)
                continue
            over = self._over()
            if over is not None:
                return over
            time.sleep(TICK_SECONDS)
            self._idle += TICK_SECONDS

    def _over(self) -> Reason | None:
        """Why the search ends now that nothing runs; None if it does not."""
        if self._control != "run":
            return "stopped" if self._control == "stop" else None
        waiting, left = self._undecided(), self._open()
        if not left:
            return self._reason
        return "review" if waiting == left and not self._wait else None

    def seconds(self) -> float:
        """Search time, earlier sessions included; without the time in which nothing but a person could go on."""
        return self._writer.seconds_before + time.monotonic() - self._began - self._idle

    def waiting(self) -> int:
        """How many proposals wait for a person."""
        return len(self._undecided())

    def rescue(self) -> None:
        """Record what is finished, after an interruption."""
        for outcome in self._executor.drain():
            self._record(outcome)

    def leave(self) -> None:
        """Say no more what runs."""
        self._file.remove()

    def _report(self) -> None:
        """Pass on how far evaluations are."""
        for number, told in self._executor.progress():
            if number in self._running:
                self._fits.tell(number, told.stage, told.step, told.error)
                self._on_event(Progress(number, told.stage, told.step, told.error))

    def _now(self) -> Running:
        evaluations = self._writer.evaluations.values()
        return Running(
            fits=self._fits.now(),
            paused=self._control == "pause",
            waiting=len(self._undecided()),
            evaluated=len(evaluations),
            failed=sum(item.status == "failed" for item in evaluations),
            seconds=round(self.seconds(), 1),
        )

    def _hear(self) -> None:
        """Find out what persons have said."""
        self._writer.hear()
        for number in [n for n in self._waits if self._writer.proposals[n].decision is not None]:
            self._waits.discard(number)
            self._tell_refused(number)
        control, by = read_request(self._folder)
        if control != self._control:
            self._on_event(TOLD[control](by))
        self._control = control

    def _record(self, outcome: Outcome) -> None:
        number = outcome.evaluation.number
        evaluation = self._writer.record(number, outcome, self.seconds())
        del self._running[number]
        self._fits.end(number)
        self._on_event(Finished(evaluation))

    def _fill(self) -> None:
        """Start evaluations until all workers are busy or nothing may start yet."""
        for number in self._open():
            if len(self._running) >= self._executor.capacity:
                return
            self._judge(number)
        while len(self._running) < self._executor.capacity:
            fresh = self._propose()
            if fresh is None:
                return
            self._judge(fresh)

    def _open(self) -> list[int]:
        return self._queue.open(self._running)

    def _undecided(self) -> list[int]:
        return self._queue.undecided(self._running)

    def _judge(self, number: int) -> None:
        """Start a proposal if it is approved; the gate is asked unless there is a decision."""
        candidate = self._writer.proposals[number].candidate
        decision = self._decision(number)
        if decision is None:
            if number not in self._waits:
                self._waits.add(number)
                self._on_event(Waits(number, candidate))
        elif decision.approved:
            self._running[number] = candidate
            self._fits.start(number, candidate)
            self._executor.submit(candidate, number)
            self._on_event(Started(number, candidate))
        else:
            self._tell_refused(number)

    def _decision(self, number: int) -> Decision | None:
        """What is decided about a proposal, now if it was not before."""
        proposal = self._writer.proposals[number]
        if proposal.decision is not None:
            return proposal.decision
        found = self._asked(proposal)
        return None if found is None else self._writer.decide(number, found, self.seconds())

    def _asked(self, proposal: Proposal) -> Decision | None:
        """What is decided without a person."""
        return self._queue.repeat(proposal.number, proposal.candidate) or self._gate(proposal)

    def _propose(self) -> int | None:
        """Add the next proposal; None if there may be none, or none yet."""
        number = self._writer.next_number()
        if self._is_over() or not self._queue.has_room(number, self._undecided()):
            return None
        taken = self._writer.taken_before(number)
        candidate = self._proposer.propose(self._writer.history(number - self._settings.generation), taken, number)
        if candidate is None or self._queue.only_repeats(number):
            self._reason = "exhausted"
            return None
        decision = self._asked(Proposal(number, candidate))
        if not self._writer.propose(number, candidate, self.seconds(), decision):
            return None  # a person's own candidate has this number: once more, at the next tick
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

    def _tell_refused(self, number: int) -> None:
        proposal = self._writer.proposals[number]
        if proposal.decision is not None and not proposal.decision.approved:
            self._on_event(Refused(number, proposal.candidate, proposal.decision))


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


def _summary(study: Study, seconds: float, reason: Reason, waiting: int) -> Summary:
    ranked = study.ranked()
    ok = [evaluation for evaluation in ranked if evaluation.status == "ok"]
    return Summary(
        best=study.best(),
        baselines=study.baselines(),
        evaluated=len(ranked),
        failed=len(ranked) - len(ok),
        seconds=seconds,
        reason=reason,
        waiting=waiting,
    )
