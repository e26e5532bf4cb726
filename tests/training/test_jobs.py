"""A candidate of every kind is fitted in one job and predicted in another, with nothing between them but bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples, Task, pack_samples, pack_tasks
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.jobs import (
    FAILURE,
    MARGINS,
    SAMPLES,
    SOURCE,
    TASKS,
    WEIGHTS,
    fit_job,
    predict_job,
)
from archsearch.training.reported.solved import solved

HEAD = "import torch\nfrom archsearch.hybrid import HybridModel, Net, Param\n\n\nclass Candidate(HybridModel):"


@dataclass(frozen=True)
class Case:
    """A candidate with the truth that its data come from.

    Attributes:
        truth: parameters by name, as the data have them.
        starts: (N, n), initial states of the data, in natural units.
        inputs: inputs by name, one value per trajectory.
        terms: names of its terms.
    """

    source: str
    states: tuple[State, ...]
    truth: dict[str, float]
    starts: list[list[float]]
    inputs: dict[str, list[float]]
    terms: list[str]


ACID = Case(
    HEAD
    + """
    algebraic_variables = {"H": 0.5}
    acidity = Param(1.0, fixed=True, unit="mol/L")
    rate = Param(0.8, low=0.0, high=5.0, unit="L/mol/h")

    def rhs(self, t, x, u):
        return {"acid": -self.term("decay", self.rate * x.H * x.acid)}

    def algebraic(self, t, x, z, u):
        return {"dissociation": self.term("split", z.H * (z.H + self.acidity)) - self.acidity * x.acid}
""",
    (State(name="acid"),),
    {"rate": 0.3},
    [[2.0], [1.0], [0.5]],
    {},
    ["decay", "split"],
)

DETECTOR = Case(
    HEAD
    + """
    first_rate = Param(0.5, low=0.0, high=5.0)
    second_rate = Param(0.8, low=0.0, high=5.0)
    bend = Param(0.3, fixed=True)

    def rhs(self, t, x, u):
        first = self.term("first", self.first_rate * x.A)
        second = self.term("second", self.second_rate * x.B)
        return {"A": -first, "B": first - second, "C": second}

    def observe(self, t, x, u):
        return {"C": 10.0 * x.C / (1.0 + self.bend * x.C)}
""",
    (State(name="A"), State(name="B", observed=False, initial=0.0), State(name="C")),
    {"first_rate": 0.8, "second_rate": 0.5},
    [[1.0, 0.0, 0.2], [2.0, 0.0, 0.5], [3.0, 0.0, 0.1]],
    {},
    ["first", "second"],
)

CATALYST = Case(
    HEAD
    + """
    rate = Param(0.5, low=0.0, high=5.0)
    ageing = Param(0.1, low=0.0, high=5.0)

    def coefficients(self, c):
        return {"rate": self.rate * torch.exp(-self.ageing * c.age)}

    def initial(self, c):
        return {"A": c.mass / 50.0}

    def rhs(self, t, x, u):
        reaction = self.term("reaction", self.rate * x.A)
        return {"A": -reaction, "P": reaction}
""",
    (State(name="A"), State(name="P")),
    {"rate": 0.7, "ageing": 0.4},
    [[2.0, 0.3], [1.0, 0.0], [1.5, 0.2]],
    {"age": [0.0, 1.0, 3.0], "mass": [100.0, 50.0, 75.0]},
    ["reaction"],
)

LIMITED = Case(
    HEAD
    + """
    uptake = Param(0.1, low=0.0, high=5.0)

    def rhs(self, t, x, u):
        return {"S": -self.term("uptake", self.uptake * torch.sqrt(x.S + 1.0))}

    def limits(self, t, x, u):
        return {"substrate": x.S, "room": 5.0 - x.S}
""",
    (State(name="S"),),
    {"uptake": 0.3},
    [[4.0], [3.0], [2.0]],
    {},
    ["uptake"],
)

STIFF = Case(
    HEAD
    + """
    fast = Param(1e4, fixed=True)
    slow = Param(0.2, low=0.0, high=5.0)

    def rhs(self, t, x, u):
        return {"x": self.fast * (x.y - x.x), "y": -self.term("slow", self.slow * x.y)}
