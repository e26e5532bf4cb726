from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from archsearch.candidate.outcome import Evaluation, FittedNet, FittedTerm, Score
from archsearch.candidate.ranking import best
from archsearch.problem.problem import Problem
from archsearch.report.comparison import Comparison, bootstrap, scored_sizes
from archsearch.report.verdict import about_nets, judge, kind_of
from archsearch.report.wording import percent
from archsearch.settings import RunSettings
from archsearch.study.store import Study

NET = {"n": FittedNet(role="add", inputs=("a",), hidden=(4,), weights=9)}
GIVEN = {"growth": FittedTerm(status="given")}
NAMES = [f"t{index}" for index in range(6)]


def evaluation(number: int, errors: list[float], *, net: bool = False, physics: bool = True) -> Evaluation:
    error = float(np.sqrt(np.mean(np.square(errors))))
    per = dict(zip(NAMES, errors, strict=False))
    score = Score(nrmse=error, rmse={"a": error}, per_trajectory=per, trajectories=len(errors), diverged=0)
    return Evaluation(
        number=number, candidate=f"c{number}", author="grammar", status="ok", validation=score,
        nets=NET if net else {}, terms=GIVEN if physics else {"growth": FittedTerm(status="dropped")},
    )  # fmt: skip


def run(*evaluations: Evaluation, baselines: dict[str, int], test: dict[str, Score] | None = None) -> Any:
    """A study of these evaluations."""
    by_number = {item.number: item for item in evaluations}
    return SimpleNamespace(
        evaluations=lambda: list(evaluations),
        ranked=lambda: sorted(evaluations, key=lambda item: (item.error, item.number)),
        best=lambda: best(evaluations),
        baselines=lambda: {key: by_number[number] for key, number in baselines.items()},
        sanity={"no_change": 1.5},
        settings=RunSettings(),
        test_scores=lambda: test or {},
    )


class Sized(SimpleNamespace):
    def __init__(self, number: int, ids: tuple[str, ...], observed: np.ndarray) -> None:
        super().__init__(number=number, ids=ids, observed=observed)

    def __len__(self) -> int:
        return int(self.number)


def trajectories(number: int) -> Any:
    """A problem with that many held-out trajectories, ten observations each."""
    held_out = Sized(number, tuple(NAMES[:number]), np.ones((number, 10, 1), bool))
    part = SimpleNamespace(trajectories=held_out, scored=np.ones((number, 10), bool))
    return SimpleNamespace(validation=part, test=None)


BASE = {"physics": 0, "net": 1}
PHYSICS = evaluation(0, [0.8] * 6)
ALONE = evaluation(1, [0.9] * 6, net=True, physics=False)


def test_a_hybrid_that_is_better_everywhere_is_a_yes_with_its_interval() -> None:
    leader = evaluation(2, [0.4, 0.41, 0.39, 0.42, 0.38, 0.4], net=True)
    verdict = judge(run(PHYSICS, ALONE, leader, baselines=BASE), trajectories(6))
    assert verdict.answer == "yes"
    assert verdict.headline.startswith("A hybrid model predicts the held-out data better than the physics as given")
    against = verdict.comparisons[0]
    assert against.reduction == pytest.approx(0.5, abs=0.01)
    assert against.interval is not None
    assert 0.4 < against.interval[0] < against.interval[1] < 0.6
    assert "intervals of the reduction, over the 6 held-out trajectories" in verdict.text


def test_a_lead_that_hangs_on_one_trajectory_is_not_called_one() -> None:
    leader = evaluation(2, [0.81, 0.82, 0.81, 0.83, 0.8, 0.1], net=True)
    verdict = judge(run(PHYSICS, ALONE, leader, baselines=BASE), trajectories(6))
    assert verdict.answer == "undecided"
    assert (
        verdict.headline == "A hybrid model is better than the net alone, but cannot be told from the physics as given."
    )


def test_a_lead_over_nobody_that_is_beyond_chance_is_called_chance() -> None:
    leader = evaluation(2, [0.81, 0.82, 0.81, 0.83, 0.8, 0.1], net=True)
    rivals = (PHYSICS, evaluation(1, [0.81, 0.8, 0.8, 0.8, 0.8, 0.8], net=True, physics=False))
    verdict = judge(run(*rivals, leader, baselines=BASE), trajectories(6))
    assert verdict.answer == "undecided"
    assert "ahead of the physics as given and the net alone, but by less than chance can explain" in verdict.headline


