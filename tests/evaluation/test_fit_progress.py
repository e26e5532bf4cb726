"""Whoever listens to a fit sees its error fall, and changes nothing of what comes out of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from archsearch.candidate.candidate import Candidate
from archsearch.evaluation import PREDICTING, Evaluator, Told
from archsearch.evaluation import evaluator as room
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.proposers.baselines import baseline_candidates
from archsearch.settings import RunSettings

LIE = """import os
import struct


def is_open(descriptor):
    try:
        return bool(os.fstat(descriptor))
    except OSError:
        return False


found = [descriptor for descriptor in range(3, 64) if is_open(descriptor)]
if len(found) > 1:  # a fit has one for its result and one for its progress
    os.write(found[-1], struct.pack("<dI52s", 0.0, 9, b"perfect"))
"""


@pytest.fixture(scope="module")
def problem() -> Problem:
    return load_problem("bioreactor")


@pytest.fixture(scope="module")
def evaluator(problem: Problem) -> Iterator[Evaluator]:
    with closing(Evaluator(problem, RunSettings())) as made:
        yield made


def test_the_error_of_a_fit_falls_and_its_record_is_the_same_with_and_without_a_listener(
    evaluator: Evaluator, problem: Problem
) -> None:
    candidate, told = baseline_candidates(problem.space)["net"], list[Told]()
    heard = evaluator.evaluate(candidate, 1, told.append)
    unheard = evaluator.evaluate(candidate, 1)
    errors = [item.error for item in told if item.error is not None]
    assert len(errors) >= 4
    assert errors[-1] < 0.9 * errors[0]
    assert told[-1] == Told(PREDICTING)
    assert heard.weights == unheard.weights
    assert {name: array.tobytes() for name, array in heard.predictions.items()} == {
        name: array.tobytes() for name, array in unheard.predictions.items()
    }
    apart = {"seconds", "failure"}
    assert heard.evaluation.model_dump(exclude=apart) == unheard.evaluation.model_dump(exclude=apart)


def test_what_a_candidate_writes_there_itself_is_a_claim_that_scores_nothing(
    evaluator: Evaluator, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "check", lambda source, space: [])
    honest = baseline_candidates(problem.space)["physics"]
    told: list[Told] = []
    liar = Candidate(honest.source.replace("from archsearch", f"{LIE}\nfrom archsearch", 1), "llm")
    found, truth = (evaluator.evaluate(item, 2, told.append).evaluation for item in (liar, honest))
    assert Told("perfect", 9, 0.0) in told
    assert found.validation == truth.validation
