from __future__ import annotations

import numpy as np
import pytest
import torch

from archsearch.hybrid import laplacian
from archsearch.problem.loading import load_problem
from archsearch.systems import simulate
from archsearch.systems.fitzhugh_nagumo import DIFFUSION, END, FRAMES, NOISE, POINTS, SIDE, derivative


def test_diffusion_is_that_of_the_language_and_the_reaction_that_of_the_source() -> None:
    state = np.random.default_rng(0).uniform(-1, 1, (2, POINTS, POINTS))
    u, v = state
    spread = laplacian(torch.tensor(state), (SIDE / POINTS,) * 2).numpy()
    assert DIFFUSION == (1e-3, 5e-3)
    np.testing.assert_allclose(derivative(state)[0], 1e-3 * spread[0] + u - u**3 - 5e-3 - v, rtol=1e-12)
    np.testing.assert_allclose(derivative(state)[1], 5e-3 * spread[1] + u - v, rtol=1e-12, atol=1e-14)


def test_films_start_between_0_and_1_and_carry_one_per_cent_of_noise() -> None:
    found = simulate("fitzhugh_nagumo", 3)
    u = found["u"]
    assert u.shape == found["v"].shape == (6, FRAMES, POINTS, POINTS)
    assert found["time"][-1] == END
    np.testing.assert_allclose(np.diff(found["y"]), SIDE / POINTS)
    start = u[:, 0]
    assert start.min() == pytest.approx(0, abs=0.05)
    assert start.max() == pytest.approx(1, abs=0.05)
    rough = np.diff(u, 3, axis=1) / np.sqrt(20)  # third differences of noise have a variance of 20
    assert rough.std() == pytest.approx(NOISE * u.std(), rel=0.1)


def test_the_space_has_the_grid_of_the_simulator() -> None:
    problem = load_problem("fitzhugh_nagumo")
    assert problem.space.spacing == (SIDE / POINTS,) * 2
    assert [len(part.trajectories) for part in (problem.train, problem.validation, problem.test) if part] == [4, 1, 1]
    truth = {item.name: item.reference for item in problem.space.parameters if item.reference is not None}
    assert truth == {"D_u": 1e-3, "D_v": 5e-3, "k": 5e-3}
    for item in problem.space.parameters:
        if item.reference is not None:
            assert abs(item.value / item.reference - 1) > 0.3, "no parameter starts at the truth"
