from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from known_systems import DECAY, predator_prey
from scipy.integrate import solve_ivp

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.training.flow.integrate import Coordinates, rollout, solver_rollout
from archsearch.training.reported.accurate import accurate

LINEAR = Coordinates.of((State(name="prey"), State(name="hunter")))
LOGARITHMIC = Coordinates.of((State(name="prey", scale="log"), State(name="hunter", scale="log")))


def decay() -> HybridModel:
    return load_candidate(DECAY)(("x",))


def test_error_of_fixed_steps_falls_with_the_fourth_power_of_the_step() -> None:
    field = Coordinates.of((State(name="x"),)).field(decay())
    times, inputs = torch.tensor([[0.0, 4.0]], dtype=torch.float64), torch.zeros(1, 2, 0, dtype=torch.float64)
    start = torch.ones(1, 1, dtype=torch.float64)
    with torch.no_grad():
        errors = [
            abs(float(rollout(field, start, times, inputs, n)[0, -1, 0]) - math.exp(-2.0)) for n in (4, 8, 16, 32)
        ]
    orders = [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]
    assert all(3.8 < order < 4.4 for order in orders), orders


def test_our_steps_are_those_of_the_solver(lotka_volterra: HybridModel) -> None:
    field = LINEAR.field(lotka_volterra)
    z = torch.tensor([[1.0, 2.0], [0.5, 0.3]], dtype=torch.float64)
    times = torch.tensor([[0.0, 0.5, 0.7, 2.0], [0.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    inputs = torch.zeros(2, 4, 0, dtype=torch.float64)
    with torch.no_grad():
        ours, theirs = (roll(field, z, times, inputs, 3) for roll in (rollout, solver_rollout))
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("coordinates", [LINEAR, LOGARITHMIC])
def test_accurate_rollout_agrees_with_an_independent_solver(
    lotka_volterra: HybridModel, coordinates: Coordinates
) -> None:
    for name, value in {"birth": 1.3, "attack": 0.9, "gain": 0.8, "death": 1.8}.items():
        lotka_volterra.set_parameter(name, value)
    times = np.array([0.0, 0.3, 1.7, 2.0, 6.0])
    reference = solve_ivp(predator_prey, (0, 6), (1.0, 2.0), t_eval=times, method="DOP853", rtol=1e-12, atol=1e-13).y.T
    start = coordinates.inner(torch.tensor([[1.0, 2.0]], dtype=torch.float64))
    with torch.no_grad():
        z = accurate(coordinates.field(lotka_volterra), start, torch.tensor(times)[None], torch.zeros(1, 5, 0), 3)
    assert z.shape == (1, 13, 2)
    np.testing.assert_allclose(coordinates.natural(z)[0, ::3].numpy(), reference, rtol=1e-6)


def test_inputs_hold_from_each_sample_to_the_next() -> None:
    field = Coordinates.of((State(name="x"),)).field_of(lambda t, x, u: u)
    times = torch.tensor([[0.0, 1.0, 3.0, 3.5]], dtype=torch.float64)
    inputs = torch.tensor([[[2.0], [-1.0], [4.0], [99.0]]], dtype=torch.float64)
    z = rollout(field, torch.zeros(1, 1, dtype=torch.float64), times, inputs, 3)
    torch.testing.assert_close(z[0, :, 0], torch.tensor([0.0, 2.0, 0.0, 2.0], dtype=torch.float64))


def test_padding_stands_still_and_trajectories_do_not_touch(lotka_volterra: HybridModel) -> None:
    field = LINEAR.field(lotka_volterra)
    times = torch.tensor([[0.0, 1.0, 1.0, 1.0], [0.0, 0.5, 1.5, 2.0]], dtype=torch.float64)
    start, inputs = torch.tensor([[1.0, 2.0], [2.0, 0.5]], dtype=torch.float64), torch.zeros(2, 4, 0)
    with torch.no_grad():
        together = rollout(field, start, times, inputs, 4)
        alone = rollout(field, start[1:], times[1:], inputs[1:], 4)
    assert torch.equal(together[0, 1], together[0, 3])
    torch.testing.assert_close(together[1:], alone, rtol=1e-13, atol=0)


def test_a_trajectory_that_blows_up_is_nan_and_leaves_the_others_alone() -> None:
    field = Coordinates.of((State(name="x"),)).field_of(lambda t, x, u: x * x)
    times = torch.linspace(0, 2, 5, dtype=torch.float64).expand(2, 5)
    with torch.no_grad():
        z = accurate(field, torch.tensor([[1.0], [0.1]], dtype=torch.float64), times, torch.zeros(2, 5, 0), 2)
    assert torch.isnan(z[0, -1, 0])
    assert z[1, -1, 0].item() == pytest.approx(0.1 / (1 - 0.2), rel=1e-7)
