"""Predict held-out rollouts from a fitted model: initial states and inputs in, states out, no targets anywhere near."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.settings import FitSettings
from archsearch.training.integrate import Coordinates, accurate, rollout
from archsearch.training.minimise import minimise
from archsearch.training.smoothing import smooth
from archsearch.training.task import Samples, Task

INITIAL = "initial"
"""Key of the initial state that a fit leaves for all trajectories; `initial.<id>` is that of one of them."""
SCALE = "training.scale"
"""Key of the scales (n,) of the fit, in inner coordinates."""

WARMUP_STEPS = 40
FINE_SUBSTEPS = 8
"""Steps per interval of rollouts that are not reported: with a term closed, and over a warm-up window."""


def predict(model: HybridModel, stored: Mapping[str, Tensor], task: Task) -> dict[str, Tensor]:
    """Roll out every trajectory of a task.

    Args:
        model: the candidate with its fitted values.
        stored: what the fit left besides: fitted initial states and scales.
        task: which trajectories; their `states` hold only what a predictor may see.

    Returns:
        `times` (N, T), `states` (N, T, n), `dense_times` (N, D), `dense_states` (N, D, n), and for every term of
        `task.gates` `without.<term>` (N, T, n): the rollout with that term closed. Natural units; NaN where the model
        could not be integrated.
    """
    samples, coordinates = task.samples, Coordinates.of(task.states)
    model.requires_grad_(False)
    z0 = initial_states(model, stored, task)
    with torch.no_grad(), model.prepared():
        z = accurate(coordinates.field(model), z0, samples.times, samples.inputs, task.dense)
    dense = coordinates.natural(z)
    found = {
        "times": samples.times,
        "states": dense[:, :: task.dense],
        "dense_times": dense_times(samples.times, task.dense),
        "dense_states": dense,
    }
    for name in task.gates:
        found[f"without.{name}"] = _without(model, name, z0, samples, coordinates, task.settings)
    return {name: array.contiguous() for name, array in found.items()}


def dense_times(times: Tensor, dense: int) -> Tensor:
    """(N, T) sample times to (N, (T - 1) * dense + 1), evenly within each interval."""
    part = torch.arange(dense, dtype=times.dtype) / dense
    inside = times[:, :-1, None] + (times[:, 1:] - times[:, :-1])[..., None] * part
    return torch.cat([inside.flatten(1), times[:, -1:]], 1)


def _without(
    model: HybridModel, term: str, z0: Tensor, samples: Samples, coordinates: Coordinates, settings: FitSettings
) -> Tensor:
    """The rollout with one term closed, with fixed steps: what matters is how bad it is, not to how many digits."""
    closed = model.with_gates({term: 0.0})
    substeps = max(settings.substeps, FINE_SUBSTEPS)
    with torch.no_grad(), closed.prepared():
        z = rollout(coordinates.field(closed), z0, samples.times, samples.inputs, substeps)
    return coordinates.natural(z)


def initial_states(model: HybridModel, stored: Mapping[str, Tensor], task: Task) -> Tensor:
    """(N, n), inner coordinates: what `Task.start` says.

    A rollout that is the fitted one, or goes on from it, starts at its fitted state; one that the fit never saw starts
    at its first observation or at what explains its warm-up window.
    """
    coordinates = Coordinates.of(task.states)
    fresh = _fresh(model, stored, task, coordinates)
    if task.start not in ("fitted", "continue"):
        return fresh
    fitted = [stored.get(f"{INITIAL}.{name}") for name in task.samples.ids]
    return torch.stack([fresh[i] if z is None else coordinates.inner(z) for i, z in enumerate(fitted)])


def _fresh(model: HybridModel, stored: Mapping[str, Tensor], task: Task, coordinates: Coordinates) -> Tensor:
    """Initial states of trajectories that the fit never saw."""
    samples = task.samples
    observations = coordinates.inner(samples.states)
    smoothed = smooth(samples.times, observations)
    first = torch.where(torch.isfinite(observations[:, 0]), observations[:, 0], smoothed.states[:, 0])
    first = torch.where(torch.isfinite(first), first, coordinates.inner(stored[INITIAL]))
    for j, state in enumerate(task.states):
        if isinstance(state.initial, float) and task.start != "within":
            first[:, j] = coordinates.inner(torch.full_like(first, state.initial))[:, j]
    if task.start not in ("warmup", "within"):
        return first
    rows = [_warmed_up(model, first[i], i, stored[SCALE], task, coordinates) for i in range(len(first))]
    return torch.stack(rows)


def _warmed_up(
    model: HybridModel, first: Tensor, row: int, scale: Tensor, task: Task, coordinates: Coordinates
) -> Tensor:
    """(n,), the initial state fitted to the warm-up window of one trajectory, the model held fixed."""
    samples = task.samples
    observations = coordinates.inner(samples.states[row : row + 1])
    seen = torch.isfinite(observations)
    width = int(seen.any(-1).any(0).nonzero().max()) + 1
    seen, target = seen[:, :width], torch.nan_to_num(observations[:, :width])
    times, inputs = samples.times[row : row + 1, :width], samples.inputs[row : row + 1, :width]
    known = [isinstance(state.initial, float) and task.start != "within" for state in task.states]
    free = ~torch.tensor(known)
    offset = torch.zeros_like(first, requires_grad=True)
    substeps = max(task.settings.substeps, FINE_SUBSTEPS)

    def loss() -> Tensor:
        z0 = (first + torch.where(free, offset, 0.0) * scale).unsqueeze(0)
        z = rollout(coordinates.field(model), z0, times, inputs, substeps)
        wrong = torch.where(seen, (z - target) / scale, 0.0)
        return wrong.square().sum() + 1e-3 * offset.square().sum()

    with model.prepared():
        minimise(loss, [offset], WARMUP_STEPS)
    return (first + torch.where(free, offset, 0.0) * scale).detach()
