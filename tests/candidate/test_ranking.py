from __future__ import annotations

import numpy as np
import pytest

from archsearch.candidate.outcome import Evaluation, Failure, FittedParameter, Score
from archsearch.candidate.ranking import as_good_as, best, rank


def evaluation(number: int, squares: list[float], size: int) -> Evaluation:
    nrmse = float(np.sqrt(np.mean(squares)))
    score = Score(
        nrmse=nrmse,
        rmse={},
        per_trajectory={},
        trajectories=1,
        diverged=0,
        squares=tuple(squares),
        counts=(1,) * len(squares),
    )
    parameter = FittedParameter(value=1.0, unit="1", low=None, high=None)
    return Evaluation(
        number=number,
        candidate=str(number),
        author="grammar",
        status="ok",
        validation=score,
        parameters={f"p{i}": parameter for i in range(size)},
    )


FAILED = Evaluation(
    number=99,
    candidate="99",
    author="grammar",
    status="failed",
    failure=Failure(kind="time", message="m", remedy="r"),
)


def test_rank_is_by_error_then_size_then_number_and_failures_come_last() -> None:
    good, large, late = evaluation(3, [1.0, 1.0], 1), evaluation(1, [1.0, 1.0], 5), evaluation(4, [1.0, 1.0], 1)
    assert [item.number for item in rank([FAILED, large, late, good])] == [3, 4, 1, 99]


def test_a_simpler_model_is_best_if_the_data_cannot_tell_it_from_the_first() -> None:
    first = evaluation(0, [1.0, 2.0, 3.0, 4.0], 9)
    as_good = evaluation(1, [1.5, 1.0, 3.9, 3.8], 2)
    assert best([first, as_good, FAILED]) is as_good


def test_a_simpler_model_that_is_worse_everywhere_is_not_best_though_both_vary_much() -> None:
    """Unpaired, the errors 10 \u00b1 5 and 11 \u00b1 5 would be the same; in pairs one is always behind."""
    first = evaluation(0, [1.0, 20.0, 3.0, 16.0], 9)
    behind = evaluation(1, [2.0, 21.0, 4.1, 16.9], 2)
    assert best([first, behind]) is first


def test_a_simpler_model_that_fails_on_one_trajectory_alone_is_not_best() -> None:
    """Its failure is what makes the difference uncertain."""
    first = evaluation(0, [0.03, 0.031, 0.029, 0.03, 0.032, 0.028], 9)
    lost = evaluation(1, [0.029, 0.03, 0.028, 0.029, 0.031, 300.0], 2)
    assert best([first, lost]) is first


def test_a_larger_model_is_never_preferred_to_the_first() -> None:
    first, larger = evaluation(0, [1.0, 2.0], 2), evaluation(1, [1.0, 2.1], 3)
    assert best([larger, first]) is first


def test_nothing_is_best_of_failures() -> None:
    assert best([FAILED]) is None


def test_the_rule_errs_as_often_as_one_standard_error_does() -> None:
    """Of two equally good models the one that is ahead by chance is told apart in about a third of the cases."""
    rng, apart, draws = np.random.default_rng(0), 0, 400
    for _ in range(draws):
        one, other = (evaluation(i, list(5.0 + rng.standard_normal(30)), 1) for i in (0, 1))
        first, second = rank([one, other])
        apart += not as_good_as(second, first)
    assert apart / draws == pytest.approx(0.32, abs=0.08)
