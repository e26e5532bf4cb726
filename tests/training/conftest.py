"""Small systems with known solutions, as candidates and as samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from known_systems import LOTKA_VOLTERRA, NET, predator_prey
from scipy.integrate import solve_ivp

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.training.data.task import Samples


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def lotka_volterra() -> HybridModel:
    source = LOTKA_VOLTERRA.format(declarations="pass", conversion="conversion")
    return load_candidate(source)(("prey", "hunter"))


@pytest.fixture
def lotka_volterra_net() -> HybridModel:
    source = LOTKA_VOLTERRA.format(
        declarations=f'{NET}\n    regularizers = {{"norm": 0.01, "correlation": 0.1}}',
        conversion="self.profit(x.prey, x.hunter, instead_of=conversion)",
    )
    return load_candidate(source)(("prey", "hunter"), generator=torch.Generator().manual_seed(3))


@pytest.fixture
def simulate() -> Callable[..., Samples]:
    """Noise-free predator-prey trajectories on given times, with optional noise."""

    def made(times: np.ndarray, starts: list[tuple[float, float]], noise: float = 0.0) -> Samples:
        rng = np.random.default_rng(0)
        solved = [
            solve_ivp(predator_prey, (times[0], times[-1]), start, t_eval=times, rtol=1e-11, atol=1e-12).y.T
            for start in starts
        ]
        states = np.stack(solved)
        states = states * np.exp(noise * rng.standard_normal(states.shape))
        many = len(starts)
        return Samples(
            ids=tuple(str(i) for i in range(many)),
            times=torch.tensor(times).expand(many, -1).clone(),
            states=torch.tensor(states),
            inputs=torch.zeros(many, len(times), 0, dtype=torch.float64),
            valid=torch.ones(many, len(times), dtype=torch.bool),
        )

    return made


@pytest.fixture
def both() -> tuple[State, State]:
    return State(name="prey"), State(name="hunter")
