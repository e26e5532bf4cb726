"""Noise that is declared state by state, parameters that belong to trajectories, states that are never seen."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from simulated_problems import HEAD, Fitted, Floats, Problem, first_known, fitted, observed, samples_of, simulated

from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.diagnose import diagnose
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.methods.fit import Fit, fit
from archsearch.training.reported.accurate import accurate

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # scripts there import each other
from problems import BENCHMARKS, Variant

CHAIN = (
    HEAD
    + """    rate = Param(1.0, low=0.01, high=10.0)
    loss = Param(0.3, low=0.01, high=10.0)

    def rhs(self, t, x, u):
        return {"a": -self.rate * x.a, "b": 20.0 * self.rate * x.a - self.loss * x.b}
"""
)
CHAIN_TRUTH = np.array([0.7, 0.4])
CHAIN_NOISE = {"a": 0.01, "b": 1.0}
CHAIN_TIMES = np.linspace(0, 5, 26)

BY_CONTEXT = (
    HEAD
    + """    base = Param(1.0, low=0.01, high=10.0)
    slope = Param(0.1, low=-5.0, high=5.0)
    rate = Param(1.0, fixed=True)

    def coefficients(self, c):
        return {"rate": self.base * torch.exp(self.slope * c.heat)}

    def rhs(self, t, x, u):
        return {"a": -self.rate * x.a}
"""
)
OF_ITS_OWN = (
    HEAD
    + """    rest = Param(0.1, low=-1.0, high=1.0)

    def rhs(self, t, x, u):
        return {"a": -x.rate * (x.a - self.rest), "rate": 0.0 * x.rate}
"""
)
TIMES = np.linspace(0, 4, 21)
HEAT = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
RATES = 0.6 * np.exp(0.8 * HEAT)


def chain(p: Floats) -> Floats:
    """(T, 2)."""
    return simulated(lambda _, x: [-p[0] * x[0], 20 * p[0] * x[0] - p[1] * x[1]], [1.0, 0.0], CHAIN_TIMES)


def chain_problem(seed: int, declared: bool = True) -> Problem:
    clean = chain(CHAIN_TRUTH)[None]
    samples = samples_of(CHAIN_TIMES, observed(clean, np.array(list(CHAIN_NOISE.values())), seed))
    said = CHAIN_NOISE if declared else dict.fromkeys(CHAIN_NOISE)
    return Problem(CHAIN, first_known(**said), samples, clean)


def weighted_optimum(problem: Problem) -> Floats:
    """The maximum of the likelihood, by other means."""
    data, noise = problem.samples.states[0].numpy(), np.array(list(CHAIN_NOISE.values()))
    return np.asarray(least_squares(lambda p: ((chain(p) - data) / noise)[1:].ravel(), CHAIN_TRUTH, xtol=1e-12).x)


def parameters(fit: Fitted) -> Floats:
    return np.array(list(fit.values().values()))


def standard_errors(fit: Fitted) -> Floats:
    return np.array(list(diagnose(fit.found)["std_error"].values()))


@pytest.mark.parametrize("seed", range(3))
def test_noise_declared_state_by_state_leads_to_the_weighted_optimum(seed: int) -> None:
    problem = chain_problem(seed)
    best, found, plain = weighted_optimum(problem), fitted(problem, 0), fitted(chain_problem(seed, declared=False), 0)
    error = standard_errors(found)
    assert (np.abs(parameters(found) - best) / error).max() < 0.05
    assert np.abs(parameters(plain) - best)[0] > 10 * np.abs(parameters(found) - best)[0]


def test_standard_errors_are_what_parameters_scatter_by() -> None:
    fits = [fitted(chain_problem(seed), 0) for seed in range(20)]
    scores = np.array([(parameters(fit) - CHAIN_TRUTH) / standard_errors(fit) for fit in fits])
    spread = scores.std(0, ddof=1)
    assert ((spread > 0.7) & (spread < 1.4)).all(), spread


@pytest.mark.parametrize("seed", range(3))
def test_a_parameter_that_depends_on_the_context_of_a_trajectory(seed: int) -> None:
    clean = np.exp(-RATES[:, None] * TIMES)[..., None]
    samples = samples_of(TIMES, observed(clean, np.array([0.02]), seed, exact_start=False), HEAT[:, None])
    found = fitted(Problem(BY_CONTEXT, (State(name="a"),), samples, clean, ("heat",)), 0)
    wrong = parameters(found) - np.array([0.6, 0.8])
    assert (np.abs(wrong) < 3 * standard_errors(found)).all()
    assert standard_errors(found) == pytest.approx([0.0055, 0.014], rel=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_a_parameter_of_each_trajectory_is_a_hidden_state_that_stands_still(seed: int) -> None:
    clean = (0.2 + 0.8 * np.exp(-RATES[:, None] * TIMES))[..., None]
    noisy = observed(clean, np.array([0.02]), seed, exact_start=False)
    samples = samples_of(TIMES, np.concatenate([noisy, np.full_like(noisy, np.nan)], -1))
    states = (State(name="a"), State(name="rate", observed=False, scale="log"))
    found = fitted(Problem(OF_ITS_OWN, states, samples, clean), 0)
    assert found.values()["rest"] == pytest.approx(0.2, abs=0.02)
    assert found.found.initial[:, 1].numpy() == pytest.approx(RATES, rel=0.1)


def with_hidden(letter: str, state: int, seed: int) -> tuple[Fit, float]:
    """A benchmark problem whose state is known at the start and never seen, with its error on unseen trajectories."""
    problem = BENCHMARKS[letter]
    data, model, known = problem.data(seed, Variant()), problem.candidate(seed), problem.known()
    data.train.states[:, 1:, state] = torch.nan
    found = fit(model, known, data.train, FitSettings(), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        field = Coordinates.of(known).field(model)
        states = accurate(field, data.test.states[:, 0], data.test.times, data.test.inputs, 1)
    return found, data.test_error(states.numpy())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_cells_that_are_never_counted_are_known_from_their_food(seed: int) -> None:
    """Published by nobody; with all states seen the errors are about 4e-5."""
    found, error = with_hidden("B", 0, seed)
    assert error < 2.5e-4
    assert diagnose(found)["identified"] == {"need": True}
    assert found.loss.model.parameter_values()["need"].item() == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_a_net_on_a_speed_that_is_never_seen_leaves_the_physics_unidentified_and_the_fit_says_so(seed: int) -> None:
    found, error = with_hidden("C", 1, seed)
    assert found.error < 1.1 * 0.03**2, "the angle is fitted to the noise"
    assert error < 0.05
    assert diagnose(found)["identified"] == {"stiffness": False}
