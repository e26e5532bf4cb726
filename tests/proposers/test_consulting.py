"""The tools tell numbers that a person would come to as well."""

from __future__ import annotations

import pytest
from language_fakes import FakeMemory, evaluation

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, Failure
from archsearch.errors import RequestError
from archsearch.llm.messages import Call
from archsearch.llm.tools import use
from archsearch.problem.loading import load_problem
from archsearch.proposers.consulting import CompareArguments, Consulting, DataArguments, FitArguments, ResidualArguments
from archsearch.proposers.measured import GivenPhysics, Measured
from archsearch.proposers.memory import Past

PROBLEM = load_problem("bioreactor")
MEASURED = Measured.of(PROBLEM)
PHYSICS = GivenPhysics.of(MEASURED)
FILLING = ResidualArguments(state="V", expression="F", against="V")


def consulting(memory: FakeMemory | None = None, fit: object = None) -> Consulting:
    return Consulting(MEASURED, PHYSICS, memory or FakeMemory(), fit)  # type: ignore[arg-type]  # a fit


def test_data_are_those_of_the_training_trajectory_that_was_asked_for() -> None:
    names = MEASURED.trajectories.ids
    told = consulting().data(DataArguments(trajectory=names[1], states=("S",), rows=3)).splitlines()
    assert told[0].startswith(f"Trajectory {names[1]}, 3 of ")
    assert told[1] == "t | S | dS/dt | S_f"
    first = MEASURED.trajectories.states[1, 0, 2]
    assert told[2].split(" | ")[:2] == ["0", f"{first:.4g}"]
    assert len(told) == 5


def test_a_right_law_leaves_little_and_a_wrong_one_much() -> None:
    def share(**given: str) -> float:
        told = consulting().residual(ResidualArguments(**{"state": "V", "expression": "F", "against": "V", **given}))
        return float(told.partition("): ")[2].split()[0])

    assert share() < 0.2
    assert share(expression="3 * F") > 1.5
    assert share(state="X", expression="growth - biomass_dilution") == pytest.approx(0.7848, abs=1e-3)


def test_the_shape_of_a_residual_is_tabulated() -> None:
    told = consulting().residual(ResidualArguments(state="X", expression="- X * F / V", against="S"))
    points = told.split("Medians in fifths of S: ")[1].split(". ")[0]
    assert len(points.split(", ")) == 5


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"state": "Z"}, "There is no state 'Z'"),
        ({"expression": "magic * X"}, "There is no 'magic' here"),
        ({"expression": "__import__('os')"}, "expected"),
        ({"against": "X if t else S"}, "expected"),
    ],
)
def test_what_cannot_be_computed_is_told(given: dict[str, str], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        consulting().residual(FILLING.model_copy(update=given))


def test_two_candidates_are_compared_by_what_the_data_can_tell() -> None:
    history = [
        evaluation(Candidate(f"# {k}", "llm", f"claim {k}"), k, error) for k, error in enumerate((0.5, 0.2, 0.2))
    ]
    told = consulting().compare(history, CompareArguments(one=0, other=1))
    assert told.startswith("The held-out data prefer number 1.")
    assert "0: claim 0 Error 0.5 (X 0.5)" in told
    assert consulting().compare(history, CompareArguments(one=1, other=2)).startswith("The held-out data cannot tell")
    with pytest.raises(RequestError, match="Number 9 is not evaluated yet"):
        consulting().compare(history, CompareArguments(one=0, other=9))


def test_a_quick_fit_tells_the_training_error_and_nothing_held_out() -> None:
    candidate = Candidate("# 4", "llm")
    fitted = evaluation(candidate, 4, 0.25, mu=0.3)
    assert fitted.train is not None
    better = fitted.model_copy(update={"train": fitted.train.model_copy(update={"nrmse": 0.0625})})
    asked: list[Candidate] = []

    def fit(given: Candidate) -> Evaluation:
        asked.append(given)
        return better

    told = consulting(FakeMemory([Past(4, candidate)]), fit).fit(9, FitArguments(number=4))
    assert asked == [candidate]
    assert "Training error 0.0625" in told
    assert "mu = 0.3" in told
    assert "0.25" not in told


def test_a_quick_fit_that_fails_is_told() -> None:
    failure = Failure(kind="time", message="It took too long.", remedy="Use less.")
    candidate = Candidate("# 0", "llm")
    failing = consulting(FakeMemory([Past(0, candidate)]), lambda given: Evaluation.of(given, 0, failure))
    assert failing.fit(3, FitArguments(number=0)) == "It failed (time: It took too long. Use less.)"


def test_an_llm_that_asks_wrongly_is_told_how_to_ask() -> None:
    tools = consulting().tools((), 3)
    assert [tool.name for tool in tools] == ["data", "compare", "residual"]
    told = use(tools, Call("residual", '{"state": "Q", "expression": "F", "against": "V"}')).result
    assert "The states are X, P, S, V." in told
    assert "arguments of data were not usable" in use(tools, Call("data", '{"rows": 4000}')).result
    assert "There is no tool 'rm'" in use(tools, Call("rm", "{}")).result
