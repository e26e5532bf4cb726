from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hard_systems import LORENZ_TRUTH, SPRING_TRUTH, ball, lorenz, put, spring

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import rollout
from archsearch.training.methods.directional_derivatives import _Misfit, relative_error
from archsearch.training.methods.gradient_health import gradient_health
from archsearch.training.methods.sensitivity_growth import growth_rate, log_growth
from archsearch.training.squares.prepare import prepare


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(3))
def test_a_bouncing_ball_is_called_discontinuous(seed: int) -> None:
    health = gradient_health(ball(), drawn(seed))
    assert health.verdict == "discontinuous"
    assert health.relative_error > 1e-3
    assert "jumps" in health.said


def test_lorenz_is_called_chaotic_with_its_exponent_and_windows_short_against_it() -> None:
    loss = lorenz(count=4)
    put(loss, LORENZ_TRUTH)
    health = gradient_health(loss, drawn())
    assert health.verdict == "chaotic"
    assert health.growth_rate == pytest.approx(0.906, rel=0.3)
    assert health.window * 0.025 < 1.0 / health.growth_rate
    assert health.relative_error < 1e-3, "within windows the gradient is right"


@pytest.mark.parametrize("seed", range(3))
def test_a_damped_oscillator_is_healthy_and_decays_at_half_its_friction(seed: int) -> None:
    loss = spring(seed)
    put(loss, SPRING_TRUTH)
    health = gradient_health(loss, drawn(seed))
    assert health.verdict == "healthy"
    assert health.relative_error < 1e-6
    assert health.growth_rate == pytest.approx(-0.5, abs=0.2)
    assert health.window == 50


def test_a_rollout_that_blows_up_is_not_finite_and_gets_windows_that_do_not() -> None:
    source = """
from archsearch.hybrid import HybridModel, Param
class Candidate(HybridModel):
    rate = Param(1.0, low=0.1, high=9.0)
    def rhs(self, t, x, u):
        return {"x": self.rate * x.x ** 3}
"""
    t = torch.linspace(0, 4, 41, dtype=torch.float64)[None]
    samples = Samples(("1",), t, torch.exp(0.5 * t)[..., None], torch.zeros(1, 41, 0), torch.ones(1, 41) > 0)
    health = gradient_health(
        prepare(load_candidate(source)(("x",)), (State(name="x"),), samples, FitSettings()), drawn()
    )
    assert health.verdict == "not finite"
    assert 1 <= health.window < 8
    assert "not finite" in health.said


def test_a_one_sided_force_is_no_discontinuity() -> None:
    source = """
import torch
from archsearch.hybrid import HybridModel, Param
class Candidate(HybridModel):
    stiffness = Param(9.0, low=1.0, high=20.0)
    friction = Param(0.8, low=0.1, high=5.0)
    def rhs(self, t, x, u):
        return {"x": x.v, "v": -self.stiffness * x.x - self.friction * torch.relu(x.v)}
"""
    loss = ball()
    loss = prepare(load_candidate(source)(("x", "v")), (State(name="x"), State(name="v")), loss.samples, FitSettings())
    assert gradient_health(loss, drawn()).verdict == "healthy"


def test_a_wrong_gradient_is_found(lotka_volterra_net: HybridModel, simulate: Callable[..., Samples]) -> None:
    states = (State(name="prey", scale="log"), State(name="hunter"))
    samples = simulate(np.linspace(0, 3, 20), [(1.0, 2.0), (2.0, 0.5)], noise=0.05)
    loss = prepare(lotka_volterra_net, states, samples, FitSettings())
    before = [tensor.detach().clone() for tensor in [*loss.model.parameters(), *loss.initial.unknowns()]]
    assert relative_error(loss, 19, drawn()) < 1e-6
    right = _Misfit.value_and_gradient
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Misfit, "value_and_gradient", lambda self: (right(self)[0], 1.01 * right(self)[1]))
        assert relative_error(loss, 19, drawn()) == pytest.approx(0.01, rel=0.1)
    after = [*loss.model.parameters(), *loss.initial.unknowns()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_growth_of_sensitivity_is_the_norm_of_the_derivative_of_the_rollout(
    lotka_volterra: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(np.linspace(0, 3, 12), [(1.0, 2.0)])
    loss = prepare(lotka_volterra, (State(name="prey"), State(name="hunter")), samples, FitSettings())

    def last(start: torch.Tensor) -> torch.Tensor:
        return rollout(loss.field(), start, samples.times, samples.inputs, loss.settings.substeps)[0, -1]

    start = loss.initial.value().detach()
    by_start = torch.autograd.functional.jacobian(last, start)[:, 0] * loss.scale / loss.scale[:, None]
    z = rollout(loss.field(), start, samples.times, samples.inputs, loss.settings.substeps).detach()
    logs = log_growth(loss, z)
    assert logs[0, 0].item() == pytest.approx(0.0, abs=1e-12)
    assert logs[0, -1].item() == pytest.approx(float((by_start.norm() / 2**0.5).log()), abs=1e-9)


def test_growth_rate_is_the_slope_of_each_trajectory_over_its_valid_samples() -> None:
    times = torch.tensor([[0.0, 1.0, 2.0, 2.0], [0.0, 1.0, 3.0, 4.0]], dtype=torch.float64)
    logs = 3.0 + torch.tensor([[0.5], [1.5]], dtype=torch.float64) * times
    valid = torch.tensor([[True, True, True, False], [True] * 4])
    logs[0, 3] = torch.nan
    assert growth_rate(logs, times, valid) == pytest.approx(1.0)
