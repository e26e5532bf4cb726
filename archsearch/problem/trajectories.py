"""Measured trajectories as arrays: times, states, inputs, with missing values masked and never invented."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)


def over(samples: npt.NDArray[Scalar], states: npt.NDArray[Any]) -> npt.NDArray[Scalar]:
    """Something per sample (N, T) with as many axes as states (N, T, *grid, n), so that it broadcasts to them."""
    return samples.reshape(samples.shape + (1,) * (states.ndim - samples.ndim))


@dataclass(frozen=True)
class Trajectories:
    """N trajectories of up to T samples, n states and m inputs, padded to one shape.

    Attributes:
        ids: the N names.
        times: (N, T), in the time unit; padding repeats the last time of the trajectory.
        states: (N, T, n), or (N, T, *grid, n) of fields, in the units of the states, NaN where not observed or padding.
        inputs: (N, T, m); the value at sample k holds from `times[:, k]` to `times[:, k + 1]`.
        lengths: (N,), the number of samples of each trajectory.
    """

    ids: tuple[str, ...]
    times: Floats
    states: Floats
    inputs: Floats
    lengths: npt.NDArray[np.int64]

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of points along each axis of the grid; none without a grid."""
        return self.states.shape[2:-1]

    @property
    def observed(self) -> Bools:
        """(N, T, *grid, n): where there is an observation."""
        return np.isfinite(self.states)

    @property
    def valid(self) -> Bools:
        """(N, T): samples that are not padding."""
        return np.arange(self.times.shape[1])[None, :] < self.lengths[:, None]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: list[int]) -> Trajectories:
        """The trajectories at these rows, padded no longer than they need."""
        longest = int(self.lengths[rows].max()) if rows else 0
        return Trajectories(
            ids=tuple(self.ids[row] for row in rows),
            times=self.times[rows, :longest],
            states=self.states[rows, :longest],
            inputs=self.inputs[rows, :longest],
            lengths=self.lengths[rows],
        )

    def until(self, ends: npt.NDArray[np.int64]) -> Trajectories:
        """Each trajectory cut after its first `ends` samples; (N,) counts of at least 1."""
        return self.between(np.zeros_like(ends), ends)

    def between(self, firsts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Trajectories:
        """Each trajectory from the sample `firsts` on, up to the one before `ends`; (N,) each, at least 1 apart."""
        lengths = ends - firsts
        column = np.arange(int(lengths.max()))[None, :]
        rows, source = np.arange(len(self))[:, None], np.minimum(firsts[:, None] + column, ends[:, None] - 1)
        inside = column < lengths[:, None]
        return replace(
            self,
            times=self.times[rows, source],
            states=np.where(over(inside, self.states), self.states[rows, source], np.nan),
            inputs=self.inputs[rows, source],
            lengths=lengths,
        )