""",
    (State(name="x"), State(name="y")),
    {"slow": 0.5},
    [[2.0, 2.0], [1.0, 1.0], [3.0, 3.0]],
    {},
    ["slow"],
)

CASES = {"acid": ACID, "detector": DETECTOR, "catalyst": CATALYST, "limited": LIMITED, "stiff": STIFF}
TIMES = torch.linspace(0, 3, 13, dtype=torch.float64)


def built(case: Case) -> HybridModel:
    """The candidate as the data have it."""
    model = load_candidate(case.source)(tuple(state.name for state in case.states), tuple(case.inputs))
    for name, value in case.truth.items():
        model.set_parameter(name, value)
    return model


def true_samples(case: Case) -> tuple[Samples, Tensor]:
    """What is measured without noise, and the states (N, T, n) behind it."""
    model, many = built(case), len(case.starts)
    times = TIMES.expand(many, -1).clone()
    columns = [torch.tensor(values, dtype=torch.float64) for values in case.inputs.values()]
    inputs = torch.stack(columns, -1).unsqueeze(1).repeat(1, len(TIMES), 1) if columns else times.new_zeros(many, 13, 0)
    starts = torch.tensor(case.starts, dtype=torch.float64)
    with torch.no_grad():
        w = solved(model, Coordinates.of(case.states), starts, times, inputs, 1, stiff=case is STIFF)
        measured = model.measured(times, w, inputs)
    hidden = torch.tensor([not state.observed for state in case.states])
    seen = torch.where(hidden, torch.nan, measured)
    valid = torch.ones(many, len(TIMES), dtype=torch.bool)
    return Samples(tuple("abc"), times, seen, inputs, valid), measured


def fit(source: str, task: Task) -> tuple[bytes, dict[str, Any]]:
    """Weights and claims of a fit that goes well."""
    given = {SOURCE: source.encode(), TASKS: pack_tasks({SAMPLES: task}), SAMPLES: pack_samples(task.samples)}
    claims, weights = fit_job(given)
    assert FAILURE not in claims, claims
    return weights, claims


def predicted(source: str, weights: bytes, **tasks: Task) -> tuple[list[Tensor], dict[str, Any]]:
    """Dense states of each task, each with what follows for its gates, and the claims of a prediction."""
    given = {name: pack_samples(task.samples) for name, task in tasks.items()}
    claims, blob = predict_job({SOURCE: source.encode(), TASKS: pack_tasks(tasks), WEIGHTS: weights, **given})
    assert FAILURE not in claims, claims
    numbers, found = torch.from_numpy(np.frombuffer(blob, "<f8").copy()), []
    for task in tasks.values():
        many, most = task.samples.times.shape
        for points in ((most - 1) * task.dense + 1, *[most] * len(task.gates)):
            size = many * points * len(task.states)
            found.append(numbers[:size].reshape(many, points, len(task.states)))
            numbers = numbers[size:]
    assert not len(numbers), "a prediction has no more bytes than were asked for"
    return found, claims


def fitted(case: Case) -> tuple[bytes, dict[str, Any]]:
    """Weights and claims of a fit of trajectories a and b."""
    samples, _ = true_samples(case)
    task = Task(case.states, tuple(case.inputs), part(samples, [0, 1]), "fitted", FitSettings(), 3)
    return fit(case.source, task)


def part(samples: Samples, rows: list[int], shown: int | None = None) -> Samples:
    """Some trajectories, of which only the first samples are seen."""
    arrays = (array[rows] for array in (samples.times, samples.states, samples.inputs, samples.valid))
    taken = Samples(tuple(samples.ids[row] for row in rows), *arrays)
    return taken if shown is None else taken.hide(torch.arange(len(TIMES)).expand(len(rows), -1) >= shown)


@pytest.mark.parametrize("name", sorted(CASES))
def test_fit_and_prediction_find_the_truth_from_bytes_alone(name: str) -> None:
    case = CASES[name]
    weights, claims = fitted(case)
    arrays = load(weights)
    for parameter, value in case.truth.items():
        assert arrays[f"param.{parameter}"].item() == pytest.approx(value, rel=0.02)
    assert claims["terms"] == case.terms
    samples, measured = true_samples(case)
    given = part(samples, [2], shown=1)
    task = Task(case.states, tuple(case.inputs), given, "first", FitSettings(), 3, 2, (case.terms[0],))
    (dense, without), _ = predicted(case.source, weights, held=task)
    states = dense[:, ::2]
    error = (states - measured[2:])[..., [state.observed for state in case.states]].abs().max()
    assert float(error) < 0.02 * float(measured[2:].abs().max())
    worse = (without - measured[2:]).abs().max()
    assert float(worse) > 5 * float(error)


def test_several_parts_are_predicted_in_one_job_as_in_jobs_of_their_own() -> None:
    weights, _ = fitted(ACID)
    samples, _ = true_samples(ACID)
    one = Task(ACID.states, (), part(samples, [2], shown=1), "first", FitSettings(), 3, 2, ("decay",))
    other = Task(ACID.states, (), part(samples, [0, 1], shown=1), "fitted", FitSettings(), 3)
    together, _ = predicted(ACID.source, weights, one=one, other=other)
    apart = predicted(ACID.source, weights, one=one)[0] + predicted(ACID.source, weights, other=other)[0]
    assert [found.shape for found in together] == [(1, 25, 1), (1, 13, 1), (2, 13, 1)]
    for found, alone in zip(together, apart, strict=True):
        torch.testing.assert_close(found, alone, rtol=0, atol=0)


def test_margins_of_rollouts_are_told_by_name() -> None:
    weights, _ = fitted(LIMITED)
    samples, _ = true_samples(LIMITED)
    starved = part(samples, [2], shown=1)
    starved.states[:, 0] = 0.1
    task = Task(LIMITED.states, (), starved, "first", FitSettings(), 3)
    (states,), claims = predicted(LIMITED.source, weights, held=task)
    margins = claims[MARGINS]["held"]
    assert margins["substrate"]["least"] == pytest.approx(float(states.min()))
    assert margins["substrate"]["least"] < 0, "a rollout that breaks a limit is told, and not bent"
    assert margins["substrate"]["size"] == pytest.approx(float((states**2).mean() ** 0.5))
    assert margins["room"]["least"] == pytest.approx(4.9)


def test_what_is_measured_and_what_is_are_told_apart() -> None:
    """The detector shows ten times as much as there is."""
    weights = load(fitted(DETECTOR)[0])
    assert set(weights) >= {"training.scale", "training.spread", "training.stiff", "initial", "initial.a", "initial.b"}
    assert weights["initial.a"].tolist() == pytest.approx([1.0, 0.0, 0.2], rel=0.02, abs=0.01)
    assert 5 < float(weights["training.scale"][2] / weights["training.spread"][2]) < 10


def test_a_fit_tells_of_its_hidden_state() -> None:
    _, claims = fitted(DETECTOR)
    assert isinstance(claims["hidden_states"], dict)
    assert set(claims["hidden_states"]) == {"B"}
    assert claims["hidden_states"]["B"]["identified"]


def test_a_fit_that_found_a_model_stiff_says_so() -> None:
    assert load(fitted(STIFF)[0])["training.stiff"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("line", "kind", "told"),
    [
        ("        raise ValueError('no good')\n", "fit", "ValueError: no good"),
        ("        return self.rhs(t, x, u)\n", "fit", "calls itself"),
        ("        raise MemoryError\n", "memory", "more memory"),
        ("        return {'acid': x.acid / 0}\n", "diverged", "no finite rollout"),
    ],
)
def test_a_candidate_that_fails_says_why(line: str, kind: str, told: str) -> None:
    head = "    def rhs(self, t, x, u):\n"
    samples, _ = true_samples(ACID)
    task = Task(ACID.states, (), part(samples, [0, 1]), "fitted", FitSettings(), 3)
    source = ACID.source.replace(head, head + line)
    given = {SOURCE: source.encode(), TASKS: pack_tasks({SAMPLES: task}), SAMPLES: pack_samples(task.samples)}
    claims, blob = fit_job(given)
    assert claims[FAILURE]["kind"] == kind
    assert told in claims[FAILURE]["message"]
    assert blob == b""


UPTAKE = (
    HEAD
    + """
    saturation = Param(2.0, low=0.1, high=20.0)
    affinity = Param(1.0, low=0.0, high=10.0)
    excess = Net(inputs=("pressure",), role="add", outputs=("uptake",), hidden=(4,))

    def output(self, x, u):
        return {
            "uptake": self.term("langmuir", self.saturation * u.pressure / (1 / self.affinity + u.pressure))
            + self.excess(x.pressure)
        }
"""
)


def test_a_static_model_needs_no_time() -> None:
    pressure = torch.linspace(0.1, 6, 40, dtype=torch.float64).reshape(-1, 1, 1)
    uptake = 4.0 * pressure / (2.0 + pressure)
    states = (State(name="uptake"),)

    def samples(seen: Tensor) -> Samples:
        nothing = pressure.new_zeros(40, 1)
        return Samples(tuple(map(str, range(40))), nothing, seen, pressure, torch.ones_like(nothing, dtype=torch.bool))

    weights, claims = fit(UPTAKE, Task(states, ("pressure",), samples(uptake), "fitted", FitSettings(), 0))
    assert claims["terms"] == ["langmuir"]
    assert set(claims) >= {"std_error", "identified", "share", "stages", "nets", "parameters"}
    hidden = torch.full_like(uptake, torch.nan)
    task = Task(states, ("pressure",), samples(hidden), "first", FitSettings(), 0, 9, ("langmuir",))
    (found, without), _ = predicted(UPTAKE, weights, held=task)
    torch.testing.assert_close(found, uptake, rtol=1e-3, atol=1e-3)
    assert float((without - uptake).abs().max()) > 0.5