def test_few_trajectories_are_compared_time_by_time() -> None:
    def timed(number: int, squares: tuple[float, ...], **more: bool) -> Evaluation:
        item = evaluation(number, [(sum(squares) / 12) ** 0.5], **more)
        assert item.validation is not None
        score = item.validation.model_copy(update={"squares": squares, "counts": (2,) * 6})
        return item.model_copy(update={"validation": score})

    best = timed(2, (0.10, 0.11, 0.09, 0.10, 0.12, 0.10), net=True)
    physics, alone = (
        timed(0, (0.40, 0.41, 0.39, 0.4, 0.42, 0.4)),
        timed(1, (0.1, 0.1, 0.1, 0.1, 0.1, 0.14), physics=False),
    )
    verdict = judge(run(physics, alone, best, baselines=BASE), trajectories(1))
    assert [item.told_apart for item in verdict.comparisons] == [True, False]
    assert verdict.answer == "undecided"
    assert "over the held-out sampling times" in verdict.text
    assert "One held-out trajectory gives none over trajectories" in verdict.text


def test_one_trajectory_gives_no_interval_and_the_verdict_says_so() -> None:
    leader = evaluation(2, [0.4], net=True)
    study = run(evaluation(0, [0.8]), evaluation(1, [0.9], net=True, physics=False), leader, baselines=BASE)
    verdict = judge(study, trajectories(1))
    assert verdict.answer == "yes"
    assert verdict.comparisons[0].interval is None
    assert "One held-out trajectory gives no confidence interval" in verdict.text
    assert "best of 3 on the very data that ranked them" in verdict.text


@pytest.mark.parametrize(("physics", "alone"), [(0.3, 0.9), (0.9, 0.3)])
def test_a_baseline_that_wins_means_that_joining_did_not_pay(physics: float, alone: float) -> None:
    study = run(
        evaluation(0, [physics] * 6), evaluation(1, [alone] * 6, net=True, physics=False),
        evaluation(2, [0.5] * 6, net=True), baselines=BASE,
    )  # fmt: skip
    verdict = judge(study, trajectories(6))
    assert verdict.answer == "no"
    assert "Joining did not pay" in verdict.headline


def test_a_tie_to_four_digits_is_no_win() -> None:
    leader = evaluation(2, [0.799999] * 6, net=True)
    assert judge(run(PHYSICS, ALONE, leader, baselines=BASE), trajectories(6)).answer == "no"


def test_a_net_that_is_no_baseline_is_still_a_net_alone() -> None:
    leader = evaluation(2, [0.2] * 6, net=True, physics=False)
    assert judge(run(PHYSICS, ALONE, leader, baselines=BASE), trajectories(6)).answer == "no"


def test_the_test_score_is_quoted_and_worse_than_no_change_is_said() -> None:
    leader = evaluation(2, [1.9] * 6)
    test = {"c2": Score(nrmse=2.125, rmse={}, per_trajectory={}, trajectories=1, diverged=0)}
    worse = [evaluation(0, [2.0] * 6), evaluation(1, [2.1] * 6, net=True, physics=False)]
    verdict = judge(run(*worse, leader, baselines=BASE, test=test), trajectories(6))
    assert "On the test data, which ranked nothing, its error is 2.125." in verdict.text
    assert "no better than predicting no change at all, which gives 1.5" in verdict.text


def test_a_lead_that_the_sealed_data_do_not_confirm_is_not_called_one() -> None:
    best = evaluation(2, [0.4, 0.41, 0.39, 0.42, 0.38, 0.4], net=True)
    errors = {"c0": 0.5, "c1": 0.9, "c2": 0.7}
    test = {
        key: Score(nrmse=error, rmse={}, per_trajectory={}, trajectories=1, diverged=0) for key, error in errors.items()
    }
    verdict = judge(run(PHYSICS, ALONE, best, baselines=BASE, test=test), trajectories(6))
    assert verdict.answer == "undecided"
    assert "ahead where models were chosen, but the physics as given on the sealed test data" in verdict.headline
    assert "its error is 0.7, beside 0.5 for the physics as given, 0.9 for the net alone." in verdict.text
    confirmed = {**test, "c2": test["c2"].model_copy(update={"nrmse": 0.3})}
    assert judge(run(PHYSICS, ALONE, best, baselines=BASE, test=confirmed), trajectories(6)).answer == "yes"


def test_without_physics_there_is_nothing_to_join() -> None:
    leader = evaluation(2, [0.2] * 6, net=True, physics=False)
    verdict = judge(run(ALONE, leader, baselines={"net": 1}), trajectories(6))
    assert verdict.answer == "no"
    assert "nothing to join" in verdict.headline


