"""The LLM against the grammar: at equal numbers of evaluations, and with the words that one search can bear."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from test_report_html import Page

from archsearch.candidate.outcome import Evaluation, Failure, Score
from archsearch.problem.problem import Problem
from archsearch.report.html import report_html
from archsearch.report.proposers_compared import about_proposers, authors
from archsearch.study.store import Study


def evaluation(number: int, author: str, error: float | None) -> Evaluation:
    if error is None:
        failure = Failure(kind="fit", message="no", remedy="yes")
        return Evaluation(number=number, candidate=f"c{number}", author=author, status="failed", failure=failure)
    noise = (0.5, 1.5, 0.7, 1.3, 1.0, 1.0) if author == "llm" else (1.5, 0.5, 1.3, 0.7, 1.0, 1.0)
    squares = tuple(error**2 * factor for factor in noise)
    score = Score(nrmse=error, rmse={}, per_trajectory={}, trajectories=1, diverged=0, squares=squares, counts=(1,) * 6)
    return Evaluation(number=number, candidate=f"c{number}", author=author, status="ok", validation=score)


def run(*found: Evaluation, proposer: str = "both", name: str = "run") -> Any:
    baseline = evaluation(0, "grammar", 0.001)
    return SimpleNamespace(
        id=name,
        evaluations=lambda: [baseline, *found],
        baselines=lambda: {"physics": baseline},
        settings=SimpleNamespace(proposer=proposer),
    )


LLM = [evaluation(1, "llm", 0.5), evaluation(2, "llm", 0.4), evaluation(3, "llm", 0.01)]


def test_as_many_of_one_as_of_the_other_count_and_baselines_are_nobodys() -> None:
    grammar = [evaluation(4, "grammar", 0.9), evaluation(5, "grammar", None)]
    told = " ".join(about_proposers(run(*LLM, *grammar)))
    assert "2 each, the best of the LLM is number 2 with an error of 0.4, the best of the grammar number 4" in told
    assert "the LLM did better here" in told
    assert "One search of either says nothing of luck" in told


def test_what_the_data_cannot_tell_apart_is_no_win() -> None:
    told = " ".join(about_proposers(run(LLM[0], evaluation(4, "grammar", 0.51))))
    assert "this run cannot tell which proposes better" in told


def test_the_grammar_may_win() -> None:
    assert "the grammar did better here" in " ".join(about_proposers(run(LLM[0], evaluation(4, "grammar", 0.1))))


def test_without_proposals_of_the_grammar_the_run_cannot_tell() -> None:
    (told,) = about_proposers(run(*LLM, proposer="llm"))
    assert told.startswith("Whether the LLM did better than the grammar this run cannot tell")


def test_a_run_of_the_grammar_beside_it_is_compared_with() -> None:
    other = run(evaluation(1, "grammar", 0.2), proposer="grammar", name="other")
    told = " ".join(about_proposers(run(*LLM, proposer="llm"), [other]))
    assert "1 each, the best of the LLM is number 1" in told
    assert "the grammar in run other number 1 with 0.2: the grammar did better here" in told


def test_where_no_llm_took_part_nothing_is_said_of_it() -> None:
    assert about_proposers(run(evaluation(1, "grammar", 0.5))) == ()


def test_authors_are_counted_with_failures_and_refusals() -> None:
    found = authors([LLM[0], evaluation(4, "grammar", None)], ["llm", "llm", "anna"])
    assert found == (("anna", 0, 0, 1, "-"), ("grammar", 1, 1, 0, "-"), ("llm", 1, 0, 2, "0.5"))


def test_the_page_tells_it(study: Study, problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [e.model_copy(update={"author": "llm"}) if e.number == 3 else e for e in study.evaluations()]
    monkeypatch.setattr(Study, "evaluations", lambda self: changed)
    text = Page(report_html(study, problem)).text
    assert "The LLM and the grammar" in text
    assert "1 each, the best of the LLM is number 3 with an error of 0.3456" in text
