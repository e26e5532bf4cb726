from __future__ import annotations

import numpy as np
import pytest

from archsearch.systems import Table, simulate
from archsearch.systems.pendulum import DAMPING, PERIOD, draw_start, solve

STIFFNESS = (2 * np.pi / PERIOD) ** 2


def energy(theta: np.ndarray, omega: np.ndarray) -> np.ndarray:
    return omega**2 / 2 + STIFFNESS * (1 - np.cos(theta))


@pytest.fixture(scope="module")
def table() -> Table:
    return simulate("pendulum", 0)


def test_there_are_25_trajectories_to_train_and_25_to_test(table: Table) -> None:
    names, counts = np.unique(table["trajectory"], return_counts=True)
    assert [name.split("-")[0] for name in names] == ["test"] * 25 + ["train"] * 25
    assert set(counts) == {40}
    np.testing.assert_allclose(table["time"][:40], np.arange(0.0, 20.0, 0.5))


def test_small_swings_have_a_period_of_6_s_and_the_given_damping() -> None:
    times = np.linspace(0.0, 20.0, 41)
    frequency = np.sqrt(STIFFNESS - DAMPING**2 / 4)
    swing = np.cos(frequency * times) + DAMPING / (2 * frequency) * np.sin(frequency * times)
    theta = solve(np.array([1e-3, 0.0]), times)[:, 0]
    np.testing.assert_allclose(theta / 1e-3, np.exp(-DAMPING * times / 2) * swing, atol=2e-6)


def test_energy_falls_in_every_trajectory(table: Table) -> None:
    total = energy(table["theta"], table["omega"]).reshape(50, 40)
    assert (np.diff(total, axis=1) < 0).all()


def test_the_energy_lost_is_the_work_of_the_damping() -> None:
    times = np.linspace(0.0, 20.0, 4001)
    theta, omega = solve(np.array([1.5, -1.2]), times).T
    total = energy(theta, omega)
    assert total[0] - total[-1] == pytest.approx(np.trapezoid(DAMPING * omega**2, times), rel=1e-5)


def test_starts_lie_in_the_ring_and_in_all_directions() -> None:
    generator = np.random.default_rng(1)
    starts = np.array([draw_start(generator) for _ in range(2000)])
    radii = np.linalg.norm(starts, axis=1)
    assert radii.min() >= 1.3
    assert radii.max() <= 2.3
    assert radii.mean() == pytest.approx(1.8, abs=0.03)
    quadrants = 2 * (starts[:, 0] > 0) + (starts[:, 1] > 0)
    np.testing.assert_allclose(np.bincount(quadrants) / 2000, 0.25, atol=0.04)
