from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from archsearch.problem.problem import Part, Problem
from archsearch.problem.space import SearchSpace
from archsearch.problem.trajectories import Trajectories
from archsearch.training.score import no_change, score, significant


@pytest.fixture
def problem() -> Problem:
    space = SearchSpace.model_validate(
        {
            "problem": {"title": "t"},
            "data": {"file": "d.csv"},
            "split": {},
            "states": [{"name": "a"}, {"name": "b"}],
            "constraints": [{"name": "a_is_positive", "expression": "a >= 0"}],
        }
    )
    states = np.array([[[1.0, 10.0], [2.0, np.nan], [3.0, 30.0]], [[1.0, 10.0], [5.0, 20.0], [np.nan, np.nan]]])
    times = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 1.0]])
    lengths = np.array([3, 2])
    trajectories = Trajectories(("x", "y"), times, states, np.zeros((2, 3, 0)), lengths)
    given = np.array([[True, False, False], [True, False, False]])
    part = Part(trajectories, given, trajectories.valid & ~given, "first")
    return Problem(space, Path(), "t", part, part, None, np.array([2.0, 10.0]), "")


def test_score_is_what_one_computes_by_hand(problem: Problem) -> None:
    predicted = np.array([[[9.0, 9.0], [3.0, 99.0], [3.0, 40.0]], [[9.0, 9.0], [1.0, 20.0], [0.0, 0.0]]])
    found = score(problem, problem.validation, predicted)
    squares = [(3 - 2) / 2, 0.0, (40 - 30) / 10, (1 - 5) / 2, 0.0]
    assert found.nrmse == pytest.approx(math.sqrt(sum(x * x for x in squares) / 5), rel=1e-3)
    assert found.rmse["a"] == pytest.approx(math.sqrt((1 + 0 + 16) / 3), rel=1e-3)
    assert found.rmse["b"] == pytest.approx(math.sqrt((100 + 0) / 2), rel=1e-3)
    assert found.per_trajectory["y"] == pytest.approx(math.sqrt(4 / 2), rel=1e-3)
    assert (found.trajectories, found.diverged) == (2, 0)


def test_samples_that_are_given_or_missing_or_padding_do_not_count(problem: Problem) -> None:
    predicted = np.nan_to_num(problem.validation.trajectories.states, nan=7.0)
    predicted[:, 0] = 1e6
    assert score(problem, problem.validation, predicted).nrmse == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_makes_its_trajectory_diverged_and_the_score_infinite(
    problem: Problem, bad: float
) -> None:
    predicted = np.nan_to_num(problem.validation.trajectories.states, nan=7.0)
    predicted[1, 1, 0] = bad
    found = score(problem, problem.validation, predicted)
    assert found.diverged == 1
    assert found.nrmse == math.inf
    assert found.per_trajectory["x"] == 0.0


def test_values_in_the_padding_may_be_anything(problem: Problem) -> None:
    predicted = np.nan_to_num(problem.validation.trajectories.states, nan=7.0)
    predicted[1, 2] = np.nan
    assert score(problem, problem.validation, predicted).diverged == 0


def test_the_worst_violation_of_a_constraint_is_kept(problem: Problem) -> None:
    predicted = np.nan_to_num(problem.validation.trajectories.states, nan=7.0)
    predicted[0, 1, 0] = -0.25
    assert score(problem, problem.validation, predicted).constraints == {"a_is_positive": 0.25}


def test_no_change_holds_the_last_observation_that_may_be_seen(problem: Problem) -> None:
    held = no_change(problem.validation)
    assert held[0, 2].tolist() == [1.0, 10.0]


def test_squares_by_unit_add_up_to_the_score(problem: Problem) -> None:
    predicted = np.array([[[9.0, 9.0], [3.0, 99.0], [3.0, 40.0]], [[9.0, 9.0], [1.0, 20.0], [0.0, 0.0]]])
    found = score(problem, problem.validation, predicted)
    assert found.counts == (1, 2, 2), "two trajectories are few, so the units are sampling times"
    assert found.nrmse == pytest.approx(math.sqrt(sum(found.squares) / sum(found.counts)), rel=1e-3)


def test_significant_digits() -> None:
    assert significant(123456.0) == 123500.0
    assert significant(0.00012345678) == 0.0001235
