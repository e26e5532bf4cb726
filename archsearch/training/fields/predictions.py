"""Predicted rollouts of fields: initial frames and inputs in, frames out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from archsearch.errors import DataError
from archsearch.hybrid import HybridModel
from archsearch.training.data.task import Samples, Task
from archsearch.training.fields.rollouts import field_rollout
from archsearch.training.fields.windows import inputs_with_grid, with_grid
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.reported.accurate import accurate

FINE_SUBSTEPS = 8
"""Steps per interval of rollouts that are not reported."""


def is_field(samples: Samples) -> bool:
    """Whether the states (N, T, *grid, n) of these samples have a grid."""
    return samples.states.dim() > 3


class RolledFields:
    """Rollouts of a model of fields.

    Args:
        model: the candidate with its fitted values.
        starts: the fitted initial frames (*grid, n) of trajectories by their ids, natural units.
        task: which trajectories; `dense` must be 1: there are no frames between samples.
    """

    def __init__(self, model: HybridModel, starts: Mapping[str, Tensor], task: Task) -> None:
        self._model, self._task, self._coordinates = model, task, Coordinates.of(task.states)
        self._z0 = self._coordinates.inner(initial_frames(starts, task))
        self.dense = self._coordinates.natural(self._solved())

    @torch.no_grad()
    def _solved(self) -> Tensor:
        """(N, T, *grid, n), inner coordinates, to tight tolerances; NaN from where it cannot be integrated."""
        shape, samples = self._z0.shape[1:], self._task.samples
        axes = len(shape) - 1
        field = self._coordinates.field(self._model)

        def flat(t: Tensor, z: Tensor, u: Tensor) -> Tensor:
            return field(with_grid(t, axes), z.reshape(-1, *shape), inputs_with_grid(u, axes)).flatten(1)

        with self._model.prepared():
            z = accurate(flat, self._z0.flatten(1), samples.times, samples.inputs, self._task.dense)
        return z.reshape(*z.shape[:2], *shape)

    @torch.no_grad()
    def without(self, terms: Sequence[str]) -> dict[str, Tensor]:
        """(N, T, *grid, n): the rollouts with one term closed, by its name, by fixed steps: they tell how bad it is."""
        return {name: self._closed(name) for name in terms}

    def _closed(self, term: str) -> Tensor:
        closed, samples = self._model.with_gates({term: 0.0}), self._task.samples
        substeps = max(self._task.settings.substeps, FINE_SUBSTEPS)
        z = field_rollout(closed, self._z0, samples.times, samples.inputs, substeps, self._coordinates)
        return self._coordinates.natural(z)

    def margins(self) -> dict[str, Tensor]:
        """A model of fields has no limits."""
        return {}


def initial_frames(starts: Mapping[str, Tensor], task: Task) -> Tensor:
    """(N, *grid, n), natural units: the fitted frames of rollouts that go on from the fit, else the first ones."""
    samples = task.samples
    fitted = [starts.get(name) if task.start in ("fitted", "continue") else None for name in samples.ids]
    known = [state.initial if isinstance(state.initial, float) else torch.nan for state in task.states]
    said = samples.states.new_tensor(known)
    fresh = torch.where(torch.isfinite(said), said, samples.states[:, 0])
    found = torch.stack([fresh[i] if frame is None else frame for i, frame in enumerate(fitted)])
    if not bool(torch.isfinite(found).all()):
        raise DataError("Expected a value at every point of the grid where a rollout starts, found none at some.")
    return found
