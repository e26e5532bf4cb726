"""One exponential step per interval: rough, and never absurd."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from archsearch.training.reported.exponential import exponential_rollout

NOTHING = torch.zeros(1, 2, 0, dtype=torch.float64)


def numbers(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def stepped(field: object, start: list[float], times: list[float], inputs: Tensor = NOTHING) -> Tensor:
    held = inputs if inputs.shape[-1] else torch.zeros(1, len(times), 0, dtype=torch.float64)
    return exponential_rollout(field, numbers([start]), numbers([times]), held, 1.0)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [-1.0, -0.2, 0.3, 1.0])
def test_what_is_linear_is_followed_with_inputs_and_all(rate: float) -> None:
    inputs = numbers([[[2.0], [-1.0], [99.0]]])
    found = stepped(lambda t, z, u: rate * z + u, [1.0], [0.0, 1.0, 1.5], inputs)[:, 0]
    first = math.exp(rate) * (1 + 2 / rate) - 2 / rate
    second = math.exp(0.5 * rate) * (first - 1 / rate) + 1 / rate
    torch.testing.assert_close(found, numbers([1.0, first, second]), rtol=3e-3, atol=0)


@pytest.mark.parametrize("rate", [1e2, 1e5, 1e9])
def test_what_forgets_its_past_at_once_stays_near_where_it_is_driven(rate: float) -> None:
    found = stepped(lambda t, z, u: rate * (3.0 - z), [1.0], [float(k) for k in range(9)])
    assert float((found - 3.0).abs().max()) <= 2.0 + 1e-6


def test_a_pendulum_of_many_samples_is_followed_to_the_second_order() -> None:
    def field(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        return torch.stack([z[:, 1], -torch.sin(z[:, 0])], -1)

    ends = [stepped(field, [1.0, 0.0], [4.0 * k / count for k in range(count + 1)])[-1] for count in (20, 40, 640)]
    ratio = float((ends[0] - ends[2]).norm() / (ends[1] - ends[2]).norm())
    assert 3.5 < ratio < 4.6


def test_equations_that_name_the_time_see_the_middle_of_the_step() -> None:
    found = stepped(lambda t, z, u: (2 * t)[:, None] + 0 * z, [0.0], [1.0, 2.0, 4.0])[:, 0]
    torch.testing.assert_close(found, numbers([0.0, 3.0, 15.0]), rtol=1e-12, atol=1e-12)
