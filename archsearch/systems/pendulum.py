"""Damped pendulum: 25 trajectories to learn from and 25 to be tested on, without noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archsearch.systems.solving import solved
from archsearch.systems.tables import Floats, Table, stack, trajectory_table

Law = Callable[[Floats], Floats]
"""(state (2,)) -> its derivative (2,)"""

PERIOD = 6.0  # s, of small undamped swings
DAMPING = 0.2  # 1/s
STEP = 0.5  # s
SAMPLES = 40
TRAJECTORIES = 25
RADIUS = (1.3, 2.3)  # distance of a start from rest, rad and rad/s taken as equal


def derivative(state: Floats) -> Floats:
    """(2,), rad/s and rad/s²: the derivative of angle (rad) and angular velocity (rad/s)."""
    theta, omega = state
    stiffness = (2.0 * np.pi / PERIOD) ** 2
    return np.array([omega, -stiffness * np.sin(theta) - DAMPING * omega])


def solve(start: Floats, times: Floats, law: Law = derivative) -> Floats:
    """(T, 2): angle and angular velocity at these times."""
    return solved(law, start, times)


def simulate_pendulum(seed: int) -> Table:
    """Trajectories `train-01` to `train-25` and `test-01` to `test-25`.

    Reference: Yin et al., "Augmenting physical models with deep networks for complex dynamics forecasting"
    (APHYNITY), ICLR 2021, data set "damped pendulum" with its T0 = 6 s and damping 0.2. Differences: the draws are
    those of NumPy's present generator, and the absolute tolerance of the solver is 1e-12 instead of its default.
    """
    return measured(seed, derivative)


def measured(seed: int, law: Law) -> Table:
    """The trajectories of `simulate_pendulum` under any law."""
    generator = np.random.default_rng(seed)
    times = STEP * np.arange(SAMPLES, dtype=np.float64)
    names = [f"{group}-{index:02d}" for group in ("train", "test") for index in range(1, TRAJECTORIES + 1)]
    return stack([_trajectory(name, times, draw_start(generator), law) for name in names])


def draw_start(generator: np.random.Generator) -> Floats:
    """(2,), rad and rad/s: towards a uniform point of the square around rest, at a uniform distance from rest."""
    direction = generator.uniform(-1.0, 1.0, size=2)
    return np.asarray(direction / np.linalg.norm(direction) * generator.uniform(*RADIUS), dtype=np.float64)


def _trajectory(name: str, times: Floats, start: Floats, law: Law) -> Table:
    """One pendulum, released from `start`."""
    theta, omega = solve(start, times, law).T
    return trajectory_table(name, times, {"theta": theta, "omega": omega})
