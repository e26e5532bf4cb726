"""Integrate the equations of a simulator far more accurately than anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.integrate import solve_ivp

from archsearch.systems.tables import Floats


def solved(derivative: Callable[[Floats], Floats], start: Floats | Sequence[float], times: Floats) -> Floats:
    """(T, n): the states at these times, which begin at 0, from the (n,) states of the start."""
    solution = solve_ivp(
        lambda _, state: derivative(state),
        (0.0, float(times[-1])),
        start,
        t_eval=times,
        method="DOP853",
        rtol=1e-10,
        atol=1e-12,
    )
    return np.asarray(solution.y.T, dtype=np.float64)
