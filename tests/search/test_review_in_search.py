"""What a search does while persons decide: never idle, never a silent yes, nothing lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from search_fakes import FakeEvaluator, write_space

from archsearch.candidate.candidate import Candidate
from archsearch.executors.local import LocalExecutor
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.recorded import RecordedProposer
from archsearch.review.kinds import kind_of
from archsearch.review.policy import policy_gate, recorded_gate, was_reviewed
from archsearch.search import (
    QUEUE,
    Event,
    Finished,
    Paused,
    Refused,
    Resumed,
    Stopped,
    Stopping,
    Summary,
    Waits,
    run_search,
)
from archsearch.settings import Budget, RunSettings
from archsearch.study.control import write_control
from archsearch.study.memory import StudyMemory
from archsearch.study.record import Allow, Ban, Decision
from archsearch.study.steering import Steering
from archsearch.study.store import Study


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return load_problem(str(write_space(tmp_path_factory.mktemp("spaces") / "two_species")))


class Reviewed:
    """A run that persons decide in."""

    def __init__(self, problem: Problem, folder: Path, **settings: Any) -> None:
        self.problem = problem
        self.settings = RunSettings(**{"budget": Budget(trials=16), "review": "each", **settings})
        self.study = Study.create(folder, problem, self.settings, str(problem.folder))
        self.steering = Steering(self.study)
        self.events: list[Event] = []

    def search(
        self, wait: bool = False, on_event: Callable[[Event], None] = lambda event: None, **changes: Any
    ) -> Summary:
        settings = self.settings.model_copy(update=changes)

        def told(event: Event) -> None:
            self.events.append(event)
            on_event(event)

        return run_search(
            self.problem,
            self.study,
            GrammarProposer(self.problem.space, settings.seed, StudyMemory(self.study)),
            lambda: LocalExecutor(lambda: FakeEvaluator(failing=0.0), settings.workers),
            settings,
            told,
            policy_gate(self.study, self.problem.space, settings),
            wait,
        )

    def evaluated(self) -> set[int]:
        return {item.number for item in self.study.evaluations()}


@pytest.fixture
def run(problem: Problem, tmp_path: Path) -> Reviewed:
    return Reviewed(problem, tmp_path / "run")


def yes(by: str = "ann") -> Decision:
    return Decision(approved=True, by=by)


def test_nobody_there_is_never_a_silent_yes(run: Reviewed) -> None:
    summary = run.search()
    baselines = {item.number for item in summary.baselines.values()}
    assert summary.reason == "review"
    assert run.evaluated() == baselines
    assert summary.waiting == len(run.steering.waiting()) == QUEUE


def test_what_was_decided_while_nothing_ran_counts_when_the_search_goes_on(run: Reviewed) -> None:
    run.search()
    waiting = [item.number for item in run.steering.waiting()]
    run.steering.decide(waiting[0], yes())
    run.steering.decide(waiting[1], Decision(approved=False, by="ann", reason="no such thing"))
    run.search()
    assert waiting[0] in run.evaluated()
    assert waiting[1] not in run.evaluated()
    assert run.study.proposals()[waiting[1]].decision == Decision(approved=False, by="ann", reason="no such thing")


def test_undecided_proposals_do_not_hold_up_those_that_need_no_person(problem: Problem, tmp_path: Path) -> None:
    run = Reviewed(problem, tmp_path / "run", approve=("white-box",), budget=Budget(trials=40))
    run.search()
    waiting = [item.candidate for item in run.steering.waiting()]
    assert waiting
    assert all("Net(" in item.source for item in waiting)
    passed = [item for item in run.study.proposals().values() if item.decision and item.decision.by == "policy"]
    assert any("white-box" in (item.decision.reason if item.decision else "") for item in passed)
    assert max(item.number for item in passed) > min(item.number for item in run.steering.waiting())


def test_a_search_that_waits_goes_on_as_soon_as_somebody_decides(run: Reviewed) -> None:
    def decide_all(event: Event) -> None:
        if isinstance(event, Waits):
            threading.Timer(0.05, lambda: Steering(run.study).decide(event.number, yes())).start()

    summary = run.search(wait=True, on_event=decide_all)
    assert summary.reason == "trials"
    assert summary.evaluated == 16
    assert summary.waiting == 0


def test_the_time_in_which_it_can_only_wait_is_no_search_time(run: Reviewed) -> None:
    def later(event: Event) -> None:
        if isinstance(event, Waits):
            threading.Timer(1.5, lambda: Steering(run.study).decide(event.number, yes())).start()

    began = time.monotonic()
    summary = run.search(wait=True, on_event=later, budget=Budget(trials=4))
    assert time.monotonic() - began > 1.5
    assert summary.evaluated == 4
    assert summary.seconds < 1.0


def test_a_batch_is_decided_before_the_next_is_made(problem: Problem, tmp_path: Path) -> None:
    run = Reviewed(problem, tmp_path / "run", review="batch")
    run.search()
    first = run.steering.waiting()
    assert [item.number for item in first] == [3], "the baselines need nobody"
    run.steering.decide(3, yes())
    run.search()
    first = run.steering.waiting()
    assert [item.number for item in first] == [4, 5, 6, 7]
    for item in first[:-1]:
        run.steering.decide(item.number, yes())
    run.search()
    assert run.steering.waiting() == first[-1:], "one of the batch is open, so there is no other yet"
    run.steering.decide(first[-1].number, yes())
    run.search()
    assert [item.number for item in run.steering.waiting()] == [8, 9, 10, 11]


def test_all_like_one_that_was_approved_need_no_person(run: Reviewed) -> None:
    run.search()
    kind = kind_of(run.steering.waiting()[0].candidate)
    run.steering.wish(Allow(like=kind), "ann")
    run.search()
    alike = [item for item in run.study.proposals().values() if kind_of(item.candidate) == kind]
    assert len(alike) > 1
    assert all(item.decision is not None and item.decision.approved for item in alike)
    assert all(kind_of(item.candidate) != kind for item in run.steering.waiting())


def test_an_edit_takes_the_place_of_its_proposal(run: Reviewed) -> None:
    run.search()
    original = run.steering.waiting()[0]
    source = original.candidate.source.replace('"""', '"""Mine: ', 1)
    number = run.steering.replace(original.number, Candidate(source, "ann", "mine"), "ann", "the sign was wrong")
    run.search()
    child = run.study.resolve(str(number))
    assert (child.author, child.parents, child.status) == ("ann", (original.candidate.id,), "ok")
    decision = run.study.proposals()[original.number].decision
    assert decision is not None
    assert not decision.approved
    assert "the sign was wrong" in decision.reason
    assert original.number not in run.evaluated()


def test_a_persons_own_candidate_is_evaluated_while_the_search_runs(run: Reviewed) -> None:
    own = Candidate(GrammarProposer(run.problem.space, 7).propose((), frozenset(), 0).source + "\n# mine\n", "ann")  # type: ignore[union-attr]

    def propose(event: Event) -> None:
        if isinstance(event, Finished) and event.evaluation.number == 0:
            Steering(run.study).propose(own, "ann")

    run.search(on_event=propose, approve=("grammar",))
    assert any(item.candidate == own.id and item.author == "ann" for item in run.study.evaluations())
    assert len(run.study.evaluations()) == 16


def test_pause_finishes_what_runs_and_stop_can_be_resumed(problem: Problem, tmp_path: Path) -> None:
    run = Reviewed(problem, tmp_path / "run", review="never", workers=1)

    def steer(event: Event) -> None:
        if isinstance(event, Finished) and event.evaluation.number == 3:
            write_control(run.study.folder, "pause")
        if isinstance(event, Paused):
            seen.append(len(run.study.evaluations()))
            threading.Timer(0.6, lambda: seen.append(len(run.study.evaluations()))).start()
            threading.Timer(0.8, lambda: write_control(run.study.folder, "run")).start()
        if isinstance(event, Finished) and event.evaluation.number == 8:
            write_control(run.study.folder, "stop", "on the page\nby Ada")

    seen: list[int] = []
    summary = run.search(on_event=steer)
    assert seen[0] == seen[1]
    assert [type(e) for e in run.events if isinstance(e, Paused | Resumed)] == [Paused, Resumed]
    assert summary.reason == "stopped"
    assert run.events[-1] == Stopped("stopped")
    assert [e for e in run.events if isinstance(e, Stopping)] == [Stopping("on the page by Ada")]
    assert summary.evaluated < 16
    assert run.search().evaluated == 16
    straight = Reviewed(problem, tmp_path / "straight", review="never", workers=2)
    straight.search()
    assert [item.candidate for item in straight.study.evaluations()] == [
        item.candidate for item in run.study.evaluations()
    ]


def test_a_refusal_is_told_while_the_search_runs(run: Reviewed) -> None:
    def refuse(event: Event) -> None:
        if isinstance(event, Waits):
            Steering(run.study).decide(event.number, Decision(approved=event.number % 2 == 0, by="ann"))

    run.search(wait=True, on_event=refuse)
    refused = {event.number for event in run.events if isinstance(event, Refused) and event.decision.by == "ann"}
    assert refused == {n for n, p in run.study.proposals().items() if p.decision and not p.decision.approved}
    assert refused


def test_a_ban_refuses_what_waits_already_and_all_that_comes(run: Reviewed) -> None:
    run.search(budget=Budget(trials=30))
    banned = [item.number for item in run.steering.waiting() if "crowding" in item.candidate.source]
    assert banned
    run.steering.wish(Ban(name="crowding"), "ann")
    run.search(approve=("grammar",), budget=Budget(trials=30))
    for number in banned:
        decision = run.study.proposals()[number].decision
        assert decision is not None
        assert not decision.approved
        assert "'crowding', which is banned" in decision.reason
    evaluated = [run.study.source(item.number) for item in run.study.evaluations()]
    assert len(evaluated) == 30
    assert not any("crowding" in source for source in evaluated)


def test_a_search_that_needs_no_person_is_the_same_wherever_it_was_stopped_and_banned(
    problem: Problem, tmp_path: Path
) -> None:
    """A ban that came at the same proposal leads to the same search, whoever was faster."""
    results = []
    for workers in (1, 3):
        run = Reviewed(problem, tmp_path / str(workers), review="never", workers=workers)
        run.search(budget=Budget(trials=9))
        run.steering.wish(Ban(name="crowding"), "ann")
        run.search(budget=Budget(trials=24))
        results.append([item.candidate for item in run.study.evaluations()])
    assert results[0] == results[1]


def test_a_reviewed_search_can_be_repeated_with_what_was_proposed_and_decided(problem: Problem, tmp_path: Path) -> None:
    run = Reviewed(problem, tmp_path / "run")
    run.search()
    first, second, third = run.steering.waiting()[:3]
    run.steering.decide(first.number, yes())
    run.steering.decide(second.number, Decision(approved=False, by="ann", reason="no"))
    mine = Candidate(third.candidate.source + "\n# mine\n", "ann", "mine")
    run.steering.replace(third.number, mine, "ann")
    run.search()
    assert was_reviewed(run.study)
    again = Study.create(tmp_path / "again", problem, run.settings, str(problem.folder))
    run_search(
        problem,
        again,
        RecordedProposer({number: item.candidate for number, item in run.study.proposals().items()}),
        lambda: LocalExecutor(lambda: FakeEvaluator(failing=0.0), 1),
        run.settings,
        gate=recorded_gate(run.study),
    )
    assert again.proposals() == run.study.proposals()
    assert [item.candidate for item in again.evaluations()] == [item.candidate for item in run.study.evaluations()]
    assert mine.id in {item.candidate for item in again.evaluations()}


def test_what_is_expected_to_be_cheap_needs_no_person(problem: Problem, tmp_path: Path) -> None:
    run = Reviewed(problem, tmp_path / "run", approve=("grammar",), budget=Budget(trials=10))
    run.search()
    assert not run.steering.waiting()
    run.search(approve=("cheap:0.000001s",), budget=Budget(trials=14))
    assert run.steering.waiting(), "nothing is that cheap"
    run.search(approve=("cheap:1000s",), budget=Budget(trials=14))
    assert not run.steering.waiting()
    assert len(run.study.evaluations()) == 14
