"""Predictions of models whose states are not all measured, not all differential, or not in time at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from implicit_systems import INDEX_TWO, TANKS, built, numbers, on_times
from torch import Tensor

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples, Task
from archsearch.training.flow import integrate
from archsearch.training.implicit.adaptive import accurate_implicit
from archsearch.training.predict import STIFF, predict
from archsearch.training.reported import accurate
from archsearch.training.reported.solved import solved

HEAD = "import torch\nfrom archsearch.hybrid import HybridModel, Net, Param\n\n\nclass Candidate(HybridModel):"
BENT = (
    HEAD
    + """
    rate = Param(0.5, low=0.0, high=5.0)

    def rhs(self, t, x, u):
        return {"A": -self.term("decay", self.rate * x.A)}

    def observe(self, t, x, u):
        return {"A": 100.0 * x.A**2}

    def limits(self, t, x, u):
        return {"some left": x.A - 0.5, "not much": 9.0 - x.A}
"""
)
WEIGHED_IN = (
    HEAD
    + """
    rate = Param(0.5, low=0.0, high=5.0)

    def initial(self, c):
        return {"A": c.mass / 50.0}

    def coefficients(self, c):
        return {"rate": self.rate / (1.0 + c.age)}

    def rhs(self, t, x, u):
        return {"A": -self.rate * x.A, "P": self.rate * x.A}
"""
)
QUICK = (
    HEAD
    + """
    fast = Param(2000.0, fixed=True)

    def rhs(self, t, x, u):
        return {"x": self.fast * (torch.cos(t) - x.x) - torch.sin(t)}
"""
)
"""x = cos t, whatever the speed, from x = 1."""
LANGMUIR = (
    HEAD
    + """
    def output(self, x, u):
        return {"uptake": self.term("first", 2.0 * x.p / (1.0 + u.p)) + self.term("second", u.p)}
