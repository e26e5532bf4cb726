"""Where a model fails is said where it does, and not where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archsearch.candidate.outcome import Evaluation, Score
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.report.drawing import Model
from archsearch.report.growth import error_over_time, growth_figure
from archsearch.report.weakness import TINY, weaknesses


@pytest.fixture(scope="module")
def reactor() -> Problem:
    return load_problem("bioreactor")


def model(problem: Problem, errors: Any) -> Model:
    """Predictions that are off by `errors(times, generator)` times the scale of each state."""
    generator = np.random.default_rng(0)
    arrays = {}
    for name in ("train", "validation"):
        data = problem.part(name).trajectories  # type: ignore[union-attr,arg-type]  # both parts exist
        off = np.stack([errors(data.times, generator) for _ in problem.space.states], -1)
        arrays |= {f"{name}.states": data.states + problem.scales * off, f"{name}.times": data.times}
    return Model("best", "best", arrays)


def scored(rmse: float = 0.01, per: dict[str, float] | None = None, train: float = 0.1, **more: Any) -> Evaluation:
    score = Score(nrmse=0.1, rmse={"X": rmse, "S": 0.5}, per_trajectory=per or {}, trajectories=3, diverged=0, **more)
    fitted = score.model_copy(update={"nrmse": train})
    return Evaluation(number=0, candidate="c", author="grammar", status="ok", train=fitted, validation=score)


def noise(times: Any, generator: np.random.Generator) -> Any:
    return 0.1 * generator.standard_normal(times.shape)


def test_noise_is_called_noise(reactor: Problem) -> None:
    told = " ".join(weaknesses(reactor, model(reactor, noise), scored()))
    assert "looks like noise" in told
    assert "Held-out errors of X and S are no larger than the declared noise allows." in told
    assert "pattern" not in told
    assert "grows" not in told


def test_a_pattern_is_called_one(reactor: Problem) -> None:
    wavy = model(reactor, lambda times, _: 0.1 * np.sin(times / 3))
    told = " ".join(weaknesses(reactor, wavy, scored()))
    assert "follows a pattern in X (0." in told
    assert "something is missing" in told
    assert TINY in weaknesses(reactor, wavy, scored(train=1e-5)), "rounding has patterns, too"


def test_a_rollout_that_drifts_off_is_told(reactor: Problem) -> None:
    drifting = model(reactor, lambda times, generator: noise(times, generator) * np.where(times > 38, 20, 1))
    assert any(text.startswith("The error grows along the rollout") for text in weaknesses(reactor, drifting, scored()))
    times, errors = error_over_time(reactor, drifting, "validation")
    assert errors[times > 38].min() > 3 * errors[times < 38].max()


def test_errors_beyond_the_noise_and_the_worst_trajectory_are_named(reactor: Problem) -> None:
    best = scored(rmse=0.2, per={"1": 0.1, "2": 0.9, "3": 0.12})
    told = " ".join(weaknesses(reactor, model(reactor, noise), best))
    assert "exceed the declared noise in X (4 times)" in told
    assert "Trajectory 2 is the worst: nrmse 0.9, the median of the others is 0.11." in told


def test_broken_constraints_and_divergence_are_named(reactor: Problem) -> None:
    told = " ".join(weaknesses(reactor, model(reactor, noise), scored(constraints={"substrate": 0.3})))
    assert "It violates substrate somewhere" in told


def test_what_has_no_time_has_no_figure_over_time(reactor: Problem) -> None:
    static = replace(reactor, space=reactor.space.model_copy(
        update={"problem": reactor.space.problem.model_copy(update={"kind": "static"})}
    ))  # fmt: skip
    assert growth_figure(static, [model(reactor, noise)]) is None
    assert growth_figure(reactor, [model(reactor, noise)]) is not None
