"""What others have published, held by the whole chain: problems, figures and sources in `published_systems`."""

from __future__ import annotations

import numpy as np
import pytest
from hard_systems import SPRING, SPRING_TRUTH, spring
from published_systems import (
    FREE,
    KEEPING,
    LOOSE_TANKS,
    REACTORS,
    SHAPED,
    batch_reactor,
    fed_batch,
    growth_error,
    leslie_gower,
    new_batch,
    points,
    reaction_error,
    tanks,
    unlevel,
)
from simulated_problems import Problem, fitted

from archsearch.problem.space import State

WATER = np.array([0.1, 0.5, 2.0, 10.0])
SUBSTRATE = 2


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """What the first fit of a process pays for imports is not a fit."""
    fitted(batch_reactor(0, REACTORS["rate by a tanh net"]), 0)


@pytest.mark.parametrize("form", ["first-order rate times a tanh net", "rate by a softplus net"])
@pytest.mark.parametrize("seed", range(3))
def test_reaction_rate_of_a_batch_reactor_as_accurate_as_published_on_the_same_data(form: str, seed: int) -> None:
    """19 weights: 1.6 % in 1.3 s."""
    found = fitted(batch_reactor(0, REACTORS[form]), seed)
    assert reaction_error(found) <= 0.016
    assert found.seconds < 1.3


@pytest.mark.parametrize("seed", range(3))
def test_unknown_growth_of_leslie_gower_as_accurate_as_published(seed: int) -> None:
    """0.143 standard deviations in 9.9 s, its smooth and its pre-training not counted."""
    found = fitted(leslie_gower(seed), seed)
    assert growth_error(found) <= 0.143
    assert found.seconds < 5.0


@pytest.mark.parametrize("seed", range(2))
def test_joined_tanks_are_level_and_lose_no_water_at_every_collocation_point_of_the_trained_model(seed: int) -> None:
    problem = tanks(seed)
    found = fitted(problem, seed)
    assert found.found.status == "ok"
    assert len(points(found)) >= 3 * 30 * 3
    assert unlevel(found) <= 1e-8
    water, begun = (points(found) @ WATER).reshape(3, -1), problem.clean[:, 0] @ WATER
    np.testing.assert_allclose(water, np.broadcast_to(begun[:, None], water.shape), rtol=1e-9)
    truth = found.found.loss.error(problem.samples.states.new_tensor(problem.clean), problem.samples.valid)
    assert found.found.error <= 1.1 * truth, "the two nets describe the data as well as the truth does"


def test_tanks_that_only_tend_to_be_level_are_not() -> None:
    assert unlevel(fitted(tanks(1, LOOSE_TANKS), 1)) >= 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_fed_batch_predicts_a_new_batch_feasibly_and_accurately(seed: int) -> None:
    """Published are least -0.37, error 0.19, biomass 3.73 without limits, and 0.05, 0.30, 3.50 with them."""
    found = fitted(fed_batch(seed, SHAPED + KEEPING), seed)
    batch = new_batch(found.model)
    assert batch.least >= 0.0
    assert batch.error < 0.19
    assert batch.biomass == pytest.approx(3.51, rel=0.01)
    assert points(found)[:, SUBSTRATE].min() >= -1e-8


@pytest.mark.slow
def test_substrate_that_a_net_alone_would_overdraw_is_kept_by_limits() -> None:
    small = FREE.replace("(20, 20)", "(6,)")
    alone = fitted(fed_batch(1, small, declared=False), 1, scheme="implicit")
    kept = fitted(fed_batch(1, small + KEEPING, declared=False), 1)
    assert points(alone)[:, SUBSTRATE].min() < -0.01
    assert points(kept)[:, SUBSTRATE].min() >= -1e-8
    assert kept.found.error < 1.02 * alone.found.error, "at hardly any cost in misfit"
    assert new_batch(kept.model).error < new_batch(alone.model).error


@pytest.mark.parametrize("seed", [3, 4, 7])
def test_a_spring_is_recovered_from_a_start_of_another_frequency_by_the_whole_chain(seed: int) -> None:
    """From (2, 150) to (1, 400), where single shooting by a quasi-Newton method fails: `test_lifted`."""
    samples = spring(seed).samples
    states = (State(name="x", initial=1.0), State(name="v", observed=False, initial=0.0))
    found = fitted(Problem(SPRING, states, samples, samples.states.numpy()), seed)
    assert found.values() == pytest.approx(SPRING_TRUTH, rel=0.03)