"""
)
GRID = torch.linspace(0, 2, 9, dtype=torch.float64)


def predicted(model: HybridModel, stored: Mapping[str, torch.Tensor], task: Task) -> dict[str, torch.Tensor]:
    """The prediction of one task."""
    return predict(model, stored, {"one": task})["one"]


def model_of(source: str, states: tuple[str, ...], inputs: tuple[str, ...] = ()) -> HybridModel:
    return load_candidate(source)(states, inputs)


def stored(initial: list[float], **more: list[float]) -> dict[str, Tensor]:
    ones = torch.ones(len(initial), dtype=torch.float64)
    named = {key.replace("_", ".", 1): torch.tensor(value, dtype=torch.float64) for key, value in more.items()}
    return {"initial": torch.tensor(initial, dtype=torch.float64), "training.scale": ones} | named


def task(seen: Tensor, start: str, states: tuple[State, ...], inputs: Tensor | None = None, **more: object) -> Task:
    """Trajectories on GRID of which these states (N, 9, n) are seen."""
    many = len(seen)
    times, nothing = on_times(GRID, many)
    inputs = nothing if inputs is None else inputs
    names = tuple("abcdefgh"[: inputs.shape[-1]])
    samples = Samples(tuple(map(str, range(many))), times, seen, inputs, torch.ones(many, 9, dtype=torch.bool))
    return Task(states, names, samples, start, FitSettings(), 0, **more)  # type: ignore[arg-type]


def decayed(starts: list[float]) -> Tensor:
    return torch.tensor(starts, dtype=torch.float64)[:, None] * torch.exp(-0.5 * GRID)


@pytest.mark.parametrize(("start", "shown"), [("first", 1), ("warmup", 5)])
def test_where_a_state_is_not_what_is_measured_its_start_is_sought(start: str, shown: int) -> None:
    wanted = 100.0 * decayed([1.0, 0.6]).square().unsqueeze(-1)
    seen = wanted.clone()
    seen[:, shown:] = torch.nan
    model = model_of(BENT, ("A",))
    given = stored([2.0], training_scale=[30.0], training_spread=[0.3])
    found = predicted(model, given, task(seen, start, (State(name="A"),), dense=3))
    torch.testing.assert_close(found["states"], wanted, rtol=0.01, atol=0.1)
    torch.testing.assert_close(found["dense_states"][:, ::3], found["states"])


def test_the_smallest_margin_of_every_limit_is_told_between_samples_as_well() -> None:
    seen = torch.full((2, 9, 1), torch.nan, dtype=torch.float64)
    given = stored([1.0], initial_0=[3.0], initial_1=[1.0])
    found = predicted(model_of(BENT, ("A",)), given, task(seen, "fitted", (State(name="A"),)))
    assert float(found["limit.some left"][0]) == pytest.approx(float(torch.exp(torch.tensor(-1.0))) - 0.5, rel=1e-6)
    assert float(found["limit.not much"][0]) == pytest.approx(6.0)


def test_what_the_candidate_says_of_a_start_counts_unless_it_is_in_the_midst() -> None:
    model = model_of(WEIGHED_IN, ("A", "P"), ("mass", "age"))
    states = (State(name="A"), State(name="P"))
    seen = torch.full((2, 9, 2), torch.nan, dtype=torch.float64)
    seen[:, :3] = numbers([7.0, 0.5])
    inputs = numbers([100.0, 0.0], [50.0, 4.0])[:, None].expand(2, 9, 2)
    first = predicted(model, stored([0.0, 0.0]), task(seen, "first", states, inputs))["states"]
    torch.testing.assert_close(first[:, 0], numbers([2.0, 0.5], [1.0, 0.5]))
    slow = torch.exp(-0.1 * GRID)
    torch.testing.assert_close(first[1, :, 0], slow, rtol=1e-8, atol=0)
    within = predicted(model, stored([0.0, 0.0]), task(seen, "within", states, inputs))["states"]
    assert float(within[:, 0, 0].min()) > 5.0


def test_a_dae_is_predicted_as_its_accurate_rollout_and_from_a_warm_up_window() -> None:
    model, coordinates = built(TANKS)
    starts = numbers([2.8, 2.8, 1.7, 0.4])
    times, inputs = on_times(GRID)
    wanted, _ = accurate_implicit(model, coordinates, starts, times, inputs, 1)
    states = tuple(State(name=name) for name in ("x0", "x1", "x2", "x3"))
    seen = wanted.clone()
    seen[:, 1:] = torch.nan
    found = predicted(model, stored([2.0] * 4), task(seen, "first", states, gates=("none",)))
    torch.testing.assert_close(found["states"], wanted, rtol=1e-12, atol=0)
    torch.testing.assert_close(found["without.none"], wanted, rtol=1e-6, atol=0)
    noisy = wanted * (1 + 0.05 * torch.randn(wanted.shape, generator=torch.Generator().manual_seed(0)))
    noisy[:, 6:] = torch.nan
    given = stored([2.0] * 4, training_scale=[0.5] * 4)
    warm = predicted(model, given, task(noisy, "warmup", states))["states"]
    plain = predicted(model, given, task(noisy, "first", states))["states"]
    assert float((warm - wanted)[:, 1:].square().mean()) < 0.5 * float((plain - wanted)[:, 1:].square().mean())


def test_algebraic_variables_are_told_at_the_start_where_their_equations_do_not_say_them() -> None:
    model, coordinates = built(INDEX_TWO)
    found = solved(model, coordinates, numbers([0.0, 1.0]), *on_times([0.0, 0.3, 0.5]), 1)
    torch.testing.assert_close(found[0, :, 2], torch.ones(3, dtype=torch.float64), rtol=1e-5, atol=0)


def test_what_is_measured_of_algebraic_variables_is_told_at_the_start_as_well() -> None:
    source = INDEX_TWO + '\n    def observe(self, t, x, u):\n        return {"a": 2.0 * x.y}\n'
    model = model_of(source, ("a", "b"))
    states, seen = (State(name="a"), State(name="b")), torch.full((1, 9, 2), torch.nan, dtype=torch.float64)
    given = stored([0.0, 1.0], initial_0=[0.0, 1.0])
    short = task(seen, "fitted", states, gates=("none",))
    short = replace(short, samples=replace(short.samples, times=short.samples.times / 4))
    found = predicted(model, given, short)
    for name in ("states", "without.none"):
        torch.testing.assert_close(found[name][0, :, 0], torch.full((9,), 2.0, dtype=torch.float64), rtol=1e-4, atol=0)


def test_what_explicit_steps_cannot_do_is_done_by_implicit_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    model, coordinates = model_of(QUICK, ("x",)), integrate.Coordinates.of((State(name="x"),))
    times, inputs = on_times(GRID, 2)
    monkeypatch.setattr(accurate, "GUESSES", ())
    monkeypatch.setattr(accurate, "MOST_STEPS", 40)
    field = coordinates.field(model)
    start = numbers([1.0], [torch.nan])
    with torch.no_grad():
        assert bool(torch.isnan(accurate.accurate(field, start[:1], times[:1], inputs[:1], 1)[:, -1]).all())
    found = solved(model, coordinates, start[:1], times[:1], inputs[:1], 1)
    torch.testing.assert_close(found[0, :, 0], torch.cos(GRID), rtol=1e-7, atol=1e-8)


def test_what_its_fit_found_stiff_is_never_tried_explicitly(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("explicit steps")

    for name in ("solved.accurate", "beginnings.at_once"):
        monkeypatch.setattr(f"archsearch.training.reported.{name}", refused)
    seen = torch.ones(1, 9, 1, dtype=torch.float64)
    given = stored([1.0]) | {STIFF: torch.ones(1, dtype=torch.float64)}
    found = predicted(model_of(QUICK, ("x",)), given, task(seen, "first", (State(name="x"),)))
    torch.testing.assert_close(found["states"][0, :, 0], torch.cos(GRID), rtol=1e-7, atol=1e-8)


def test_a_model_that_blows_up_is_lost_from_there_whatever_the_method() -> None:
    model = model_of(HEAD + "\n    def rhs(self, t, x, u):\n        return {'x': x.x**2}\n", ("x",))
    seen = numbers([2.0], [0.1])[:, None].expand(2, 9, 1).clone()
    found = predicted(model, stored([1.0]), task(seen, "first", (State(name="x"),)))["states"]
    assert torch.isfinite(found[0, :2]).all()
    assert torch.isnan(found[0, 2:]).all()
    torch.testing.assert_close(found[1, :, 0], 1 / (10 - GRID), rtol=1e-8, atol=0)


def test_a_static_model_is_evaluated_at_every_sample() -> None:
    pressures = torch.rand(3, 9, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model = load_candidate(LANGMUIR)(("uptake",), ("p",))
    nothing = torch.full((3, 9, 1), torch.nan, dtype=torch.float64)
    found = predicted(model, {}, task(nothing, "first", (State(name="uptake"),), pressures, dense=2, gates=("first",)))
    first = 2.0 * pressures / (1.0 + pressures)
    torch.testing.assert_close(found["states"], first + pressures)
    torch.testing.assert_close(found["without.first"], pressures)
    torch.testing.assert_close(found["dense_states"][:, 1::2], found["states"][:, :-1])
    assert found["dense_times"].shape == (3, 17)
