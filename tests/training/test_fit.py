from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from known_systems import DECAY, TRUTH

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import Bounds, State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.diagnose import diagnose
from archsearch.training.methods.fit import fit

Both = tuple[State, State]
STARTS = [(1.0, 2.0), (2.0, 0.5), (0.5, 1.0), (1.5, 1.5)]
UNEVEN = np.concatenate([np.linspace(0, 2, 12), np.linspace(2.3, 6, 10)])


def fitted(model: HybridModel, states: tuple[State, ...], samples: Samples, **settings: object) -> dict[str, float]:
    found = fit(model, states, samples, FitSettings.model_validate(settings), torch.Generator().manual_seed(0))
    assert found.status == "ok"
    return {name: value.item() for name, value in model.parameter_values().items()}


@pytest.mark.parametrize("method", ["gauss_newton", "shooting"])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_recovers_known_parameters_from_clean_uneven_data_with_gaps(
    lotka_volterra: HybridModel,
    simulate: Callable[..., Samples],
    method: str,
    scale: Literal["linear", "log"],
) -> None:
    samples = simulate(UNEVEN, STARTS)
    samples.states[0, 5:8] = torch.nan
    samples.states[1, 3, 0] = torch.nan
    states = (State(name="prey", scale=scale), State(name="hunter", scale=scale))
    assert fitted(lotka_volterra, states, samples, method=method) == pytest.approx(TRUTH, rel=2e-3)


