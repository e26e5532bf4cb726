"""Whole trajectories at once: as accurate as is asked, in few evaluations, and silent where it cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from known_systems import predator_prey
from scipy.integrate import solve_ivp
from torch import Tensor

from archsearch.training.flow.integrate import Field
from archsearch.training.reported import at_once as whole
from archsearch.training.reported.accurate import at_once as in_one_go
from archsearch.training.reported.accurate import step_by_step
from archsearch.training.reported.at_once import integrate_at_once
from archsearch.training.reported.gauss_tableau import STAGES, gauss_tableau

TIGHT = 1e-10


class Counted:
    """A vector field that counts how often it is asked."""

    def __init__(self, field: Field) -> None:
        self._field, self.calls = field, 0

    def __call__(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """(B, n)"""
        self.calls += 1
        return self._field(t, z, u)


def at_once(field: Field, z0: Tensor, times: Tensor, inputs: Tensor, dense: int, relative: float) -> Tensor:
    """From all guesses, one after the other."""
    return in_one_go(field, z0, times, inputs, (dense,), relative)[0]


def numbers(values: Sequence[object]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def evenly(end: float, samples: int, many: int = 1) -> tuple[Tensor, Tensor]:
    """Times (N, T), and inputs (N, T, 0) of which there are none."""
    return torch.linspace(0, end, samples, dtype=torch.float64).expand(many, samples), torch.zeros(many, samples, 0)


def oscillator(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
    return torch.stack([z[:, 1], -z[:, 0]], -1)


def prey_and_hunters(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
    prey, hunters = z.unbind(-1)
    return torch.stack([1.3 * prey - 0.9 * prey * hunters, 0.8 * prey * hunters - 1.8 * hunters], -1)


def test_the_tableau_integrates_what_collocation_at_gauss_points_integrates_exactly() -> None:
    table = gauss_tableau()
    for power in range(2 * STAGES):
        assert float(table.weights @ table.nodes**power) == pytest.approx(1 / (power + 1), rel=1e-13)
    for power in range(STAGES):
        whole = table.nodes ** (power + 1) / (power + 1)
        torch.testing.assert_close(table.integrals @ table.nodes**power, whole, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("stages", "lengths"), [(STAGES, (8.0, 4.0)), (5, (4.0, 2.0))])
def test_ends_of_elements_have_twice_the_order_of_their_stages(
    monkeypatch: pytest.MonkeyPatch, stages: int, lengths: tuple[float, float]
) -> None:
    """One element, no control of the error: it falls by 2 ** (2 s + 1) for half the length."""
    monkeypatch.setattr(whole, "BETWEEN", 1e30)
    errors = []
    for length in lengths:
        times, inputs = evenly(length, 2)
        start = numbers([[1.0, 0.0]])
        guess = torch.stack([start, numbers([[math.cos(length), -math.sin(length)]])], 1)
        z = integrate_at_once(oscillator, guess, times, inputs, (1,), 1e-13, 1e-13, stages)[0]
        errors.append(float((z[0, -1] - guess[0, -1]).norm()))
    assert 2 * stages - 1 < math.log2(errors[0] / errors[1]) < 2 * stages + 3, errors


@pytest.mark.parametrize("relative", [1e-5, 1e-8, 1e-10])
@pytest.mark.parametrize("samples", [3, 13, 101])
def test_is_as_accurate_as_asked_also_between_samples_however_far_apart_they_are(relative: float, samples: int) -> None:
    times, inputs = evenly(12.0, samples)
    found = at_once(prey_and_hunters, numbers([[1.0, 2.0]]), times, inputs, 4, relative)[0].numpy()
    points = np.linspace(0, 12, 4 * (samples - 1) + 1)
    wanted = solve_ivp(predator_prey, (0, 12), (1.0, 2.0), t_eval=points, method="DOP853", rtol=1e-13, atol=1e-14).y.T
    assert np.abs(found / wanted - 1).max() < 100 * max(relative, 1e-12)


def test_is_more_accurate_than_steps_of_the_same_tolerance_in_a_tenth_of_the_evaluations() -> None:
    times, inputs = evenly(12.0, 25)
    start, exact = numbers([[1.0, 2.0]]), Counted(prey_and_hunters)
    wanted = step_by_step(exact, start, times, inputs, 1, 1e-13)
    errors, calls = {}, {}
    for method in (at_once, step_by_step):
        field = Counted(prey_and_hunters)
        found = method(field, start, times, inputs, 1, TIGHT)
        errors[method.__name__], calls[method.__name__] = float((found - wanted).abs().max()), field.calls
    assert errors["at_once"] < errors["step_by_step"]
    assert calls["at_once"] < 0.1 * calls["step_by_step"]


def test_inputs_jump_where_the_data_say_so_and_padding_stands_still() -> None:
    times = numbers([[0.0, 1.0, 3.0, 3.5], [0.0, 0.5, 0.5, 0.5]])
    inputs = numbers([[[2.0], [-1.0], [4.0], [99.0]], [[1.0], [99.0], [99.0], [99.0]]])
    found = at_once(lambda t, z, u: u + 0 * z, numbers([[0.0], [0.0]]), times, inputs, 2, TIGHT)[..., 0]
    torch.testing.assert_close(found[0], numbers([0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0]), rtol=0, atol=1e-12)
    torch.testing.assert_close(found[1], numbers([0.0, 0.25, *[0.5] * 5]), rtol=0, atol=1e-12)


def test_equations_that_name_the_time_see_the_time_of_their_trajectory() -> None:
    times = numbers([[0.0, 1.0, 2.5], [5.0, 5.5, 6.0]])
    found = at_once(
        lambda t, z, u: torch.cos(t)[:, None], numbers([[0.0], [1.0]]), times, torch.zeros(2, 3, 0), 1, TIGHT
    )
    wanted = torch.stack([torch.sin(times[0]), 1 + torch.sin(times[1]) - math.sin(5.0)])
    torch.testing.assert_close(found[..., 0], wanted, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("field", "starts"),
    [
        (lambda t, z, u: torch.stack([z[:, 1], -z[:, 0] - 5 * torch.relu(z[:, 0] - 0.5)], -1), [[1.0, 0.0]]),
        (lambda t, z, u: torch.stack([z[:, 1], -z[:, 0].abs()], -1), [[1.0, 0.3], [0.2, 0.0]]),
    ],
)
def test_a_kink_in_the_equations_costs_elements_and_no_accuracy(field: Field, starts: list[list[float]]) -> None:
    times, inputs = evenly(3.0, 13, len(starts))
    found = at_once(field, numbers(starts), times, inputs, 1, TIGHT)
    solved = torch.isfinite(found).flatten(1).all(-1)
    assert bool(solved.any())
    wanted = step_by_step(field, numbers(starts), times, inputs, 1, 1e-13)
    torch.testing.assert_close(found[solved], wanted[solved], rtol=0, atol=2e-8)


def lorenz(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
    x, y, w = z.unbind(-1)
    return torch.stack([10 * (y - x), x * (28 - w) - y, x * y - 8 / 3 * w], -1)


@pytest.mark.parametrize(
    ("field", "hopeless", "easy", "end"),
    [
        (lambda t, z, u: z * z, [1.0], [0.1], 2.0),
        (lambda t, z, u: torch.sqrt(z) - 1.0, [0.5], [4.0], 3.0),
        (lorenz, [1.0, 1.0, 1.0], [0.0, 0.0, 1.0], 40.0),
    ],
)
def test_what_does_not_converge_is_left_out_soon_and_alone(
    field: Callable[..., Tensor], hopeless: list[float], easy: list[float], end: float
) -> None:
    times, inputs = evenly(end, 41, 2)
    counted = Counted(field)
    found = at_once(counted, numbers([hopeless, easy]), times, inputs, 1, TIGHT)
    assert bool(torch.isnan(found[0]).all())
    alone = at_once(field, numbers([easy]), times[:1], inputs[:1], 1, TIGHT)
    torch.testing.assert_close(found[1:], alone, rtol=1e-9, atol=1e-12)
    assert counted.calls < 1000
