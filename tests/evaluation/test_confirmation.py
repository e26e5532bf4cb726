"""A prediction that depends on what it may not depend on is found out, and an honest one never is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from archsearch.candidate.candidate import Candidate
from archsearch.evaluation import Evaluator, Outcome
from archsearch.evaluation import evaluator as room
from archsearch.evaluation.confirmation import Reduced, chance, reduced
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Part, Problem
from archsearch.settings import FitSettings, Limits, RunSettings

SETTINGS = RunSettings(fit=FitSettings(least_squares_steps=15), limits=Limits(wall_seconds=120.0))
SPACE = """
[problem]
title = "A tank that is filled from outside"

[data]
file = "data.csv"
trajectory = "run"

[split]
by = "trajectory"
validation = 0.5

[[states]]
name = "level"

[[inputs]]
name = "feed"
"""
HEAD = '''"""A tank."""
import torch

from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    rate = Param(0.5, low=0.0, high=3.0)

'''
HONEST = (
    HEAD
    + """    def rhs(self, t, x, u):
        return {"level": u.feed - self.term("outflow", self.rate * x.level)}
"""
)
SHARED = """    def rhs(self, t, x, u):
        {cheat}
        return {{"level": u.feed - self.term("outflow", self.rate * x.level) {used}}}
"""
NEIGHBOURS = HEAD + SHARED.format(cheat="others = x.level.mean()", used="+ 0.1 * others")
SORTED = HEAD + SHARED.format(
    cheat="rank = (x.level < x.level.reshape(-1)[0]).double().mean()", used="* (1 + 0.1 * rank)"
)
FUTURE = (
    HONEST
    + """

import sys
import archsearch.training.jobs as jobs
_predict = jobs.predict
def _knowing(model, stored, tasks):
    every = _predict(model, stored, tasks)
    for name, found in every.items():
        task = tasks[name]
        later = task.samples.inputs[:, -1:, :1]
        found["dense_states"] = found["dense_states"] + 0.1 * later
    return every
jobs.predict = _knowing
"""
)
CHANCE = FUTURE.replace("0.1 * later", "0.02 * torch.randn(())")
LENGTH = FUTURE.replace("0.1 * later", "0.01 * task.samples.times[:, -1:, None]")


@pytest.fixture(scope="module")
def tank(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """Twelve tanks, each with a feed that jumps as it likes."""
    folder = tmp_path_factory.mktemp("tank")
    generator = np.random.default_rng(5)
    lines = ["run,time,level,feed"]
    for run in range(12):
        level = generator.uniform(0.5, 2.0)
        for k in range(12):
            feed = generator.uniform(0.0, 2.0)
            seen = level + 0.01 * generator.standard_normal()
            lines.append(f"{run},{0.25 * k},{seen:.6f},{feed:.6f}")
            level = feed / 0.8 + (level - feed / 0.8) * np.exp(-0.8 * 0.25)
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    (folder / "space.toml").write_text(SPACE)
    return load_problem(str(folder))


@pytest.fixture(scope="module")
def evaluator(tank: Problem) -> Iterator[Evaluator]:
    with closing(Evaluator(tank, SETTINGS)) as made:
        yield made


@pytest.fixture
def evaluate(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Outcome]:
    """Evaluates a source that the static check does not see."""
    monkeypatch.setattr(room, "check", lambda source, space: [])
    return lambda source: evaluator.evaluate(Candidate(source, "llm"), 0)


def told(outcome: Outcome) -> str:
    failure = outcome.evaluation.failure
    assert failure is not None, outcome.evaluation
    assert failure.kind == "result"
    return failure.message


def test_an_honest_candidate_is_confirmed_and_scored(evaluate: Callable[[str], Outcome]) -> None:
    outcome = evaluate(HONEST)
    assert outcome.evaluation.failure is None
    assert outcome.evaluation.parameters["rate"].value == pytest.approx(0.8, rel=0.05)


@pytest.mark.parametrize("name", ["NEIGHBOURS", "CHANCE", "SORTED", "FUTURE", "LENGTH"])
def test_a_prediction_that_depends_on_more_than_it_may_is_refused(
    evaluate: Callable[[str], Outcome], name: str
) -> None:
    assert "predicts otherwise" in told(evaluate(globals()[name]))


def test_a_refusal_does_not_depend_on_the_process(tank: Problem, evaluator: Evaluator) -> None:
    again = [reduced(tank.validation, chance(tank, "abc", 3)) for _ in range(2)]
    assert again[0].rows == again[1].rows
    np.testing.assert_array_equal(again[0].ends, again[1].ends)
    other = [reduced(tank.validation, chance(tank, name, seed)).rows for name, seed in (("abd", 3), ("abc", 4))]
    assert again[0].rows not in other


def check_less(whole: Part, less: Reduced) -> None:
    """What is left is what was there, in its own place."""
    trajectories, rows = less.part.trajectories, less.rows
    assert len(rows) == len(set(rows)) == (len(whole.trajectories) + 1) // 2
    assert less.known == tuple(whole.trajectories.ids[row] for row in rows)
    assert trajectories.ids == tuple(map(str, range(len(rows))))
    assert list(less.names) == list(less.known)
    assert less.ends[0] == whole.trajectories.lengths[rows[0]], "one is seen to its end"
    for i, (row, end) in enumerate(zip(rows, less.ends, strict=True)):
        length = int(whole.trajectories.lengths[row])
        assert length / 2 <= end <= length
        assert trajectories.lengths[i] == end
        np.testing.assert_array_equal(trajectories.times[i, :end], whole.trajectories.times[row, :end])
        np.testing.assert_array_equal(trajectories.inputs[i, :end], whole.trajectories.inputs[row, :end])
        np.testing.assert_array_equal(less.part.given[i, :end], whole.given[row, :end])
        assert not less.part.given[i, end:].any()
        later = whole.trajectories.inputs[row, end:]
        assert not np.isin(later, trajectories.inputs).any(), "no later input is anywhere in what is handed on"


@pytest.mark.parametrize("seed", range(20))
def test_less_is_half_of_the_trajectories_and_at_least_half_of_each(tank: Problem, seed: int) -> None:
    check_less(tank.validation, reduced(tank.validation, np.random.default_rng(seed)))


@pytest.mark.parametrize("space", ["hare_lynx", "boarding_school_flu", "pendulum"])
def test_what_is_given_of_a_trajectory_is_never_cut_off(space: str) -> None:
    part = load_problem(space).validation
    for seed in range(20):
        less = reduced(part, np.random.default_rng(seed))
        assert (less.part.given.sum(1) == part.given[less.rows].sum(1)).all()
        assert less.part.scored.any(1).all(), "something of each is left to be compared"


def test_disagreement_is_told_by_state_and_size(tank: Problem) -> None:
    whole = tank.validation
    less = reduced(whole, np.random.default_rng(0))
    predicted = np.nan_to_num(whole.trajectories.states) + 0.1
    again = predicted[less.rows, : less.part.trajectories.times.shape[1]].copy()
    assert less.disagreement(tank, whole, predicted, again) is None
    for allowed, wrong in ((True, 5e-4), (False, 5e-3), (False, np.nan), (False, np.inf)):
        found = less.disagreement(tank, whole, predicted, again + wrong)
        assert (found is None) == allowed
        assert found is None or found.startswith("level differs by")
    beyond = again.copy()
    for i, end in enumerate(less.ends):
        beyond[i, end:] = 1e9
    assert less.disagreement(tank, whole, predicted, beyond) is None, "what was cut off is not compared"
