"""Predict held-out rollouts from a fitted model: initial states and inputs in, states out, no targets anywhere near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.data.smoothing import smooth
from archsearch.training.data.task import Task
from archsearch.training.fields.predictions import RolledFields, is_field
from archsearch.training.flow.integrate import Coordinates, dense_inputs, dense_times
from archsearch.training.reported.ablated import without_each
from archsearch.training.reported.beginnings import solved_together
from archsearch.training.reported.solved import solved
from archsearch.training.warmup import Roll, Window, warmed_up

INITIAL = "initial"
"""Key of the initial state that a fit leaves for all trajectories; `initial.<id>` is that of one of them."""
SCALE = "training.scale"
"""Key of the scales (n,) of the measurements that were fitted, in inner coordinates."""
SPREAD = "training.spread"
"""Key of the scales (n,) of the states themselves, where these are not what is measured."""
STIFF = "training.stiff"
"""Key of whether (1,) explicit methods need too many steps on the training data."""
LIMIT = "limit."
"""What precedes the name of a limit in the key of its smallest margin and its size."""

FINE_SUBSTEPS = 8
"""Steps per interval of rollouts that are not reported: with a term closed, and over a warm-up window."""


def predict(
    model: HybridModel, stored: Mapping[str, Tensor], tasks: Mapping[str, Task]
) -> dict[str, dict[str, Tensor]]:
    """Roll out every trajectory of some tasks, or map every sample of them if the model is static.

    Args:
        model: the candidate with its fitted values.
        stored: what the fit left besides: fitted initial states and scales.
        tasks: which trajectories, by name; their `states` hold only what a predictor may see.

    Returns:
        By the same names: `times` (N, T), `states` (N, T, n), `dense_times` (N, D), `dense_states` (N, D, n), for every
        term of `task.gates` `without.<term>` (N, T, n), the rollout with that term closed, and for every limit of the
        model `limit.<name>` (2,), its smallest margin anywhere, negative where a rollout breaks it, and the root mean
        square of all its margins, both NaN where a rollout was lost. States are what is measured in their place, in
        natural units; NaN where the model could not be integrated. Fields have their grid before the last axis.
    """
    model.requires_grad_(False)
    return {name: _told(rolled, tasks[name]) for name, rolled in _predicted(model, stored, tasks).items()}


def _told(rolled: _Static | _Rolled | RolledFields, task: Task) -> dict[str, Tensor]:
    found = {
        "times": task.samples.times,
        "states": rolled.dense[:, :: task.dense].clone(),
        "dense_times": dense_times(task.samples.times, task.dense),
        "dense_states": rolled.dense,
    }
    found |= {f"without.{name}": states for name, states in rolled.without(task.gates).items()}
    found |= {f"{LIMIT}{name}": margin for name, margin in rolled.margins().items()}
    return {name: array.contiguous() for name, array in found.items()}


def _predicted(
    model: HybridModel, stored: Mapping[str, Tensor], tasks: Mapping[str, Task]
) -> Mapping[str, _Static | _Rolled | RolledFields]:
    if model.is_static:
        return {name: _Static(model, task) for name, task in tasks.items()}
    if any(is_field(task.samples) for task in tasks.values()):
        starts = {name.removeprefix(f"{INITIAL}."): frame for name, frame in stored.items() if name.startswith(INITIAL)}
        return {name: RolledFields(model, starts, task) for name, task in tasks.items()}
    starts = {name: initial_states(model, stored, task) for name, task in tasks.items()}
    known = {} if is_implicit(model, stored) else solved_together(model, tasks, starts)
    return {name: _Rolled(model, stored, task, starts[name], known.get(name)) for name, task in tasks.items()}


class _Static:
    """A static model at every sample; between samples its inputs are held."""

    def __init__(self, model: HybridModel, task: Task) -> None:
        self._model, self._inputs = model, task.samples.inputs
        with torch.no_grad():
            self.dense = model.outputs(dense_inputs(self._inputs, task.dense))

    @torch.no_grad()
    def without(self, terms: Sequence[str]) -> dict[str, Tensor]:
        """(N, T, n): the outputs with one term closed, by its name."""
        return {name: self._model.with_gates({name: 0.0}).outputs(self._inputs) for name in terms}

    def margins(self) -> dict[str, Tensor]:
        """A static model has no limits."""
        return {}


class _Rolled:
    """Rollouts of a model in time."""

    def __init__(
        self, model: HybridModel, stored: Mapping[str, Tensor], task: Task, z0: Tensor, known: Tensor | None
    ) -> None:
        self._model, self._task, self._coordinates = model, task, Coordinates.of(task.states)
        self._stiff, self._z0 = is_implicit(model, stored), z0
        samples = task.samples
        given = z0, samples.times, samples.inputs, task.dense
        z = solved(model, self._coordinates, *given, self._stiff, known)
        times, inputs = dense_times(samples.times, task.dense), dense_inputs(samples.inputs, task.dense)
        self._complete = times, self._coordinates.complete(z), inputs
        with torch.no_grad():
            self.dense = model.measured(*self._complete)

    def without(self, terms: Sequence[str]) -> dict[str, Tensor]:
        """(N, T, n): the rollouts with one term closed, by its name: they tell how bad it is, not to many digits."""
        substeps = max(self._task.settings.substeps, FINE_SUBSTEPS)
        given = self._model, self._coordinates, self._z0, self._task.samples
        return without_each(*given, terms, substeps, self._stiff, self._complete[1])

    @torch.no_grad()
    def margins(self) -> dict[str, Tensor]:
        """(2,) for each limit, by name: its smallest margin and its size, over all trajectories."""
        names = self._model.limit_names(*self._complete)
        if not names:
            return {}
        margins = self._model.margins(*self._complete).flatten(0, -2)
        both = torch.stack([margins.amin(0), margins.square().mean(0).sqrt()], -1)
        return dict(zip(names, both.unbind(), strict=True))


def is_implicit(model: HybridModel, stored: Mapping[str, Tensor]) -> bool:
    """Whether a fitted model is integrated implicitly from the outset."""
    return bool(model.algebraic_variables) or bool(stored.get(STIFF, torch.zeros(1)).any())


def initial_states(model: HybridModel, stored: Mapping[str, Tensor], task: Task) -> Tensor:
    """(N, n), inner coordinates: what `Task.start` says.

    A rollout that is the fitted one, or goes on from it, starts at its fitted state; one that the fit never saw starts
    where the candidate or the space says, at its first observation, or at what explains its warm-up window.
    """
    fitted = [stored.get(f"{INITIAL}.{name}") for name in task.samples.ids]
    if task.start not in ("fitted", "continue"):
        return _Fresh(model, stored, task).states()
    inner = Coordinates.of(task.states).inner
    found = [inner(z) for z in fitted if z is not None]
    if len(found) == len(fitted):
        return torch.stack(found)
    fresh = _Fresh(model, stored, task).states()
    return torch.stack([fresh[i] if z is None else inner(z) for i, z in enumerate(fitted)])


class _Fresh:
    """Initial states of trajectories that the fit never saw."""

    def __init__(self, model: HybridModel, stored: Mapping[str, Tensor], task: Task) -> None:
        self._model, self._stored, self._task = model, stored, task
        self._coordinates = Coordinates.of(task.states)
        self._mean = self._coordinates.inner(stored[INITIAL])
        self._observations = self._coordinates.inner(task.samples.states)
        self._indirect = _indirect(model, task)

    def states(self) -> Tensor:
        """(N, n), inner coordinates."""
        known = self._known()
        first = torch.where(torch.isfinite(known), known, self._seen())
        free = ~torch.isfinite(known)
        if self._task.start not in ("warmup", "within"):
            free = free & self._indirect
        if not bool(free.any()):
            return first
        return torch.stack([self._warmed_up(first[i], free[i], i) for i in range(len(first))])

    def _known(self) -> Tensor:
        """(N, n): what the candidate says, else the space; NaN where neither does, or a rollout begins in the midst."""
        samples = self._task.samples
        if self._task.start == "within":
            return torch.full_like(samples.states[:, 0], torch.nan)
        with torch.no_grad():
            said = self._model.initial_states(samples.inputs[:, 0])
        values = [state.initial if isinstance(state.initial, float) else torch.nan for state in self._task.states]
        natural = torch.where(torch.isfinite(said), said, said.new_tensor(values))
        return self._coordinates.inner(natural)

    def _seen(self) -> Tensor:
        """(N, n): the first observation, else the smooth; where a state is not what is measured, the fit's mean."""
        observations = self._observations
        first = observations[:, 0]
        first = torch.where(torch.isfinite(first), first, smooth(self._task.samples.times, observations).states[:, 0])
        return torch.where(torch.isfinite(first) & ~self._indirect, first, self._mean)

    def _warmed_up(self, first: Tensor, free: Tensor, row: int) -> Tensor:
        """(n,): the initial state of one trajectory that explains what is seen of it."""
        samples, scale = self._task.samples, self._stored[SCALE]
        window = Window(*(array[row : row + 1] for array in (samples.times, samples.inputs, self._observations)))
        substeps = max(self._task.settings.substeps, FINE_SUBSTEPS)
        roll = Roll(self._model, self._coordinates, substeps, is_implicit(self._model, self._stored))
        return warmed_up(roll, first, window, free, scale, self._stored.get(SPREAD, scale))


def _indirect(model: HybridModel, task: Task) -> Tensor:
    """(n,): states that are not measured as they are, or not at all if what is measured says something of them."""
    if type(model).observe is HybridModel.observe:
        return torch.zeros(len(task.states), dtype=torch.bool)
    w = torch.ones(1, len(task.states) + len(model.algebraic_variables), dtype=torch.float64)
    t, u = task.samples.times[:1, 0], task.samples.inputs[:1, 0]
    with torch.no_grad():
        named = model.observe(t, model.named_states(w), model.named_inputs(w, u)) or {}
    return torch.tensor([state.name in named or not state.observed for state in task.states])
