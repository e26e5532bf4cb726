"""The damped pendulum under another law than the textbook's: it is slowed down with another exponent."""

from __future__ import annotations

import numpy as np

from archsearch.systems.pendulum import PERIOD, measured
from archsearch.systems.tables import Floats, Table

EXPONENT = 3
DAMPING = 0.08  # s/rad^2


def derivative(state: Floats) -> Floats:
    """(2,), rad/s and rad/s²: the derivative of angle (rad) and angular velocity (rad/s)."""
    theta, omega = state
    stiffness = (2.0 * np.pi / PERIOD) ** 2
    return np.array([omega, -stiffness * np.sin(theta) - DAMPING * omega**EXPONENT])


def simulate_pendulum_variant(seed: int) -> Table:
    """The trajectories of `simulate_pendulum` under this law.

    Reference: changed equations as a test of whether a model was found or remembered: Holt, Liu & van der Schaar,
    "Automatically learning hybrid digital twins of dynamical systems", NeurIPS 2024. The data set is that of
    `simulate_pendulum`; damping by the third power of the velocity is ours.
    """
    return measured(seed, derivative)