def test_what_a_model_is_called() -> None:
    baselines = {"physics": PHYSICS, "net": ALONE}
    assert kind_of(PHYSICS, baselines) == "the physics as given"
    assert kind_of(ALONE, baselines) == "a net alone"
    assert kind_of(evaluation(2, [1.0], net=True), baselines) == "a hybrid model"
    assert kind_of(evaluation(2, [1.0]), baselines) == "corrected physics"
    added = evaluation(2, [1.0]).model_copy(update={"terms": {"linear": FittedTerm(status="added")}})
    assert kind_of(added, baselines) == "a model of library terms"


def test_the_bootstrap_needs_five_trajectories_that_all_came_through() -> None:
    def interval(best: list[float]) -> tuple[float, float] | None:
        names = NAMES[: len(best)]
        other = dict.fromkeys(names, 1.0)
        sizes = dict.fromkeys(names, 10)
        return bootstrap(dict(zip(names, best, strict=True)), other, sizes, np.random.default_rng(0))

    assert interval([0.5] * 4) is None
    assert interval([0.5] * 4 + [float("inf")]) is None
    assert interval([0.5] * 5) == (0.5, 0.5)
    assert interval([0.5, 0.4, 0.6, 0.3, 0.7]) == interval([0.5, 0.4, 0.6, 0.3, 0.7])


def test_the_verdict_of_a_run(study: Study, problem: Problem) -> None:
    verdict = judge(study, problem)
    assert verdict.answer == "yes"
    assert "0.3456, beside 0.8123 for the physics as given" in verdict.text
    assert "The data do not determine growth_rate" in verdict.text
    assert "sealed test data have not been looked at" in verdict.text
    expected = int((problem.validation.scored[..., None] & problem.validation.trajectories.observed).sum())
    assert sum(scored_sizes(problem.validation).values()) == expected


def test_per_cent_is_rounded_to_what_it_can_bear() -> None:
    found = [percent(value).replace("\u00a0", " ") for value in (0.5, 0.004, 0.997, 0.99999)]
    assert found == ["50 %", "0.4 %", "99.7 %", "more than 99.9 %"]


def test_a_large_gain_is_told_as_a_factor() -> None:
    leader = evaluation(2, [1e-6] * 6)
    text = judge(run(PHYSICS, ALONE, leader, baselines=BASE), trajectories(6)).text
    assert "0.8 for the physics as given (800,000 times lower)" in text


def test_it_is_said_why_the_best_is_not_the_one_of_least_error() -> None:
    def scored(item: Evaluation, squares: tuple[float, ...]) -> Evaluation:
        assert item.validation is not None
        return item.model_copy(
            update={"validation": item.validation.model_copy(update={"squares": squares, "counts": (1,) * 6})}
        )

    least = scored(evaluation(2, [0.40] * 6, net=True), (0.1, 0.3, 0.1, 0.2, 0.2, 0.06)).model_copy(
        update={"weights": 99}
    )
    simple = scored(evaluation(3, [0.41] * 6, net=True), (0.2, 0.2, 0.2, 0.1, 0.2, 0.11))
    verdict = judge(run(PHYSICS, ALONE, least, simple, baselines=BASE), trajectories(6))
    assert "Number 2 has the smallest error, 0.4; number 3 is the simplest model that the held-out data" in verdict.text


def test_whether_a_net_was_needed_is_said_as_the_data_show_it() -> None:
    plain, joint, alone = evaluation(0, [0.5] * 6), evaluation(1, [0.4] * 6, net=True), ALONE
    assert about_nets([joint, plain, alone], plain)[0].startswith("That it needs a net is not shown")
    assert about_nets([plain, evaluation(1, [0.6] * 6, net=True), alone], plain) == [
        "It needs no net: the best model that joins one with the physics, number 1, has 0.6."
    ]
    assert about_nets([joint, plain, alone], joint) == ["The best model without a net, number 0, has 0.5."]
    assert about_nets([plain, alone], plain) == [], "a net alone joins nothing"


def test_a_rival_that_is_better_beyond_chance_is_told_apart_and_no_lead() -> None:
    behind = Comparison("net", "net alone", 1, 0.3, -0.3, (-0.5, -0.1))
    assert (behind.told_apart, behind.ahead, behind.told) == (True, False, "yes")
    assert behind.change.replace("\u00a0", " ") == "30 % higher"
    unknown = Comparison("net", "net alone", 1, 0.3, 0.1, None)
    assert (unknown.told_apart, unknown.ahead, unknown.told) == (None, None, "not known")
