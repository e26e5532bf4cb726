from __future__ import annotations

import _thread
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from search_fakes import FakeEvaluator, write_space

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.errors import MachineError, RequestError, RunError
from archsearch.evaluation import Outcome, Tell, nobody
from archsearch.executors.local import LocalExecutor
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.proposers.base import Proposer
from archsearch.proposers.grammar import GrammarProposer
from archsearch.search import (
    Event,
    Finished,
    Proposed,
    Refused,
    Started,
    Stopped,
    Summary,
    approve_all,
    run_search,
)
from archsearch.settings import Budget, RunSettings
from archsearch.study.proposals import Gate, Proposal
from archsearch.study.record import Decision
from archsearch.study.store import Study


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return load_problem(str(write_space(tmp_path_factory.mktemp("spaces") / "two_species")))


class Bench:
    """A run and what is needed to go on with it."""

    def __init__(self, problem: Problem, folder: Path, settings: RunSettings) -> None:
        self.problem = problem
        self.settings = settings
        self.study = Study.create(folder, problem, settings, str(problem.folder))
        self.events: list[Event] = []
        self.evaluators: list[Any] = []

    def search(
        self,
        make: Callable[[], Any] = lambda: FakeEvaluator(seconds=0.01),
        proposer: Proposer | None = None,
        gate: Gate = approve_all,
        on_event: Callable[[Event], None] = lambda event: None,
        **changes: Any,
    ) -> Summary:
        settings = self.settings.model_copy(update=changes)

        def kept() -> Any:
            self.evaluators.append(make())
            return self.evaluators[-1]

        def told(event: Event) -> None:
            self.events.append(event)
            on_event(event)

        return run_search(
            self.problem,
            self.study,
            proposer or GrammarProposer(self.problem.space, settings.seed),
            lambda: LocalExecutor(kept, settings.workers),
            settings,
            told,
            gate,
        )

    def result(self) -> list[dict[str, Any]]:
        """All that a search leaves, but for how long things took."""
        return [item.model_dump(exclude={"seconds"}) for item in self.study.evaluations()]


@pytest.fixture
def bench(problem: Problem, tmp_path: Path) -> Bench:
    return Bench(problem, tmp_path / "run", RunSettings(budget=Budget(trials=16)))


def begin(problem: Problem, folder: Path, trials: int = 16, **settings: Any) -> Bench:
    return Bench(problem, folder, RunSettings(budget=Budget(trials=trials), **settings))


def test_search_is_the_same_whatever_the_workers_and_the_timing(problem: Problem, tmp_path: Path) -> None:
    results = []
    for workers in (1, 2, 5):
        bench = begin(problem, tmp_path / str(workers), trials=28, workers=workers)
        bench.search(lambda: FakeEvaluator(seconds=0.02))
        results.append(bench.result())
    assert len(results[0]) == 28
    assert all(result == results[0] for result in results[1:])


def test_identical_content_is_never_evaluated_twice(bench: Bench) -> None:
    bench.search(budget=Budget(trials=40))
    evaluated = [name for evaluator in bench.evaluators for name in evaluator.evaluated]
    assert len(evaluated) == len(set(evaluated)) == 40


def test_summary_counts_and_names_what_came_out(bench: Bench) -> None:
    summary = bench.search(lambda: FakeEvaluator(failing=0.3))
    evaluations = bench.study.evaluations()
    assert summary.evaluated == len(evaluations) == 16
    assert summary.failed == sum(item.status == "failed" for item in evaluations) > 0
    assert summary.best is not None
    assert summary.best.error == min(item.error for item in evaluations)
    assert summary.reason == "trials"
    assert set(summary.baselines) <= {"physics", "net", "physics_plus_net"}
    assert bench.study.sanity["no_change"] > 0


def test_events_tell_the_story_in_order(bench: Bench) -> None:
    bench.search(workers=1)
    for number in range(16):
        story = [
            type(event)
            for event in bench.events
            if getattr(event, "number", None) == number
            or (isinstance(event, Finished) and event.evaluation.number == number)
        ]
        assert story == [Proposed, Started, Finished]
    assert bench.events[-1] == Stopped("trials")


def test_a_finished_search_goes_on_with_a_larger_budget_as_if_it_had_had_it(problem: Problem, tmp_path: Path) -> None:
    whole = begin(problem, tmp_path / "whole", trials=30)
    whole.search()
    parts = begin(problem, tmp_path / "parts", trials=30)
    for trials in (1, 3, 4, 17, 30):
        parts.search(budget=Budget(trials=trials))
        assert len(parts.study.evaluations()) == trials
    assert parts.result() == whole.result()


