from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from implicit_systems import BLOW_UP, ROBERTSON, SWING, VAN_DER_POL, built, numbers, on_times
from scipy.integrate import solve_ivp

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.training.flow.integrate import Coordinates, rollout
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.implicit.adaptive import accurate_implicit
from archsearch.training.implicit.radau import radau_step_of
from archsearch.training.implicit.rollout import implicit_rollout, is_stiff, rollout_stages
from archsearch.training.reported.accurate import accurate

PREY_LOG = Coordinates.of((State(name="prey", scale="log"), State(name="hunter")))


def robertson(t: float, x: np.ndarray) -> list[float]:
    first, second, third = 0.04 * x[0], 3e7 * x[1] ** 2, 1e4 * x[1] * x[2]
    return [third - first, first - second - third, second]


def van_der_pol(t: float, x: np.ndarray) -> list[float]:
    return [x[1], 1000.0 * (1 - x[0] ** 2) * x[1] - x[0]]


@pytest.mark.parametrize(
    ("source", "field", "start", "times"),
    [
        (ROBERTSON, robertson, [1.0, 0.0, 0.0], [0.0, 1e-3, 0.1, 10.0, 1e3, 1e4]),
        (VAN_DER_POL, van_der_pol, [2.0, 0.0], [0.0, 1.0, 100.0, 500.0]),
    ],
)
def test_stiff_systems_agree_with_scipy(
    source: str, field: Callable[..., list[float]], start: list[float], times: list[float]
) -> None:
    model, coordinates = built(source)
    found, algebraic = accurate_implicit(model, coordinates, numbers(start), *on_times(times), 1)
    options = {"method": "Radau", "rtol": 1e-11, "atol": 1e-14}
    reference = solve_ivp(field, (0.0, times[-1]), start, t_eval=times, **options).y.T
    np.testing.assert_allclose(found[0].numpy(), reference, rtol=1e-8, atol=0)
    assert algebraic.shape == (1, len(times), 0)


def test_fixed_steps_through_a_stiff_decay_where_explicit_ones_explode() -> None:
    model, coordinates = built(VAN_DER_POL)
    times, inputs = on_times(torch.linspace(0, 400, 41))
    start = numbers([2.0, -2 / 3000])
    found, _ = implicit_rollout(model, coordinates, start, times, inputs, 1)
    explicit = rollout(coordinates.field(model), start, times, inputs, 20)
    reference = solve_ivp(van_der_pol, (0.0, 400.0), start[0], method="Radau", rtol=1e-11, atol=1e-14).y[:, -1]
    assert not torch.isfinite(explicit[0, -1]).all()
    np.testing.assert_allclose(found[0, -1].numpy(), reference, rtol=1e-6)


def test_both_accurate_rollouts_agree_where_nothing_is_stiff(lotka_volterra: HybridModel) -> None:
    times = numbers([0.0, 0.5, 0.7, 2.0], [0.0, 1.0, 1.0, 1.0])
    inputs = times.new_zeros(2, 4, 0)
    start = PREY_LOG.inner(numbers([1.0, 2.0], [0.5, 0.3]))
    with torch.no_grad():
        explicit = accurate(PREY_LOG.field(lotka_volterra), start, times, inputs, 3)
    implicit, _ = accurate_implicit(lotka_volterra, PREY_LOG, start, times, inputs, 3)
    torch.testing.assert_close(implicit, explicit, rtol=1e-8, atol=1e-8)


def test_fixed_and_accurate_rollouts_agree(lotka_volterra: HybridModel) -> None:
    times, inputs = on_times([0.0, 0.5, 0.7, 2.0, 2.0], many=2)
    start = PREY_LOG.inner(numbers([1.0, 2.0], [0.5, 0.3]))
    fixed, _ = implicit_rollout(lotka_volterra, PREY_LOG, start, times, inputs, 12)
    dense, _ = accurate_implicit(lotka_volterra, PREY_LOG, start, times, inputs, 2)
    torch.testing.assert_close(fixed, dense[:, ::2], rtol=1e-7, atol=1e-7)
    assert torch.equal(fixed[:, -1], fixed[:, -2])


def test_inputs_hold_from_each_sample_to_the_next() -> None:
    model, coordinates = built(SWING)
    forced = type("Forced", (type(model),), {"rhs": lambda self, t, x, u: {"x": u.feed}})(("x",), ("feed",))
    times = numbers([0.0, 1.0, 3.0, 3.5])
    inputs = numbers([2.0, -1.0, 4.0, 99.0]).unsqueeze(-1)
    wanted = numbers([0.0, 2.0, 0.0, 2.0])
    for found in (
        implicit_rollout(forced, coordinates, numbers([0.0]), times, inputs, 2)[0],
        accurate_implicit(forced, coordinates, numbers([0.0]), times, inputs, 1)[0],
    ):
        torch.testing.assert_close(found[..., 0], wanted)


def test_a_trajectory_that_blows_up_is_nan_and_leaves_the_others_alone() -> None:
    model, coordinates = built(BLOW_UP)
    times, inputs = on_times([0.0, 0.5, 1.5, 2.0], many=3)
    start = numbers([1.0], [0.1], [float("nan")])
    for found in (
        implicit_rollout(model, coordinates, start, times, inputs, 20)[0],
        accurate_implicit(model, coordinates, start, times, inputs, 1)[0],
    ):
        assert torch.isnan(found[..., 0]).tolist() == [[False, False, True, True], [False] * 4, [True] * 4]
        torch.testing.assert_close(found[1, :, 0], 1 / (10 - times[1]), rtol=1e-8, atol=0)
        assert found[0, 1, 0].item() == pytest.approx(2.0, rel=1e-8)


def test_stiffness_is_told_from_the_stability_of_explicit_steps() -> None:
    """The boundary of explicit methods of order 4 on the negative axis is -2.7853."""
    model, coordinates = built(SWING)
    decay = type("Decay", (type(model),), {"rhs": lambda self, t, x, u: {"x": -100.0 * x.x}})(("x",))
    growth = type("Growth", (type(model),), {"rhs": lambda self, t, x, u: {"x": 100.0 * x.x}})(("x",))
    z, (times, inputs) = torch.ones(1, 3, 1, dtype=torch.float64), on_times([0.0, 0.5, 1.0])
    z[0, 1] = torch.nan
    assert is_stiff(decay, coordinates, z, times, inputs, 17)
    assert not is_stiff(decay, coordinates, z, times, inputs, 18)
    assert not is_stiff(growth, coordinates, z, times, inputs, 1)


def test_jacobians_of_all_intervals_chain_to_the_derivative_of_a_rollout() -> None:
    model, coordinates = built(VAN_DER_POL)
    times, inputs = on_times(torch.linspace(0, 200, 5))
    step, p, start = radau_step_of(model, coordinates, 2), Flat.of(model).vector(model), numbers([2.0, -2 / 3000])
    stages = rollout_stages(step, p, start, times, inputs)[0]
    left = torch.cat([start, stages[:-1, -1, -1]])
    given = left, times[0, :-1], times[0, 1:] - times[0, :-1], inputs[0, :-1]
    by_p, by_z = torch.func.vmap(torch.func.jacrev(step, argnums=(0, 1)), in_dims=(None, 0, 0, 0, 0))(p, *given)
    total = torch.zeros_like(by_p[0])
    for k in range(4):
        total = by_z[k] @ total + by_p[k]
    ahead, behind = (rollout_stages(step, p + d, start, times, inputs)[0, -1, -1, -1] for d in (1e-5, -1e-5))
    torch.testing.assert_close(total[:, 0], (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-12)
