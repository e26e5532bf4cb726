"""Whatever an LLM's server does, a search ends with what the grammar would have found, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from misbehaviours import CASES, KEY, Case
from scripted_server import serving
from search_fakes import FakeEvaluator

from archsearch.executors.local import LocalExecutor
from archsearch.llm.client import Llm
from archsearch.llm.endpoint import endpoint_of
from archsearch.problem.loading import load_problem
from archsearch.proposers.base import Proposer
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.language import LanguageProposer
from archsearch.proposers.questions import Questions
from archsearch.search import approve_all, run_search
from archsearch.settings import Budget, LlmSettings, RunSettings
from archsearch.study.memory import StudyMemory, refusing
from archsearch.study.store import Study

SETTINGS = RunSettings(proposer="llm", workers=1, budget=Budget(trials=5))
PROBLEM = load_problem("bioreactor")


def found(study: Study, proposer: Proposer) -> list[tuple[str, float]]:
    gate = refusing(StudyMemory(study), PROBLEM.space, approve_all)
    run_search(PROBLEM, study, proposer, lambda: LocalExecutor(FakeEvaluator, 1), SETTINGS, gate=gate)
    return [(item.candidate, item.error) for item in study.evaluations()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, float]]:
    study = Study.create(tmp_path_factory.mktemp("alone") / "run", PROBLEM, SETTINGS, "bioreactor")
    return found(study, GrammarProposer(PROBLEM.space, 0))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_search_goes_on_with_the_grammar(case: Case, tmp_path: Path, alone: list[tuple[str, float]]) -> None:
    study, told = Study.create(tmp_path / "run", PROBLEM, SETTINGS, "bioreactor"), list[str]()
    grammar, questions = GrammarProposer(PROBLEM.space, 0), Questions(PROBLEM, StudyMemory(study), SETTINGS.generation)
    with serving(*case.steps) as server:
        named = LlmSettings(model="m", base_url=server.base_url, **{"timeout_seconds": 5.0, **case.settings})
        endpoint = endpoint_of(named, {"OPENAI_API_KEY": KEY})
        assert endpoint is not None
        with Llm(endpoint, study.folder / "llm") as llm:
            assert found(study, LanguageProposer(questions, llm, grammar, told.append)) == alone
    (note,) = told
    assert note.startswith("No reply from the LLM for the proposals from 3 on (")
    assert KEY[:10] not in note
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY[:10].encode() in path.read_bytes()]