def test_minutes_end_the_search_and_running_evaluations_finish(bench: Bench) -> None:
    summary = bench.search(lambda: FakeEvaluator(seconds=0.3), budget=Budget(trials=500, minutes=0.02))
    assert summary.reason == "minutes"
    assert 1 <= summary.evaluated < 100
    started = [event.number for event in bench.events if isinstance(event, Started)]
    assert sorted(started) == [item.number for item in bench.study.evaluations()]


def test_minutes_of_earlier_sessions_count(bench: Bench) -> None:
    bench.search(lambda: FakeEvaluator(seconds=0.2), budget=Budget(trials=500, minutes=0.01))
    before = len(bench.study.evaluations())
    again = bench.search(budget=Budget(trials=500, minutes=0.01))
    assert (again.reason, again.evaluated) == ("minutes", before)


def test_interrupt_stops_at_once_and_loses_nothing(problem: Problem, tmp_path: Path) -> None:
    whole = begin(problem, tmp_path / "whole")
    whole.search()
    bench = begin(problem, tmp_path / "run")

    def press(event: Event) -> None:
        if isinstance(event, Started) and event.number == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.search(on_event=press)
    finished = bench.study.evaluations()
    assert 4 <= len(finished) < 16
    assert bench.events[-1] == Stopped("interrupted")
    bench.search()
    assert bench.result() == whole.result()
    assert {item.candidate for item in finished} <= {item.candidate for item in bench.study.evaluations()}


class Broken(FakeEvaluator):
    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        if number % 3 == 1:
            raise ZeroDivisionError("somebody divided by nothing")
        return super().evaluate(candidate, number, tell)


def test_a_crash_of_the_evaluator_is_a_failure_and_the_search_goes_on(bench: Bench) -> None:
    summary = bench.search(lambda: Broken(failing=0.0))
    crashed = [item for item in bench.study.evaluations() if item.failure is not None]
    assert summary.evaluated == 16
    assert [item.number for item in crashed] == [1, 4, 7, 10, 13]
    assert all(item.failure is not None and item.failure.kind == "crash" for item in crashed)
    assert "divided by nothing" in (crashed[0].failure.message if crashed[0].failure else "")
    assert "Traceback" in bench.study.log(1)


class Confused(FakeEvaluator):
    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        return super().evaluate(candidate, number + 1, tell)


def test_an_evaluation_of_something_else_is_a_crash(bench: Bench) -> None:
    summary = bench.search(Confused, budget=Budget(trials=3))
    assert (summary.evaluated, summary.failed, summary.best) == (3, 3, None)


class Infinite(FakeEvaluator):
    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        outcome = super().evaluate(candidate, number, tell)
        score = outcome.evaluation.validation
        if score is None:
            return outcome
        score = score.model_copy(update={"nrmse": float("nan")})
        return replace(outcome, evaluation=outcome.evaluation.model_copy(update={"validation": score}))


def test_a_score_that_is_not_a_number_is_a_failure(bench: Bench) -> None:
    summary = bench.search(lambda: Infinite(failing=0.0), budget=Budget(trials=3))
    failures = [item.failure for item in bench.study.evaluations()]
    assert summary.best is None
    assert all(failure is not None and failure.kind == "result" for failure in failures)


class Helpless(FakeEvaluator):
    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        raise MachineError("no sandbox here", "install one")


def test_a_machine_that_cannot_evaluate_ends_the_search_resumably(bench: Bench) -> None:
    with pytest.raises(MachineError, match="no sandbox"):
        bench.search(Helpless)
    assert bench.study.evaluations() == []
    assert bench.search().evaluated == 16


def test_workers_are_gone_after_a_search(bench: Bench) -> None:
    bench.search()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker-")]


class Parrot(Proposer):
    """Says the same few things over and over."""

    def propose(self, history: Sequence[Evaluation], taken: frozenset[str], index: int) -> Candidate | None:
        return Candidate(f"x = {index % 3}", "parrot")


def test_a_proposer_that_repeats_itself_costs_no_trials_and_ends_the_search(bench: Bench) -> None:
    summary = bench.search(proposer=Parrot())
    assert (summary.evaluated, summary.reason) == (3, "exhausted")
    refused = [event for event in bench.events if isinstance(event, Refused)]
    assert refused[0].decision.reason == "the same as number 0"


class Spent(Proposer):
    def propose(self, history: Sequence[Evaluation], taken: frozenset[str], index: int) -> Candidate | None:
        return None if index == 5 else Candidate(f"x = {index}", "ann")


def test_an_exhausted_space_ends_the_search(bench: Bench) -> None:
    summary = bench.search(proposer=Spent())
    assert (summary.evaluated, summary.reason) == (5, "exhausted")


def test_what_the_gate_refuses_is_remembered_and_not_evaluated(bench: Bench) -> None:
    asked: list[str] = []

    def gate(proposal: Proposal) -> Decision:
        asked.append(proposal.candidate.id)
        return Decision(approved=len(asked) % 2 == 1, by="ann", reason="every other one")

    bench.search(gate=gate, workers=1)
    bench.search(gate=gate, workers=1)
    assert len(bench.study.evaluations()) == 16
    assert len(asked) == len(set(asked)) in (31, 32)
    decided = [item.decision for item in bench.study.proposals().values()]
    assert sum(item is not None and not item.approved for item in decided) == len(asked) - 16


