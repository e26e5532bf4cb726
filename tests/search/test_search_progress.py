"""A search tells how far its fits are, in its own thread, and what it finds is the same whoever listens."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from search_fakes import FakeEvaluator, write_space
from test_search_loop import begin

from archsearch.candidate.candidate import Candidate
from archsearch.evaluation import Outcome, Tell, Told, nobody
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.search import Event, Finished, Progress, Started
from archsearch.study.running import RUNNING, Running, read_running


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return load_problem(str(write_space(tmp_path_factory.mktemp("spaces") / "two_species")))


class Telling(FakeEvaluator):
    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        for step in range(1, 6):
            tell(Told("descent", step, 1.0 / step))
        return super().evaluate(candidate, number, tell)


class Flooding(FakeEvaluator):
    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        for step in range(50_000):
            tell(Told("descent", step, 1.0))
        return super().evaluate(candidate, number, tell)


def test_progress_comes_between_start_and_end_in_the_thread_of_the_search(problem: Problem, tmp_path: Path) -> None:
    bench, threads = begin(problem, tmp_path / "run", trials=6, workers=2), set[int]()
    bench.search(Telling, on_event=lambda _: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}
    for number in range(6):
        own = [event for event in bench.events if number_of(event) == number]
        kinds = [type(event) for event in own if not isinstance(event, Progress)]
        assert kinds[-2:] == [Started, Finished]
        assert type(own[-1]) is Finished
        told = [event for event in own if isinstance(event, Progress)]
        assert [(event.stage, event.step, event.error) for event in told] == [
            ("descent", step, 1.0 / step) for step in range(1, 6)
        ]
        assert own.index(told[0]) > own.index(next(event for event in own if isinstance(event, Started)))


def number_of(event: Event) -> int | None:
    return event.evaluation.number if isinstance(event, Finished) else getattr(event, "number", None)


def test_a_search_finds_the_same_whatever_its_evaluations_say(problem: Problem, tmp_path: Path) -> None:
    results = []
    for name, make in {"silent": FakeEvaluator, "telling": Telling, "flooding": Flooding}.items():
        bench = begin(problem, tmp_path / name, trials=10)
        bench.search(make)
        results.append(bench.result())
    assert results[0] == results[1] == results[2]


def test_others_see_what_runs_while_it_runs_and_nothing_afterwards(problem: Problem, tmp_path: Path) -> None:
    bench, seen = begin(problem, tmp_path / "run", trials=6, workers=2), list[Running]()

    def look(event: Any) -> None:
        found = read_running(bench.study.folder)
        if isinstance(event, Finished) and found is not None:
            seen.append(found)

    bench.search(lambda: Slow(failing=0.0), on_event=look)
    assert seen
    assert any(fit.stage == "descent" and fit.curve for running in seen for fit in running.fits)
    assert not (bench.study.folder / RUNNING).exists()


class Slow(Telling):
    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        outcome = super().evaluate(candidate, number, tell)
        threading.Event().wait(0.6)
        return outcome
