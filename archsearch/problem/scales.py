"""How far values spread: the unit in which errors of a state are measured, the same in a fit and in a score."""

from __future__ import annotations

import numpy as np

from archsearch.problem.trajectories import Floats

CONSTANT = 1e-9
"""A spread below this share of the size is rounding: the values never changed."""


def spread(values: Floats) -> float:
    """Standard deviation of the finite values; their size if they never change, 1 if there is nothing to measure by."""
    seen = values[np.isfinite(values)]
    size = float(np.abs(seen).max(initial=0.0))
    found = float(seen.std()) if seen.size else 0.0
    return found if found > CONSTANT * size else size or 1.0
