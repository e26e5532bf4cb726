"""Make trajectories of fields from arrays whose axes are trajectories, times and the axes of the grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from archsearch.errors import DataError, did_you_mean
from archsearch.problem.defaults import with_default
from archsearch.problem.labels import trajectory_label
from archsearch.problem.space import Axis, SearchSpace, State
from archsearch.problem.trajectories import Floats, Trajectories, over

FEWEST_FRAMES, FEWEST_POINTS = 3, 3
EVEN = 1e-4
"""Coordinates are evenly spaced if no step differs from their mean by more than this share."""

Arrays = Mapping[str, npt.NDArray[Any]]


def assemble_fields(source: str, arrays: Arrays, space: SearchSpace) -> Trajectories:
    """The trajectories of a space whose states are fields.

    Args:
        source: the name of the file, for messages.
        arrays: by column: states (N, T, *grid), times (N, T) or (T,), inputs (N, T), (T,) or (N, 1), ids (N,); of
            a single trajectory without the first axis. Times may end in NaN where a trajectory is shorter than others.
        space: which names the axes of the grid.

    Raises:
        DataError: the arrays are not what the space says.
    """
    reader = _Reader(source, arrays, space)
    return reader.trajectories()


def with_spacing(source: str, arrays: Arrays, space: SearchSpace, grid: tuple[int, ...]) -> SearchSpace:
    """The space with the spacing of every axis, read off its coordinates where it is not written down.

    Raises:
        DataError: there is no telling, or what is written is not what the coordinates say.
    """
    axes = [_with_spacing(source, arrays, axis, points) for axis, points in zip(space.axes, grid, strict=True)]
    return with_default(space, axes=tuple(axes))


def _with_spacing(source: str, arrays: Arrays, axis: Axis, points: int) -> Axis:
    column = axis.column or axis.name
    if column not in arrays:
        if axis.spacing is None or axis.column is not None:
            found = f"found {', '.join(arrays)}{did_you_mean(column, arrays)}"
            raise DataError(
                f"{source}: expected coordinates in an array '{column}' (axes.{axis.name}), {found}",
                f"Write spacing = ... under [[axes]] of '{axis.name}', or give its coordinates.",
            )
        return axis
    step = _step(source, arrays[column], axis, points)
    if axis.spacing is not None and abs(axis.spacing - step) > EVEN * step:
        raise DataError(
            f"{source}: expected a spacing of {axis.spacing:g} (axes.{axis.name}), found {step:g} in '{column}'",
            "Leave out the spacing: it is read off the coordinates.",
        )
    return axis if axis.spacing is not None else with_default(axis, spacing=step)


def _step(source: str, coordinates: npt.NDArray[Any], axis: Axis, points: int) -> float:
    """The distance between neighbours, if it is the same everywhere."""
    if coordinates.shape != (points,) or coordinates.dtype.kind not in "fiu":
        found = f"found {coordinates.dtype} of shape {coordinates.shape}"
        raise DataError(f"{source}: expected {points} coordinates of '{axis.name}', one per point, {found}")
    steps = np.diff(coordinates.astype(np.float64))
    mean = float(steps.mean())
    if not (np.isfinite(mean) and mean > 0 and (np.abs(steps - mean) <= EVEN * mean).all()):
        found = f"found steps from {np.min(steps):g} to {np.max(steps):g}"
        raise DataError(
            f"{source}: expected coordinates of '{axis.name}' that increase by equal steps, {found}",
            "Interpolate the data to a regular grid first.",
        )
    return float(f"{mean:.10g}")


class _Reader:
    """Reads the arrays of one file."""

    def __init__(self, source: str, arrays: Arrays, space: SearchSpace) -> None:
        self._source, self._arrays, self._space = source, arrays, space
        self._axes = ", ".join(axis.name for axis in space.axes)
        self._single = False

    def trajectories(self) -> Trajectories:
        """All of them."""
        states = self._states()
        many, most = states.shape[:2]
        times, lengths = self._times(many, most)
        inputs = self._inputs(many, most)
        inside = np.arange(most)[None, :] < lengths[:, None]
        last = np.minimum(np.arange(most)[None, :], lengths[:, None] - 1)
        rows = np.arange(many)[:, None]
        self._check(states, inputs, inside)
        return Trajectories(
            ids=self._ids(many),
            times=times[rows, last],
            states=np.where(over(inside, states), states, np.nan),
            inputs=inputs[rows, last],
            lengths=lengths,
        )

    def _array(self, name: str, key: str) -> npt.NDArray[Any]:
        if name not in self._arrays:
            found = f"found {', '.join(self._arrays)}{did_you_mean(name, self._arrays)}"
            raise DataError(
                f"{self._source}: expected an array '{name}' ({key}), {found}", "Name the right one in space.toml."
            )
        return self._arrays[name]

    def _numbers(self, name: str, key: str) -> Floats:
        array = self._array(name, key)
        if array.dtype.kind not in "fiub":
            raise DataError(f"{self._source}: expected numbers in the array '{name}' ({key}), found {array.dtype}")
        numbers = array.astype(np.float64)
        if np.isinf(numbers).any():
            raise DataError(
                f"{self._source}: expected finite numbers in the array '{name}' ({key}), found infinite ones",
                "Write NaN where a value is missing.",
            )
        return numbers

    def _states(self) -> Floats:
        """(N, T, *grid, n)."""
        columns = [self._numbers(state.column or state.name, f"states.{state.name}") for state in self._space.states]
        axes, first = len(self._space.axes), columns[0].shape
        for state, column in zip(self._space.states, columns, strict=True):
            if column.ndim not in (axes + 1, axes + 2):
                expected = f"expected (trajectories, times, {self._axes}) or, of one trajectory, (times, {self._axes})"
                raise self._wrong_shape(state, f"{expected}, found the shape {column.shape}")
            if column.shape != first:
                raise self._wrong_shape(state, f"expected the shape {first} of the first state, found {column.shape}")
        self._single = len(first) == axes + 1
        joined = np.stack(columns, -1)
        joined = joined[None] if self._single else joined
        self._check_size(joined.shape)
        return joined

    def _wrong_shape(self, state: State, what: str) -> DataError:
        return DataError(
            f"{self._source}: the array '{state.column or state.name}' (states.{state.name}): {what}",
            "Name the axes of the grid under [[axes]] in the order of the axes of the arrays.",
        )

    def _check_size(self, shape: tuple[int, ...]) -> None:
        if shape[0] < 1 or shape[1] < FEWEST_FRAMES:
            raise DataError(
                f"{self._source}: expected at least {FEWEST_FRAMES} times in each trajectory, found {shape[1]}"
            )
        for axis, points in zip(self._space.axes, shape[2:], strict=False):
            if points < FEWEST_POINTS:
                raise DataError(
                    f"{self._source}: expected at least {FEWEST_POINTS} points along '{axis.name}', found {points}"
                )

    def _times(self, many: int, most: int) -> tuple[Floats, npt.NDArray[np.int64]]:
        """(N, T) times, and (N,) how many of them there are."""
        name = self._space.data.time
        times = self._shared(self._numbers(name, "data.time"), (many, most), name)
        known = np.isfinite(times)
        lengths = known.sum(1)
        for row, length in enumerate(lengths.tolist()):
            own = times[row, :length]
            if length < FEWEST_FRAMES or not known[row, :length].all() or (np.diff(own) <= 0).any():
                raise DataError(
                    f"{self._source}: expected at least {FEWEST_FRAMES} times that increase, NaN only at the end, "
                    f"found others in trajectory #{row + 1}"
                )
        return times, lengths.astype(np.int64)

    def _inputs(self, many: int, most: int) -> Floats:
        """(N, T, m)."""
        found = []
        for item in self._space.inputs:
            name = item.column or item.name
            values = self._numbers(name, f"inputs.{item.name}")
            if values.ndim > 2:
                raise DataError(
                    f"{self._source}: expected one number per time in the input '{name}', found {values.shape}",
                    "An input holds for the whole grid of a trajectory; what varies over the grid must be a state.",
                )
            found.append(self._shared(values, (many, most), name))
        return np.stack(found, -1) if found else np.zeros((many, most, 0))

    def _shared(self, values: Floats, shape: tuple[int, int], name: str) -> Floats:
        """(N, T): as they are, or the same for all trajectories, or constant over time."""
        fits = values.shape in ((), (shape[1],), shape, (shape[0], 1))
        if not fits:
            raise DataError(
                f"{self._source}: expected the shape {shape} (trajectories, times) or {shape[1:]} in '{name}', "
                f"found {values.shape}"
            )
        return np.broadcast_to(values, shape).copy()

    def _ids(self, many: int) -> tuple[str, ...]:
        name = self._space.data.trajectory
        if name is None and "trajectory" in self._arrays and not self._single:
            name = "trajectory"
        if name is None:
            return tuple(str(row + 1) for row in range(many))
        ids = np.atleast_1d(self._array(name, "data.trajectory"))
        labels = tuple(trajectory_label(item) for item in ids.tolist())
        if ids.shape != (many,) or len(set(labels)) < many:
            found = "repeated ones" if ids.shape == (many,) else f"the shape {ids.shape}"
            raise DataError(f"{self._source}: expected {many} different ids of trajectories in '{name}', found {found}")
        return labels

    def _check(self, states: Floats, inputs: Floats, inside: npt.NDArray[np.bool_]) -> None:
        """Every point of the grid is observed at some time, positive where it must be, and inputs are there."""
        for j, item in enumerate(self._space.inputs):
            if np.isnan(inputs[..., j][inside]).any():
                raise DataError(
                    f"{self._source}: expected a number at every time of the input '{item.name}', found NaN"
                )
        for j, state in enumerate(self._space.states):
            seen = states[..., j][inside]
            self._refuse_blind(state, np.where(over(inside, states[..., j]), states[..., j], np.nan))
            if state.scale == "log" and (seen <= 0).any():
                raise DataError(
                    f"{self._source}: expected values above 0 of '{state.name}', whose scale is \"log\", "
                    f"found {np.nanmin(seen):g}",
                    'Write NaN there, or scale = "linear".',
                )

    def _refuse_blind(self, state: State, values: Floats) -> None:
        """Refuse points (N, T, *grid) of the grid that were never measured."""
        blind = np.isnan(values).all(1)
        if blind.any():
            row, points = int(np.argwhere(blind)[0, 0]), int(blind.sum())
            raise DataError(
                f"{self._source}: expected an observation of the state '{state.name}' at every point of the grid at "
                f"some time, found none at {points} points, the first in trajectory #{row + 1}",
                "Cut the grid down to where something was measured.",
            )
