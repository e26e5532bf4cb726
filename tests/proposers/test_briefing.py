"""What an LLM is told of the data comes from the training part alone, and says what a scientist would look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from language_fakes import FakeMemory

from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Part, Problem
from archsearch.proposers.briefing import data_prompt, problem_prompt
from archsearch.proposers.consulting import Consulting, DataArguments, ResidualArguments
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.measured import GivenPhysics, Measured
from archsearch.proposers.memory import Past, Wishes
from archsearch.proposers.questions import Questions
from archsearch.proposers.trends import autocorrelation, correlations, fifths, four, rank_correlation

POISON = 87654321.0
BUNDLED = ("bioreactor", "hare_lynx", "boarding_school_flu", "pendulum")


@pytest.fixture(scope="module")
def bioreactor() -> Problem:
    return load_problem("bioreactor")


def poisoned(problem: Problem) -> Problem:
    """The problem with every held-out observation overwritten."""

    def spoil(part: Part) -> Part:
        hidden = ~part.given[..., None] & np.ones_like(part.trajectories.states, dtype=bool)
        states = np.where(hidden, POISON, part.trajectories.states)
        return replace(part, trajectories=replace(part.trajectories, states=states))

    test = None
    if problem.test is not None:
        states = np.full_like(problem.test.trajectories.states, POISON)
        test = replace(problem.test, trajectories=replace(problem.test.trajectories, states=states))
    return replace(problem, validation=spoil(problem.validation), test=test)


def everything_told(problem: Problem) -> str:
    """A question in the midst of a search, with all that the tools can tell."""
    memory = FakeMemory(wanted=Wishes(hints=("Look at S.",)))
    grammar = GrammarProposer(problem.space, 0)
    for number in range(4):
        taken = frozenset(item.candidate.id for item in memory.past)
        candidate = grammar.propose((), taken, number)
        assert candidate is not None
        memory.past.append(Past(number, candidate))
    measured = Measured.of(problem)
    consulting = Consulting(measured, GivenPhysics.of(measured), memory)
    told = [message.text for message in Questions(problem, memory, 4).conversation((), 4)]
    state = problem.space.observed_names[0]
    told += [consulting.data(DataArguments(trajectory=name, states=(), rows=40)) for name in measured.trajectories.ids]
    told.append(consulting.residual(ResidualArguments(state=state, expression=state, against=state)))
    return "\n".join(told)


@pytest.mark.parametrize("name", BUNDLED)
def test_nothing_held_out_has_any_influence_on_what_is_told(name: str) -> None:
    problem = load_problem(name)
    told = everything_told(problem)
    assert told == everything_told(poisoned(problem))
    assert "8.765e+07" not in told
    assert "87654321" not in told


def test_the_same_test_notices_training_data(bioreactor: Problem) -> None:
    train = bioreactor.train
    states = train.trajectories.states.copy()
    states[0, 3, 0] = POISON
    spoilt = replace(bioreactor, train=replace(train, trajectories=replace(train.trajectories, states=states)))
    assert "8.765e+07" in everything_told(spoilt)


def test_references_and_the_simulator_are_not_told(bioreactor: Problem) -> None:
    measured = Measured.of(bioreactor)
    told = problem_prompt(bioreactor, measured, GivenPhysics.of(measured))
    assert "reference" not in told
    assert "simulator" not in told
    line = next(line for line in told.splitlines() if line.startswith("- mu_max "))
    assert line == "- mu_max [1/h] = 0.3, from 0.01 to 1; largest specific growth rate"


def test_the_physics_as_given_misses_most_where_the_growth_rate_matters(bioreactor: Problem) -> None:
    measured = Measured.of(bioreactor)
    told = data_prompt(measured, GivenPhysics.of(measured))
    lines = told.partition("misses most")[2].splitlines()
    shares = {line[3]: float(line.split(": ")[1].split(";")[0]) for line in lines if line.startswith("- d")}
    assert shares["V"] < 0.2 < min(shares[state] for state in "XPS")


def test_the_noise_estimate_comes_close_to_what_was_simulated(bioreactor: Problem) -> None:
    noise = dict(zip(bioreactor.space.state_names, Measured.of(bioreactor).noise, strict=True))
    for name, simulated in {"X": 0.05, "P": 0.05, "S": 0.5, "V": 0.1}.items():
        assert simulated / 2 < noise[name] < 1.5 * simulated


def test_physics_that_needs_what_nobody_measured_is_not_judged() -> None:
    problem = load_problem("boarding_school_flu")
    measured = Measured.of(problem)
    physics = GivenPhysics.of(measured)
    hidden = [state.name for state in problem.space.states if not state.observed]
    assert physics.missing == tuple(hidden)
    assert "which nobody measured" in data_prompt(measured, physics)


def test_rank_correlation_sees_monotone_and_nothing_else() -> None:
    x = np.linspace(0.0, 1.0, 50)
    assert rank_correlation(x, np.exp(5 * x)) == pytest.approx(1.0)
    assert rank_correlation(x, -(x**3)) == pytest.approx(-1.0)
    assert abs(rank_correlation(x, np.cos(2 * np.pi * x)) or 0.0) < 0.1
    assert rank_correlation(x, np.ones(50)) is None


def test_correlations_name_the_strongest_first() -> None:
    x = np.linspace(0.0, 1.0, 40)
    other = np.random.default_rng(0).standard_normal(40)
    assert list(correlations(x, {"noise": other, "self": x, "constant": np.ones(40)})) == ["self", "noise"]


def test_fifths_draw_a_saturating_curve() -> None:
    s = np.linspace(0.0, 10.0, 101)
    heights = [height for _, height in fifths(s / (1 + s), s)]
    assert heights == sorted(heights)
    assert heights[4] - heights[3] < heights[1] - heights[0]


def test_autocorrelation_tells_noise_from_a_trend() -> None:
    valid = np.ones((3, 60), dtype=bool)
    noise = np.random.default_rng(0).standard_normal((3, 60))
    assert abs(autocorrelation(noise, valid) or 0.0) < 0.2
    assert (autocorrelation(np.sin(np.linspace(0, 6, 60)) * np.ones((3, 1)), valid) or 0.0) > 0.8


def test_numbers_have_four_significant_digits() -> None:
    assert [four(1.23456), four(0.000123456), four(None), four(float("nan"))] == ["1.235", "0.0001235", "-", "-"]
