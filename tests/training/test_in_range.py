"""Rollouts that may blow up: to four digits while they stay in range, and given up where they leave it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archsearch.problem.space import State
from archsearch.training.flow.integrate import Coordinates, Field
from archsearch.training.reported.accurate import step_by_step
from archsearch.training.reported.in_range import InRange

PLAIN = Coordinates.of((State(name="x"),))
LOG = Coordinates.of((State(name="x", scale="log"),))


def numbers(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def rolled(
    field: Field, starts: list[list[float]], end: float, most: float, coordinates: Coordinates = PLAIN
) -> Tensor:
    """(N, 9), of one state."""
    times = torch.linspace(0, end, 9, dtype=torch.float64).expand(len(starts), 9)
    place = InRange(coordinates.field_of(field), coordinates, torch.full((len(starts[0]),), most, dtype=torch.float64))
    return place.rolled(coordinates.inner(numbers(starts)), times, torch.zeros(len(starts), 9, 0), 8)


def test_what_grows_is_lost_where_it_leaves_the_range_and_alone() -> None:
    found = rolled(lambda t, z, u: 2.0 * z, [[1.0], [1e-20]], 8.0, 200.0)[..., 0]
    wanted = torch.exp(2.0 * torch.linspace(0, 8, 9, dtype=torch.float64))
    torch.testing.assert_close(found[0, :3], wanted[:3], rtol=1e-2, atol=0)
    assert torch.isnan(found[0, 3:]).all()
    torch.testing.assert_close(found[1], 1e-20 * wanted, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("field", "start", "coordinates"),
    [
        (lambda t, z, u: z**2, 0.8, PLAIN),  # 1 / (1.25 - t)
        (lambda t, x, u: -torch.ones_like(x), 1.25, LOG),  # 1.25 - t, of which there is no logarithm from then on
    ],
)
def test_nothing_is_told_beyond_a_pole(field: Field, start: float, coordinates: Coordinates) -> None:
    found = rolled(field, [[start]], 4.0, 1e12, coordinates)[0, :, 0]
    before = torch.linspace(0, 4, 9) < 1.25
    assert torch.isfinite(found[before]).all()
    assert torch.isnan(found[~before]).all()


def test_the_logarithm_of_nothing_is_out_of_range() -> None:
    """All end between samples, each elsewhere in a step."""
    starts = [[0.01 * k + 0.003] for k in range(300)]
    found = rolled(lambda t, x, u: -torch.ones_like(x), starts, 4.0, 1e9, LOG)[..., 0]
    assert not torch.isinf(found).any()
    assert torch.isnan(found[:, -1]).all()


def test_what_is_too_fast_for_steps_is_followed() -> None:
    """Four hundred times too fast for a Runge-Kutta step of the interval, fifty times for one of its eighth."""
    found = rolled(lambda t, z, u: 1e3 * (torch.cos(t)[:, None] - z), [[1.0]], 8.0, 1e9)[0, :, 0]
    times = torch.linspace(0, 8, 9, dtype=torch.float64)
    wanted = (1e6 * torch.cos(times) + 1e3 * torch.sin(times)) / (1e6 + 1)
    torch.testing.assert_close(found[1:], wanted[1:], rtol=1e-4, atol=0)


def test_four_digits_are_right_also_with_kinks() -> None:
    def field(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return torch.stack([z[:, 1], -z[:, 0] - 5 * torch.relu(z[:, 0] - 0.5)], -1)

    starts = [[1.0, 0.0], [0.3, 0.4], [2.0, -1.0]]
    times = torch.linspace(0, 6, 9, dtype=torch.float64).expand(3, 9)
    wanted = step_by_step(field, numbers(starts), times, torch.zeros(3, 9, 0), 1, 1e-12)
    coordinates = Coordinates.of((State(name="x"), State(name="v")))
    found = rolled(field, starts, 6.0, 1e9, coordinates)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
