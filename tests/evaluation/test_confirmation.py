"""A prediction that depends on what it may not depend on is found out, and an honest one never is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

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
PATCHED = (
    HONEST
    + """

import archsearch.training.jobs as jobs
_predict = jobs.predict
def _knowing(model, stored, tasks):
    every = _predict(model, stored, tasks)
    for name, found in every.items():
        task, samples, states = tasks[name], tasks[name].samples, found["dense_states"]
        CHANGE
    return every
jobs.predict = _knowing
"""
)
FUTURE = PATCHED.replace("CHANGE", "states += 0.1 * samples.inputs[:, -1:, :1]")
CHANCE = PATCHED.replace("CHANGE", "states += 0.02 * torch.randn(())")
LENGTH = PATCHED.replace("CHANGE", "states += 0.01 * samples.times[:, -1:, None]")


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


def test_a_refusal_does_not_depend_on_the_process(tank: Problem) -> None:
    one, again = (reduced(tank.validation, chance(tank, "abc", 3)) for _ in range(2))
    for first, second in zip(one, again, strict=True):
        assert first.rows == second.rows
        np.testing.assert_array_equal(first.ends, second.ends)
    for name, seed in (("abd", 3), ("abc", 4)):
        assert reduced(tank.validation, chance(tank, name, seed))[0].rows != one[0].rows


def check_less(whole: Part, less: Reduced) -> None:
    """What is left is what was there, in its own place."""
    trajectories, rows = less.part.trajectories, less.rows
    assert len(rows) == len(set(rows))
    assert less.known == tuple(whole.trajectories.ids[row] for row in rows)
    assert trajectories.ids == tuple(map(str, range(len(rows))))
    assert list(less.names) == list(less.known)
    for i, (row, end) in enumerate(zip(rows, less.ends, strict=True)):
        assert trajectories.lengths[i] == end
        np.testing.assert_array_equal(trajectories.times[i, :end], whole.trajectories.times[row, :end])
        np.testing.assert_array_equal(trajectories.inputs[i, :end], whole.trajectories.inputs[row, :end])
        np.testing.assert_array_equal(less.part.given[i, :end], whole.given[row, :end])
        assert not less.part.given[i, end:].any()
        later = whole.trajectories.inputs[row, end:]
        assert not np.isin(later, trajectories.inputs).any(), "no later input is anywhere in what is handed on"


@pytest.mark.parametrize("seed", range(20))
def test_all_are_asked_for_again_cut_short_and_half_of_them_whole(tank: Problem, seed: int) -> None:
    whole = tank.validation
    shortened, fewer = reduced(whole, np.random.default_rng(seed))
    for less in (shortened, fewer):
        check_less(whole, less)
    assert sorted(shortened.rows) == list(range(6))
    assert len(fewer.rows) == 3
    lengths = whole.trajectories.lengths
    assert (lengths[shortened.rows] / 2 <= shortened.ends).all()
    assert (shortened.ends < lengths[shortened.rows]).all()
    assert (fewer.ends == lengths[fewer.rows]).all()


@pytest.mark.parametrize("space", ["hare_lynx", "boarding_school_flu", "pendulum", "bioreactor", "fitzhugh_nagumo"])
def test_what_is_given_is_never_cut_off_and_something_that_counts_always(space: str) -> None:
    part = load_problem(space).validation
    for seed in range(20):
        less = reduced(part, np.random.default_rng(seed))
        assert len(less) == (1 if len(part.trajectories) == 1 else 2)
        for one in less:
            assert (one.part.given.sum(1) == part.given[one.rows].sum(1)).all()
            assert one.part.scored.any(1).all(), "something of each is left to be compared"
        assert (less[0].part.scored.sum(1) < part.scored[less[0].rows].sum(1)).all()


def test_what_nobody_measured_is_not_what_is_hidden(tank: Problem) -> None:
    """Samples behind the last that counts tell nothing when they are cut off."""
    states = tank.validation.trajectories.states.copy()
    states[:, 9:] = np.nan
    part = replace(tank.validation, trajectories=replace(tank.validation.trajectories, states=states))
    for seed in range(20):
        assert (reduced(part, np.random.default_rng(seed))[0].ends <= 8).all()


def test_one_sample_right_behind_what_is_given_cannot_be_hidden(tank: Problem) -> None:
    given = np.arange(12)[None, :] < np.full(6, 11)[:, None]
    part = replace(tank.validation, given=given, scored=~given)
    assert (reduced(part, np.random.default_rng(0))[0].ends == 12).all()


def test_disagreement_is_told_by_state_and_size(tank: Problem) -> None:
    whole = tank.validation
    less = reduced(whole, np.random.default_rng(0))[0]
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


GAUGED = (
    SPACE
    + """
[[inputs]]
name = "gauge"
"""
)
LATE = """for i in range(len(states)):
            for j in range(1, int(samples.valid[i].sum()) - 1):
                states[i, j * task.dense, 0] = samples.inputs[i, j + 1, 1]"""
WORST = LATE.replace("range(len(states))", "[int(samples.states[:, 0, 0].argmax())]")


def gauged(folder: Path, held_out: int) -> Problem:
    """Tanks, with a gauge among the inputs that shows the level one sample late: the next input is the level now."""
    generator = np.random.default_rng(5)
    lines = ["run,time,level,feed,gauge"]
    for run in range(held_out + 3):
        level = shown = generator.uniform(0.5, 2.0)
        for k in range(12):
            feed, seen = generator.uniform(0.0, 2.0), level + 0.1 * generator.standard_normal()
            lines.append(f"{run},{0.25 * k},{seen:.6f},{feed:.6f},{shown:.6f}")
            shown, level = seen, feed / 0.8 + (level - feed / 0.8) * np.exp(-0.8 * 0.25)
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    named = ", ".join(f'"{run}"' for run in range(held_out))
    (folder / "space.toml").write_text(GAUGED.replace("validation = 0.5", f"validation = [{named}]"))
    return load_problem(str(folder))


@pytest.mark.parametrize("held_out", [1, 2, 3, 5])
def test_no_variant_of_a_leak_is_let_pass(held_out: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out is drawn anew for every program, so that one that fails may be tried again a little changed."""
    monkeypatch.setattr(room, "check", lambda source, space: [])
    with closing(Evaluator(gauged(tmp_path, held_out), SETTINGS)) as made:
        honest = made.evaluate(Candidate(PATCHED.replace("CHANGE", "pass"), "llm"), 0)
        assert honest.evaluation.failure is None
        for read in (LATE, WORST):
            for variant in range(8):
                source = PATCHED.replace("CHANGE", read) + f"variant_{variant} = None\n"
                assert "predicts otherwise" in told(made.evaluate(Candidate(source, "llm"), 0))
