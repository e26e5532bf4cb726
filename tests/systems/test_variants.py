"""Variants of bundled spaces ask the question of their original, and another answer is right."""

from __future__ import annotations

import numpy as np
import pytest

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.check import check
from archsearch.evaluation import Evaluator
from archsearch.problem.loading import load_problem
from archsearch.proposers.memory import Given
from archsearch.proposers.questions import Questions
from archsearch.settings import RunSettings
from archsearch.systems import bioreactor, bioreactor_variant, pendulum, pendulum_variant, simulate

PAIRS = (("bioreactor", "bioreactor_variant"), ("pendulum", "pendulum_variant"))
GROWTH = '''
"""Growth by the square of the substrate; biomass decays."""
from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    F = Param(0.05, unit="L/h", fixed=True)
    Y_px = Param(0.1, low=0.01, high=2.0, unit="1")
    Y_xs = Param(0.8, low=0.05, high=2.0, unit="1")
    mu_max = Param(0.4, low=0.01, high=1.0, unit="1/h")
    K_s = Param(1.5, low=0.05, high=20.0, unit="g/L")
    decay_rate = Param(0.005, low=0.0, high=0.5, unit="1/h")
    replaced = {"growth_rate": "sigmoid"}

    def rhs(self, t, x, u):
        rate = self.term("sigmoid", self.mu_max * x.S**2 / (self.K_s**2 + x.S**2))
        flow = self.term("dilution_rate", self.F / x.V)
        growth = self.term("growth", rate * x.X)
        thinned = self.term("biomass_dilution", flow * x.X)
        formed = self.term("formation", self.Y_px * rate * x.X)
        weaker = self.term("product_dilution", flow * x.P)
        fed = self.term("supply", flow * (u.S_f - x.S))
        eaten = self.term("uptake", rate * x.X / self.Y_xs)
        lost = self.term("decay", self.decay_rate * x.X)
        return {"X": growth - thinned - lost, "P": formed - weaker, "S": fed - eaten, "V": self.term("filling", self.F)}
'''.lstrip()
SWING = '''
"""Slowed down by the third power of the velocity."""
import math

import torch

from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    T0 = Param(14.0, low=2.0, high=20.0, unit="s")
    gamma = Param(0.02, low=0.0, high=2.0, unit="s/rad**2")

    def rhs(self, t, x, u):
        motion = self.term("motion", x.omega)
        restoring = self.term("restoring", (2 * math.pi / self.T0) ** 2 * torch.sin(x.theta))
        damping = self.term("cubic_damping", self.gamma * x.omega**3)
        return {"theta": motion, "omega": -restoring - damping}
'''.lstrip()
TRUE = {"bioreactor_variant": GROWTH, "pendulum_variant": SWING}
VALUES = {
    "bioreactor_variant": {"Y_px": 0.2, "Y_xs": 0.5, "mu_max": 0.25, "K_s": 3.0, "decay_rate": 0.02},
    "pendulum_variant": {"T0": 6.0, "gamma": 0.08},
}
WITHIN = {"bioreactor_variant": 0.15, "pendulum_variant": 1e-4}
"""Relative deviation of a fitted parameter: three noisy batches, and swings without noise."""


@pytest.mark.parametrize(("original", "variant"), PAIRS)
def test_an_llm_is_told_the_same_story_and_nothing_of_the_law(original: str, variant: str) -> None:
    ours, theirs = load_problem(variant).space, load_problem(original).space
    assert ours.problem == theirs.problem
    for table in ("states", "inputs", "terms", "slots", "constraints"):
        assert getattr(ours, table) == getattr(theirs, table)
    assert {item.name for item in theirs.library} < {item.name for item in ours.library}
    assert all(item.reference is None for item in ours.parameters)
    messages = Questions(load_problem(variant), Given(), 4).conversation((), 3)
    told = "".join(message.text for message in messages).lower()
    assert ours.problem.title.lower() in told
    assert "variant" not in told
    assert "mutated" not in told


@pytest.mark.parametrize(("original", "variant"), PAIRS)
def test_the_data_differ_by_the_law_alone(original: str, variant: str) -> None:
    ours, theirs = simulate(variant, 0), simulate(original, 0)
    assert np.array_equal(ours["time"], theirs["time"])
    assert np.array_equal(ours["trajectory"], theirs["trajectory"])
    begins = ours["time"] == 0
    for name in set(ours) - {"time", "trajectory"}:
        np.testing.assert_array_equal(ours[name][begins], theirs[name][begins])
    state = "X" if original == "bioreactor" else "omega"
    assert np.abs(ours[state] - theirs[state]).max() > 0.2 * theirs[state].std()


def test_the_laws_are_those_that_the_readmes_say() -> None:
    state = np.array([0.7, 0.1, 3.0, 1.5])
    with_decay = bioreactor.balances(state, 7.5, lambda S: 0.25 * S**2 / (9.0 + S**2), 0.02)
    np.testing.assert_allclose(bioreactor_variant.derivative(state, 7.5), with_decay, rtol=1e-12)
    swing = np.array([2.0, -1.1])
    gained = pendulum_variant.derivative(swing) - pendulum.derivative(swing)
    np.testing.assert_allclose(gained, [0.0, 0.08 * 1.1**3 - 0.2 * 1.1], rtol=1e-12)


@pytest.mark.parametrize("variant", sorted(TRUE))
def test_the_true_equations_written_by_hand_find_the_true_numbers(variant: str) -> None:
    problem = load_problem(variant)
    assert check(TRUE[variant], problem.space) == []
    evaluator = Evaluator(problem, RunSettings())
    try:
        found = evaluator.evaluate(Candidate(TRUE[variant], "person"), 0).evaluation
    finally:
        evaluator.close()
    assert found.failure is None
    for name, value in VALUES[variant].items():
        assert found.parameters[name].value == pytest.approx(value, rel=WITHIN[variant]), name


@pytest.mark.parametrize("variant", sorted(TRUE))
def test_no_parameter_starts_at_its_true_value(variant: str) -> None:
    for parameter in load_problem(variant).space.parameters:
        if parameter.name in VALUES[variant]:
            assert abs(parameter.value / VALUES[variant][parameter.name] - 1) > 0.3
            assert parameter.low is not None
            assert parameter.high is not None
            assert parameter.low < VALUES[variant][parameter.name] < parameter.high
