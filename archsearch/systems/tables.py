"""The form in which a simulator hands over its measurements: one table of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Table = dict[str, npt.NDArray[Any]]
"""Column name to (rows,) values: `time`, `trajectory` (text), then states and inputs.

States that are fields stand in whole arrays (trajectories, times, axes of the grid), with `time` (times,), `trajectory`
(trajectories,) and the coordinates of each axis.
"""


def trajectory_table(name: str, times: Floats, columns: Mapping[str, Floats]) -> Table:
    """One trajectory as a table.

    Args:
        name: what the trajectory is called.
        times: (T,), time unit, when the samples were taken.
        columns: (T,) each, in the unit of the state or input, its values.
    """
    return {"time": times, "trajectory": np.full(times.shape, name), **columns}


def stack(tables: Sequence[Table]) -> Table:
    """All trajectories below each other in one table."""
    return {column: np.concatenate([table[column] for table in tables]) for column in tables[0]}