def test_another_seed_is_another_run(bench: Bench) -> None:
    with pytest.raises(RequestError, match="seed = 0"):
        bench.search(seed=1)
    with pytest.raises(RequestError, match="generation = 4"):
        bench.search(generation=2)


def test_two_searches_of_one_run_exclude_each_other(bench: Bench) -> None:
    with bench.study.writing(bench.problem), pytest.raises(RunError, match=r"process \d+ is searching this run"):
        bench.search()
    assert bench.search().evaluated == 16


def test_journal_holds_one_trial_per_proposal_in_order(bench: Bench) -> None:
    bench.search()
    assert journal_of(bench.study) == expected_journal(bench.study)


@pytest.mark.parametrize("damage", ["removed", "torn", "garbage", "shortened", "empty", "foreign", "locked"])
def test_a_damaged_journal_is_mended_from_the_candidates(bench: Bench, damage: str) -> None:
    bench.search(budget=Budget(trials=8))
    path = bench.study.folder / "study.journal"
    data = path.read_bytes()
    if damage == "removed":
        path.unlink()
    elif damage == "locked":
        path.with_name("study.journal.lock").symlink_to(path)
    else:
        lines = data.splitlines(keepends=True)
        path.write_bytes(
            {
                "torn": data[:-7],
                "garbage": lines[0] + b"}{\n" + b"".join(lines[1:]),
                "shortened": b"".join(lines[:-1]),
                "empty": b"",
                "foreign": data.replace(b'"status":"ok"', b'"status":"no"').replace(b'"author"', b'"writer"'),
            }[damage]
        )
    bench.search()
    assert journal_of(bench.study) == expected_journal(bench.study)
    assert not path.with_name("study.journal.lock").is_symlink()


def journal_of(study: Study) -> list[tuple[str, float | None]]:
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(study.folder / "study.journal"))
    )
    trials = optuna.load_study(study_name="archsearch", storage=storage).trials
    return [(trial.user_attrs["candidate"], trial.value if trial.values else None) for trial in trials]


def expected_journal(study: Study) -> list[tuple[str, float | None]]:
    return [(item.candidate, item.error if item.status == "ok" else None) for item in study.evaluations()]


@pytest.mark.parametrize("damage", ["removed", "torn", "decisions lost", "evaluated lost"])
def test_a_damaged_log_of_proposals_changes_nothing_of_the_result(
    problem: Problem, tmp_path: Path, damage: str
) -> None:
    whole = begin(problem, tmp_path / "whole")
    whole.search()
    bench = begin(problem, tmp_path / "run")
    bench.search(budget=Budget(trials=8))
    path = bench.study.folder / "proposals.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    kinds = {"decisions lost": "decided", "evaluated lost": "evaluated"}
    if damage == "removed":
        path.unlink()
    elif damage == "torn":
        path.write_text("".join(lines)[:-20])
    else:
        path.write_text("".join(line for line in lines if json.loads(line)["event"] != kinds[damage]))
    bench.search()
    assert bench.result() == whole.result()
    logged = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["number"] for line in logged if line["event"] == "evaluated"} == set(range(16))


def test_a_deleted_candidate_is_evaluated_again(problem: Problem, tmp_path: Path) -> None:
    bench = begin(problem, tmp_path / "run")
    bench.search()
    before = bench.result()
    for path in next((bench.study.folder / "candidates").glob("0003-*")).iterdir():
        path.unlink()
    next((bench.study.folder / "candidates").glob("0003-*")).rmdir()
    bench.search()
    assert bench.result() == before


# an interrupt may fall between opening a file and the block that closes it; then Python closes it, and says so
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_interrupts_at_any_moment_lose_nothing(problem: Problem, tmp_path: Path) -> None:
    """Ctrl-C arrives by signal, wherever the main thread happens to be, rather than in a place that is made for it."""
    whole = begin(problem, tmp_path / "whole")
    whole.search()
    bench, moments = begin(problem, tmp_path / "run"), random.Random(4)
    for _ in range(8):
        known = {item.candidate for item in bench.study.evaluations()}
        timer = threading.Timer(moments.uniform(0.05, 0.3), _thread.interrupt_main)
        timer.start()
        try:
            bench.search(lambda: FakeEvaluator(seconds=0.1))
            timer.join()
            time.sleep(0.01)  # an interrupt that comes after the end of the search is to be caught here too
        except KeyboardInterrupt:
            timer.join()
        assert known <= {item.candidate for item in bench.study.evaluations()}
    bench.search()
    assert bench.result() == whole.result()
