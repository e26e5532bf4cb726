"""What the bundled search spaces promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archsearch.problem.expressions import parse
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Part, Problem
from archsearch.problem.space import LibraryTerm, SearchSpace, Term
from archsearch.systems import bioreactor, pendulum

SPACES = Path(__file__).parents[2] / "search_spaces"
NAMES = sorted(folder.name for folder in SPACES.iterdir() if (folder / "space.toml").exists())


@pytest.fixture(scope="module")
def problems() -> dict[str, Problem]:
    return {name: load_problem(str(SPACES / name)) for name in NAMES}


def test_the_five_spaces_of_the_first_version_are_there() -> None:
    assert {"bioreactor", "boarding_school_flu", "fitzhugh_nagumo", "hare_lynx", "pendulum"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_space_loads_without_findings_and_has_all_three_parts(problems: dict[str, Problem], name: str) -> None:
    problem = problems[name]
    assert problem.test is not None
    assert problem.train.scored.any()
    assert problem.validation.scored.any()
    assert problem.test.scored.any()


@pytest.mark.parametrize("name", NAMES)
def test_a_readme_names_every_state_parameter_and_source(problems: dict[str, Problem], name: str) -> None:
    text = (SPACES / name / "README.md").read_text(encoding="utf-8")
    space = problems[name].space
    for item in (*space.states, *space.inputs, *space.parameters):
        assert f"`{item.name}`" in text, f"{item.name} is missing"
    assert "## Source" in text


@pytest.mark.parametrize("name", NAMES)
def test_no_sample_is_used_twice(problems: dict[str, Problem], name: str) -> None:
    problem = problems[name]
    assert problem.test is not None
    train, validation, test = (_scored(part) for part in (problem.train, problem.validation, problem.test))
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_the_years_of_hare_lynx_are_split_as_the_readme_says(problems: dict[str, Problem]) -> None:
    assert _scored_times(problems["hare_lynx"]) == ((1900, 1911), (1912, 1916), (1917, 1920))


def test_the_days_of_the_flu_are_split_as_the_readme_says(problems: dict[str, Problem]) -> None:
    problem = problems["boarding_school_flu"]
    assert _scored_times(problem) == ((0, 7), (8, 10), (11, 13))
    in_bed = problem.train.trajectories.states[0, :, 1]
    assert np.nanargmax(in_bed) == 5
    assert np.nanmax(in_bed) == 298
    assert np.isnan(problem.train.trajectories.states[..., 0]).all()


def test_the_bioreactor_validates_on_the_last_hours_and_seals_the_test_batch(problems: dict[str, Problem]) -> None:
    problem = problems["bioreactor"]
    assert problem.test is not None
    assert problem.train.trajectories.ids == problem.validation.trajectories.ids == ("1", "2", "3")
    assert problem.train.trajectories.times.max() < 32
    assert problem.validation.trajectories.times[problem.validation.scored].min() == pytest.approx(32.0)
    assert problem.test.trajectories.ids == ("test",)
    assert problem.test.start == "first"


def test_the_pendulum_trains_on_20_and_seals_25(problems: dict[str, Problem]) -> None:
    problem = problems["pendulum"]
    assert problem.test is not None
    parts = (problem.train, problem.validation, problem.test)
    assert [len(part.trajectories) for part in parts] == [20, 5, 25]
    assert {part.start for part in parts[1:]} == {"first"}


def test_the_hare_lynx_table_is_the_published_one() -> None:
    _, hare, lynx = np.loadtxt(SPACES / "hare_lynx" / "data.csv", delimiter=",", skiprows=1).T
    assert (hare.size, hare.sum(), lynx.sum()) == (21, pytest.approx(715.7), pytest.approx(423.5))


def test_the_flu_table_is_the_published_one() -> None:
    _, in_bed, convalescent = np.loadtxt(SPACES / "boarding_school_flu" / "data.csv", delimiter=",", skiprows=1).T
    assert (in_bed.size, in_bed.sum(), convalescent.sum()) == (14, 1559.0, 937.0)


def test_the_bioreactor_space_contains_the_truth(problems: dict[str, Problem]) -> None:
    state = np.array([0.7, 0.1, 3.0, 1.5])
    values = dict(zip(bioreactor.STATES, state, strict=True)) | {"S_f": 7.5}
    values |= {"F": 0.05, "Y_px": 0.2, "Y_xs": 0.5, "mu_max": 0.2, "K_s": 1.0}
    found = _derivative(problems["bioreactor"].space, values, {"growth_rate": "monod"}, ())
    np.testing.assert_allclose(found, bioreactor.derivative(state, 7.5), rtol=1e-12)


def test_the_pendulum_space_contains_the_truth(problems: dict[str, Problem]) -> None:
    values = {"theta": 2.0, "omega": -1.1, "T0": 6.0, "alpha": 0.2}
    found = _derivative(problems["pendulum"].space, values, {}, ("viscous_damping",))
    np.testing.assert_allclose(found, pendulum.derivative(np.array([2.0, -1.1])), rtol=1e-12)


@pytest.mark.parametrize("name", ["bioreactor", "pendulum"])
def test_no_parameter_starts_at_the_truth(problems: dict[str, Problem], name: str) -> None:
    truth = {"Y_px": 0.2, "Y_xs": 0.5, "mu_max": 0.2, "K_s": 1.0, "T0": 6.0, "alpha": 0.2}
    for parameter in problems[name].space.parameters:
        if parameter.name in truth:
            assert abs(parameter.value / truth[parameter.name] - 1) > 0.3
            assert parameter.low is not None
            assert parameter.high is not None
            assert parameter.low < truth[parameter.name] < parameter.high


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"fitzhugh_nagumo"}))
def test_the_physics_as_given_is_finite_at_its_start_values(problems: dict[str, Problem], name: str) -> None:
    space = problems[name].space
    values = {parameter.name: parameter.value for parameter in space.parameters}
    values |= dict.fromkeys((*space.state_names, *space.input_names), 1.0)
    assert np.isfinite(_derivative(space, values, {}, ())).all()


def _scored(part: Part) -> set[tuple[str, float]]:
    rows, columns = np.nonzero(part.scored)
    return {
        (part.trajectories.ids[row], float(part.trajectories.times[row, column]))
        for row, column in zip(rows, columns, strict=True)
    }


def _scored_times(problem: Problem) -> tuple[tuple[float, float], ...]:
    assert problem.test is not None
    times = [[time for _, time in _scored(part)] for part in (problem.train, problem.validation, problem.test)]
    return tuple((min(part), max(part)) for part in times)


def _derivative(
    space: SearchSpace, values: dict[str, float], replaced: dict[str, str], added: tuple[str, ...]
) -> np.ndarray:
    """The right-hand side that the space describes, with library terms in the place of terms and added to them."""
    library = {term.name: term for term in space.library}
    known: dict[str, float | np.ndarray] = {**values}
    sums = dict.fromkeys(space.state_names, 0.0)
    terms: list[tuple[Term | LibraryTerm, str]] = [
        (term, library[replaced[term.name]].expression if term.name in replaced else term.expression)
        for term in space.terms
    ]
    for term, expression in terms + [(library[name], library[name].expression) for name in added]:
        known[term.name] = parse(expression).evaluate(known)
        for state, sign in term.equations.items():
            sums[state] += float(sign + "1") * float(known[term.name])
    return np.array(list(sums.values()))
