from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from known_systems import TRUTH

from archsearch.hybrid import HybridModel
from archsearch.problem.space import Bounds, State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples, Task, pack_samples, pack_tasks, unpack_tasks
from archsearch.training.predict import predict

TIMES = np.linspace(0, 4, 21)
STORED = {
    "initial": torch.tensor([7.0, 8.0], dtype=torch.float64),
    "training.scale": torch.tensor([0.5, 0.5], dtype=torch.float64),
}


def predicted(model: HybridModel, stored: Mapping[str, torch.Tensor], task: Task) -> dict[str, torch.Tensor]:
    """The prediction of one task."""
    return predict(model, stored, {"one": task})["one"]


@pytest.fixture
def true_model(lotka_volterra: HybridModel) -> HybridModel:
    for name, value in TRUTH.items():
        lotka_volterra.set_parameter(name, value)
    return lotka_volterra


def task(samples: Samples, start: str, shown: int, states: tuple[State, ...] | None = None, **more: object) -> Task:
    hidden = torch.arange(samples.times.shape[1]).expand(samples.times.shape) >= shown
    states = states or (State(name="prey"), State(name="hunter"))
    return Task(states, (), samples.hide(hidden), start, FitSettings(), 0, **more)  # type: ignore[arg-type]


def test_starts_at_the_first_observation(true_model: HybridModel, simulate: Callable[..., Samples]) -> None:
    truth = simulate(TIMES, [(1.0, 2.0), (2.0, 0.5)])
    found = predicted(true_model, STORED, task(truth, "first", 1, dense=4))
    torch.testing.assert_close(found["states"], truth.states, rtol=1e-6, atol=1e-8)
    assert found["dense_times"].shape == (2, 81)
    torch.testing.assert_close(found["dense_states"][:, ::4], found["states"])
    torch.testing.assert_close(found["dense_times"][:, ::4], truth.times)


def test_a_warm_up_window_finds_a_better_start_than_its_noisy_first_sample(
    true_model: HybridModel, simulate: Callable[..., Samples]
) -> None:
    truth, noisy = simulate(TIMES, [(1.0, 2.0)] * 6), simulate(TIMES, [(1.0, 2.0)] * 6, noise=0.1)
    errors = {
        start: (predicted(true_model, STORED, task(noisy, start, 9))["states"] - truth.states).square().mean().sqrt()
        for start in ("first", "warmup")
    }
    assert errors["warmup"] < 0.6 * errors["first"]


def test_a_fitted_trajectory_goes_on_from_its_fitted_start(
    true_model: HybridModel, simulate: Callable[..., Samples]
) -> None:
    truth = simulate(TIMES, [(1.0, 2.0), (2.0, 0.5)])
    stored = STORED | {"initial.1": torch.tensor([3.0, 3.0], dtype=torch.float64)}
    found = predicted(true_model, stored, task(truth, "continue", 1))["states"][:, 0]
    torch.testing.assert_close(found, torch.tensor([[1.0, 2.0], [3.0, 3.0]], dtype=torch.float64))


def test_hidden_states_start_where_the_space_or_the_fit_says(
    true_model: HybridModel, simulate: Callable[..., Samples]
) -> None:
    truth = simulate(TIMES, [(1.0, 2.0)])
    truth.states[..., 1] = torch.nan
    bounded = (State(name="prey"), State(name="hunter", observed=False, initial=Bounds(low=0.0, high=9.0)))
    known = (State(name="prey"), State(name="hunter", observed=False, initial=4.0))
    starts = [
        predicted(true_model, STORED, task(truth, "first", 1, s))["states"][0, 0, 1].item() for s in (bounded, known)
    ]
    assert starts == [8.0, 4.0]


def test_a_closed_term_is_gone(true_model: HybridModel, simulate: Callable[..., Samples]) -> None:
    truth = simulate(TIMES, [(1.0, 2.0)])
    found = predicted(true_model, STORED, task(truth, "first", 1, gates=("conversion",)))
    hunters = 2.0 * torch.exp(-1.8 * truth.times)
    torch.testing.assert_close(found["without.conversion"][..., 1], hunters, rtol=1e-3, atol=1e-6)


def test_a_prediction_uses_nothing_that_is_hidden(true_model: HybridModel, simulate: Callable[..., Samples]) -> None:
    """Other targets, same prediction: bit for bit."""
    truth, other = simulate(TIMES, [(1.0, 2.0)]), simulate(TIMES, [(1.0, 2.0)], noise=1.0)
    other.states[:, 0] = truth.states[:, 0]
    first, second = (predicted(true_model, STORED, task(samples, "first", 1)) for samples in (truth, other))
    assert torch.equal(first["states"], second["states"])


def test_a_task_crosses_a_process_border_unchanged(simulate: Callable[..., Samples]) -> None:
    samples = simulate(TIMES, [(1.0, 2.0), (2.0, 0.5)])
    sent = replace(task(samples, "warmup", 5, dense=3, gates=("a",)), seed=7, settings=FitSettings(substeps=9))
    received = unpack_tasks(pack_tasks({"held": sent}), {"held": pack_samples(sent.samples)})["held"]
    assert replace(received, samples=sent.samples) == sent
    for name in ("times", "states", "inputs", "valid"):
        torch.testing.assert_close(getattr(received.samples, name), getattr(sent.samples, name), equal_nan=True)


def test_a_warm_up_window_inside_a_trajectory_is_where_its_rollout_starts(
    true_model: HybridModel, simulate: Callable[..., Samples]
) -> None:
    """The fit saw the beginning of this very trajectory; that state is not the one at the start of the window."""
    truth = simulate(TIMES, [(1.0, 2.0)])
    late = Samples(truth.ids, truth.times[:, 10:], truth.states[:, 10:], truth.inputs[:, 10:], truth.valid[:, 10:])
    stored = STORED | {"initial.0": torch.tensor([1.0, 2.0], dtype=torch.float64)}
    states = (State(name="prey", initial=1.0), State(name="hunter"))
    found = predicted(true_model, stored, task(late, "within", 5, states))
    torch.testing.assert_close(found["states"], late.states, rtol=2e-2, atol=1e-3)


def test_a_state_that_is_flat_in_the_window_does_not_outweigh_the_others(
    true_model: HybridModel, simulate: Callable[..., Samples]
) -> None:
    truth = simulate(TIMES, [(1.0, 2.0)])
    flat = truth.states.clone()
    flat[..., 1] = 2.0
    samples = Samples(truth.ids, truth.times, flat, truth.inputs, truth.valid)
    start = predicted(true_model, STORED, task(samples, "warmup", 4))["states"][0, 0]
    assert (start - torch.tensor([1.0, 2.0], dtype=torch.float64)).abs().max() < 0.5


def test_a_hidden_state_is_found_from_a_warm_up_window(
    true_model: HybridModel, simulate: Callable[..., Samples]
) -> None:
    truth = simulate(TIMES, [(1.0, 2.0)])
    samples = simulate(TIMES, [(1.0, 2.0)])
    samples.states[..., 1] = torch.nan
    states = (State(name="prey"), State(name="hunter", observed=False, initial=Bounds(low=0.0, high=9.0)))
    found = predicted(true_model, STORED, task(samples, "warmup", 12, states))["states"]
    torch.testing.assert_close(found[0, 0], truth.states[0, 0], rtol=0.05, atol=0.05)
