"""Differential-algebraic models: the equations hold where they are asked to, and the solution is the right one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from implicit_systems import INDEX_ONE, INDEX_TWO, TANKS, built, numbers, on_times
from scipy.integrate import solve_ivp
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.implicit.adaptive import accurate_implicit
from archsearch.training.implicit.radau import radau_step_of
from archsearch.training.implicit.rollout import implicit_rollout, rollout_stages

AREAS = numbers([0.1, 0.5, 2.0, 10.0])[0]
STARTS = numbers([2.8, 2.8, 1.7, 0.4], [2.9, 2.9, 2.2, 0.8], [1.5, 1.5, 0.8, 1.0])


def joined_tanks(t: float, x: np.ndarray) -> list[float]:
    """The same tanks with the two joined ones written as one: index 0."""
    u0, u3, u4 = 0.2 * x[0] * x[2], 0.1 * np.sqrt(x[0]), 0.1 * np.sqrt(x[1])
    return [(u0 - u3) / 0.6, (u3 - u4) / 2.0, (u4 - u0) / 10.0]


@pytest.fixture
def tanks() -> tuple[HybridModel, Coordinates, Tensor, Tensor]:
    return *built(TANKS), *on_times(torch.linspace(0, 400, 41), many=3)


@pytest.fixture
def points(tanks: tuple[HybridModel, Coordinates, Tensor, Tensor]) -> Tensor:
    """(3, 40, 3, 3, 6): complete states at the nodes of the rollout on the training grid."""
    model, coordinates, times, inputs = tanks
    step = radau_step_of(model, coordinates, 3)
    return rollout_stages(step, Flat.of(model).vector(model), STARTS, times, inputs)


def test_joined_tanks_are_level_at_every_collocation_point(points: Tensor) -> None:
    assert float((points[..., 0] - points[..., 1]).abs().max()) <= 1e-10


def test_tanks_lose_no_water_at_any_sample(points: Tensor) -> None:
    water = points[..., -1, -1, :4] @ AREAS
    torch.testing.assert_close(water, (STARTS @ AREAS)[:, None].expand_as(water), rtol=1e-11, atol=0)


def test_tanks_agree_with_the_same_tanks_written_without_algebraic_equations(
    tanks: tuple[HybridModel, Coordinates, Tensor, Tensor],
) -> None:
    model, coordinates, times, inputs = tanks
    found, algebraic = accurate_implicit(model, coordinates, STARTS, times, inputs, 1)
    for i, start in enumerate(STARTS[:, [0, 2, 3]].tolist()):
        options = {"method": "LSODA", "rtol": 1e-11, "atol": 1e-13}
        x = solve_ivp(joined_tanks, (0.0, 400.0), start, t_eval=times[i].numpy(), **options).y.T
        np.testing.assert_allclose(found[i].numpy(), x[:, [0, 0, 1, 2]], rtol=1e-7)
        second = 0.5 / 0.6 * (0.2 * x[1:, 0] * x[1:, 2] - 0.1 * np.sqrt(x[1:, 0]))
        np.testing.assert_allclose(algebraic[i, 1:, 1].numpy(), second, rtol=1e-5, atol=1e-7)
    assert bool(torch.isnan(algebraic[:, 0]).all())


def test_training_grid_comes_close_to_the_accurate_rollout(
    tanks: tuple[HybridModel, Coordinates, Tensor, Tensor],
) -> None:
    model, coordinates, times, inputs = tanks
    accurate = accurate_implicit(model, coordinates, STARTS, times, inputs, 1)[0]
    errors = [
        float((implicit_rollout(model, coordinates, STARTS, times, inputs, n)[0] - accurate).abs().max())
        for n in (2, 4, 8)
    ]
    assert errors[2] < errors[1] / 16 < errors[0] / 256, errors


def test_a_tank_that_runs_dry_is_nan_from_there_and_leaves_the_others_alone(
    tanks: tuple[HybridModel, Coordinates, Tensor, Tensor],
) -> None:
    model, coordinates, times, inputs = tanks
    starts = torch.cat([numbers([2.0, 2.0, 0.5, 0.1]), STARTS[1:]])
    found, _ = implicit_rollout(model, coordinates, starts, times, inputs, 3)
    others, _ = implicit_rollout(model, coordinates, STARTS[1:], times[1:], inputs[1:], 3)
    dry = torch.isnan(found[0]).all(-1)
    assert not dry[1]
    assert dry[-1]
    assert bool((dry[1:] >= dry[:-1]).all())
    torch.testing.assert_close(found[1:], others, rtol=1e-11, atol=0)


def test_a_start_that_breaks_the_equations_is_mended_without_losing_water(
    tanks: tuple[HybridModel, Coordinates, Tensor, Tensor],
) -> None:
    model, coordinates, times, inputs = tanks
    uneven, even = numbers([1.1, 0.48, 1.0, 1.0]), numbers([0.35 / 0.6, 0.35 / 0.6, 1.0, 1.0])
    found, wanted = (
        accurate_implicit(model, coordinates, start, times[:1, :5], inputs[:1, :5], 1)[0] for start in (uneven, even)
    )
    torch.testing.assert_close(found[:, 1:], wanted[:, 1:], rtol=1e-7, atol=0)


def test_index_one_is_solved_from_the_first_sample_on() -> None:
    model, coordinates = built(INDEX_ONE)
    times, inputs = on_times([0.0, 0.3, 1.0, 3.0])
    for x, y in (
        implicit_rollout(model, coordinates, numbers([1.0]), times, inputs, 20),
        accurate_implicit(model, coordinates, numbers([1.0]), times, inputs, 1),
    ):
        torch.testing.assert_close(x[..., 0], (1 + times) ** -0.5, rtol=1e-7, atol=0)
        torch.testing.assert_close(y[..., 0], -((1 + times) ** -1.5) / 2, rtol=1e-6, atol=0)
        torch.testing.assert_close(y[..., 0], -(x[..., 0] ** 3) / 2, rtol=1e-12, atol=0)


def test_index_two_is_solved_after_the_first_sample() -> None:
    model, coordinates = built(INDEX_TWO)
    times, inputs = on_times([0.0, 0.3, 0.5, 1.0])
    x, y = implicit_rollout(model, coordinates, numbers([0.0, 1.0]), times, inputs, 10)
    wanted = torch.stack([torch.sin(times), torch.cos(times)], -1)
    torch.testing.assert_close(x, wanted, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(y[:, 1:, 0], torch.ones(1, 3, dtype=torch.float64), rtol=1e-5, atol=0)
    assert bool(torch.isnan(y[:, 0]).all())


def test_an_unsolvable_dae_is_nan_and_leaves_the_others_alone() -> None:
    model, coordinates = built(INDEX_TWO)
    times, inputs = on_times([0.0, 0.3, 0.5], many=2)
    starts = numbers([0.0, 1.0], [0.0, 0.0])  # without b, nothing moves a
    for rolled in (implicit_rollout, accurate_implicit):
        x, y = rolled(model, coordinates, starts, times, inputs, 1)
        alone, _ = rolled(model, coordinates, starts[:1], times[:1], inputs[:1], 1)
        assert bool(torch.isnan(x[1, 1:]).all())
        assert bool(torch.isnan(y[1]).all())
        torch.testing.assert_close(x[:1], alone, rtol=1e-13, atol=1e-14)
