"""A conversation that a person wrote takes `bioreactor` from a constant growth rate to a law that saturates."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scripted_server import Asked, Exchange, Server, serving
from scripted_server import says as answer

from archsearch.candidate.candidate import Candidate
from archsearch.evaluation import Evaluator, Outcome, Tell, nobody
from archsearch.executors.local import LocalExecutor
from archsearch.llm.client import Llm
from archsearch.llm.endpoint import endpoint_of
from archsearch.problem.loading import load_problem
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.language import LanguageProposer
from archsearch.proposers.questions import ROUND, Questions
from archsearch.search import Summary, approve_all, run_search
from archsearch.settings import Budget, LlmSettings, RunSettings
from archsearch.study.memory import StudyMemory, refusing
from archsearch.study.store import Study

CONVERSATION = Path(__file__).parent / "conversation"
FIRST, ROUNDS = 3, 3
TRIALS = FIRST + ROUNDS * ROUND
SETTINGS = RunSettings(proposer="llm", generation=1, workers=1, budget=Budget(trials=TRIALS))
PROBLEM = load_problem("bioreactor")


def reply(number: int) -> dict[str, object]:
    return tomllib.loads((CONVERSATION / f"round_{number}.toml").read_text())


def says(exchange: Exchange, asked: Asked) -> None:
    """The reply to a question, by how many candidates it tells of."""
    told = asked.body["messages"][1]["content"]
    number = next(k for k in range(ROUNDS, 0, -1) if f"\n{FIRST + ROUND * (k - 1)} candidates were evaluated" in told)
    answer(json.dumps(reply(number)))(exchange, asked)


class Recorded:
    """Gives the outcomes of another run, so that a search is repeated without fitting anything again."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        found = self.study.resolve(str(number))
        assert found.candidate == candidate.id
        return Outcome(found, self.study.weights(number), self.study.predictions(number), self.study.log(number))

    def close(self) -> None:
        pass


@contextmanager
def llm(folder: Path, server: Server | None, replay: Path | None = None) -> Iterator[Llm]:
    named = LlmSettings(model="by-hand", base_url=server.base_url if server else "http://127.0.0.1:9/v1")
    endpoint = endpoint_of(named, {})
    assert endpoint is not None
    with Llm(endpoint, folder / "llm", replay / "llm" if replay else None) as made:
        yield made


def search(folder: Path, evaluator: Evaluator | Recorded, asked: Llm) -> tuple[Study, Summary, list[str]]:
    study = Study.create(folder, PROBLEM, SETTINGS, "bioreactor")
    memory, grammar, told = StudyMemory(study), GrammarProposer(PROBLEM.space, 0), []
    proposer = LanguageProposer(Questions(PROBLEM, memory, SETTINGS.generation), asked, grammar, told.append)
    gate = refusing(memory, PROBLEM.space, approve_all)
    summary = run_search(PROBLEM, study, proposer, lambda: LocalExecutor(lambda: evaluator, 1), SETTINGS, gate=gate)
    return study, summary, told


def candidates(study: Study) -> dict[int, Candidate]:
    return {number: item.candidate for number, item in study.proposals().items()}


@pytest.mark.slow
def test_from_a_constant_growth_rate_through_a_net_to_a_law_that_saturates(tmp_path: Path) -> None:
    evaluator = Evaluator(PROBLEM, SETTINGS)
    try:
        with serving(says) as server, llm(tmp_path / "first", server) as asked:
            study, summary, told = search(tmp_path / "first", evaluator, asked)
            questions = [entry.body["messages"][1]["content"] for entry in server.asked]
    finally:
        evaluator.close()
    assert told == []
    assert len(questions) == ROUNDS
    found = study.evaluations()
    assert [item.author for item in found] == ["grammar"] * FIRST + ["llm"] * (TRIALS - FIRST)
    constant, nets, laws = (found[start : start + ROUND] for start in (3, 6, 9))
    assert all(not item.nets for item in (*constant, *laws))
    assert all(item.nets for item in nets)
    net, law = min(nets, key=lambda item: item.error), laws[0]
    assert net.error < 0.5 * min(item.error for item in constant)
    assert law.error < 1.1 * net.error
    assert law.parents == (nets[0].candidate,)
    assert summary.best is not None
    assert summary.best.number in {item.number for item in laws}
    assert abs(law.parameters["mu_max"].value - 0.2) < 0.05
    for question, stage in zip(
        questions, ("Few laws", "laws that were tried", "Find the law that the net"), strict=True
    ):
        assert stage in question
    with llm(tmp_path / "again", None, tmp_path / "first") as replayed:
        again, _, _ = search(tmp_path / "again", Recorded(study), replayed)
    assert candidates(again) == candidates(study)
    assert [item.error for item in again.evaluations()] == [item.error for item in found]