def test_estimates_initial_states_better_than_the_first_sample(
    lotka_volterra: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(np.linspace(0, 6, 30), STARTS, noise=0.1)
    states = (State(name="prey", scale="log"), State(name="hunter", scale="log"))  # the noise is relative
    found = fit(lotka_volterra, states, samples, FitSettings(), torch.Generator().manual_seed(0))
    truth = torch.tensor(STARTS, dtype=torch.float64)
    assert (found.initial - truth).abs().mean() < 0.6 * (samples.states[:, 0] - truth).abs().mean()


def test_recovers_a_hidden_state(lotka_volterra: HybridModel, simulate: Callable[..., Samples]) -> None:
    samples = simulate(np.linspace(0, 6, 30), [(1.0, 2.0)])
    samples.states[..., 1] = torch.nan
    states = (State(name="prey"), State(name="hunter", observed=False, initial=Bounds(low=0.5, high=5.0)))
    found = fit(lotka_volterra, states, samples, FitSettings(), torch.Generator().manual_seed(0))
    assert found.error < 1e-4
    values = {name: value.item() for name, value in lotka_volterra.parameter_values().items()}
    assert values["death"] == pytest.approx(1.8, rel=0.02)
    assert values["birth"] == pytest.approx(1.3, rel=0.02)


def test_a_net_learns_what_the_physics_lacks(
    lotka_volterra_net: HybridModel, simulate: Callable[..., Samples], both: Both
) -> None:
    samples = simulate(np.linspace(0, 6, 30), STARTS, noise=0.02)
    found = fit(lotka_volterra_net, both, samples, FitSettings(), torch.Generator().manual_seed(0))
    assert found.error < 3 * 0.02**2 * 4
    said = diagnose(found)
    assert said["identified"]["birth"]
    assert not said["identified"]["gain"], "the net stands in the place of the term that gain belongs to"


def test_same_seed_same_fit(lotka_volterra_net: HybridModel, simulate: Callable[..., Samples], both: Both) -> None:
    samples = simulate(np.linspace(0, 6, 20), STARTS, noise=0.02)
    start = {name: tensor.clone() for name, tensor in lotka_volterra_net.state_dict().items()}
    ends = []
    for _ in range(2):
        lotka_volterra_net.load_state_dict(start)
        fit(lotka_volterra_net, both, samples, FitSettings(), torch.Generator().manual_seed(0))
        ends.append(torch.cat([p.detach().reshape(-1).clone() for p in lotka_volterra_net.parameters()]))
    assert torch.equal(*ends)


def test_a_coarse_grid_is_refined_until_it_no_longer_bends_the_parameters() -> None:
    model = load_candidate(DECAY)(("x",))
    t = torch.linspace(0, 6, 4, dtype=torch.float64)[None]
    samples = Samples(
        ("1",), t, torch.exp(-2.0 * t).unsqueeze(-1), torch.zeros(1, 4, 0), torch.ones(1, 4, dtype=torch.bool)
    )
    found = fit(model, (State(name="x"),), samples, FitSettings(substeps=1), torch.Generator())
    assert found.loss.settings.substeps > 1
    assert model.parameter_values()["rate"].item() == pytest.approx(2.0, rel=1e-3)


def test_a_model_that_cannot_be_rolled_out_is_called_diverged(simulate: Callable[..., Samples], both: Both) -> None:
    source = """
from archsearch.hybrid import HybridModel, Param
class Candidate(HybridModel):
    rate = Param(50.0, low=40.0, high=60.0)
    def rhs(self, t, x, u):
        return {"prey": self.rate * x.prey ** 3 + 1.0, "hunter": self.rate * x.hunter ** 3 + 1.0}
"""
    model = load_candidate(source)(("prey", "hunter"))
    found = fit(model, both, simulate(UNEVEN, STARTS), FitSettings(rollout_steps=10), torch.Generator().manual_seed(0))
    assert found.status == "diverged"


def test_standard_error_is_that_of_the_textbook() -> None:
    """For x(t) = x0 - a t with known x0, the variance of a is sigma^2 / sum t^2."""
    source = """
from archsearch.hybrid import HybridModel, Param
class Candidate(HybridModel):
    a = Param(1.0)
    def rhs(self, t, x, u):
        return {"x": -self.a + 0 * x.x}
"""
    rng, sigma = np.random.default_rng(0), 0.05
    t = np.linspace(0, 2, 200)
    observed = 3.0 - 1.5 * t + sigma * rng.standard_normal(200)
    samples = Samples(
        ("1",),
        torch.tensor(t)[None],
        torch.tensor(observed)[None, :, None],
        torch.zeros(1, 200, 0),
        torch.ones(1, 200, dtype=torch.bool),
    )
    model = load_candidate(source)(("x",))
    said = diagnose(fit(model, (State(name="x", initial=3.0),), samples, FitSettings(), torch.Generator()))
    assert said["std_error"]["a"] == pytest.approx(sigma / math.sqrt(float((t**2).sum())), rel=0.2)
    assert abs(model.parameter_values()["a"].item() - 1.5) < 4 * said["std_error"]["a"]


def test_two_parameters_that_only_show_as_a_sum_are_not_identified() -> None:
    source = DECAY.replace("rate = Param", "other = Param(0.4, low=0.01, high=5.0)\n    rate = Param")
    source = source.replace("self.rate * x.x", "(self.rate + self.other) * x.x")
    t = torch.linspace(0, 2, 40, dtype=torch.float64)[None]
    samples = Samples(
        ("1",), t, torch.exp(-2.0 * t).unsqueeze(-1), torch.zeros(1, 40, 0), torch.ones(1, 40, dtype=torch.bool)
    )
    for text, wanted in ((source, False), (DECAY, True)):
        model = load_candidate(text)(("x",))
        said = diagnose(fit(model, (State(name="x", initial="first"),), samples, FitSettings(), torch.Generator()))
        assert set(said["identified"].values()) == {wanted}


def straight(rng_seed: int, count: int) -> Samples:
    t = torch.linspace(0, 1, count, dtype=torch.float64)[None]
    noise = 0.02 * torch.randn(t.shape, generator=torch.Generator().manual_seed(rng_seed), dtype=torch.float64)
    states = (torch.exp(-0.7 * t) + noise).unsqueeze(-1)
    return Samples(("1",), t, states, torch.zeros(1, count, 0), torch.ones(1, count, dtype=torch.bool))


def test_as_many_unknowns_as_data_identify_nothing() -> None:
    model = load_candidate(DECAY)(("x",))
    found = fit(model, (State(name="x"),), straight(0, 2), FitSettings(), torch.Generator())
    assert found.status == "ok"
    assert diagnose(found)["identified"] == {"rate": False}


@pytest.mark.parametrize("method", ["gauss_newton", "shooting"])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_model_with_nothing_to_fit_is_rolled_out_as_it_is(method: str, hidden: bool) -> None:
    source = DECAY.replace("Param(0.5, low=0.01, high=5.0,", "Param(0.7, fixed=True,")
    states: tuple[State, ...] = (State(name="x", initial="first"),)
    samples = straight(0, 9)
    if hidden:
        source = source.replace('{"x":', '{"y": -x.y, "x":')
        states = (*states, State(name="y", observed=False, initial=2.0))
        y = torch.full_like(samples.states, torch.nan)
        samples = Samples(samples.ids, samples.times, torch.cat([samples.states, y], -1), samples.inputs, samples.valid)
    model = load_candidate(source)(tuple(state.name for state in states))
    found = fit(model, states, samples, FitSettings.model_validate({"method": method}), torch.Generator())
    assert found.status == "ok"
    assert found.error < 0.1


def test_a_state_that_one_trajectory_hides_is_taken_from_the_others(
    lotka_volterra: HybridModel, simulate: Callable[..., Samples], both: Both
) -> None:
    samples = simulate(np.linspace(0, 6, 30), STARTS)
    samples.states[0, :, 1] = torch.nan
    assert fitted(lotka_volterra, both, samples) == pytest.approx(TRUTH, rel=5e-3)


def test_degrees_of_freedom_count_only_the_initial_states_that_are_fitted(
    lotka_volterra: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(np.linspace(0, 1, 4), [(1.0 + 0.1 * i, 2.0 - 0.05 * i) for i in range(20)], noise=0.05)
    noises = []
    for initial in ("first", "estimate"):
        states = (State(name="prey", initial="first"), State(name="hunter", initial=initial))
        found = fit(lotka_volterra, states, samples, FitSettings(), torch.Generator().manual_seed(0))
        noises.append(float(found.loss.noise))
    assert found.loss.initial.count() == 20
    assert noises[1] < 1.3 * noises[0]
