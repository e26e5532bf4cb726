"""Rollouts that are the beginning of others: both are read off one solution.

In a split by time the training data are the beginning of what is predicted of the validation data.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.data.task import Task
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.reported.accurate import at_once


@torch.no_grad()
def solved_together(model: HybridModel, tasks: Mapping[str, Task], starts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What can be had at once of the rollouts of some tasks, explicitly integrated.

    Args:
        model: the candidate.
        tasks: which trajectories, by name.
        starts: (N, n), inner coordinates, where those of each task begin.

    Returns:
        By name (N, (T - 1) * dense + 1, n), inner coordinates; NaN for every trajectory that is not solved. A task is
        left out whose rollouts begin others that are not.
    """
    found: dict[str, Tensor] = {}
    left = sorted(tasks, key=lambda name: -tasks[name].samples.times.shape[1])
    while left:
        longest = left[0]
        rows = {name: _begun(tasks[name], starts[name], tasks[longest], starts[longest]) for name in left}
        together = [name for name in left if rows[name] is not None]
        dense = tuple(tasks[name].dense for name in together)
        for name, states in zip(together, _solved(model, tasks[longest], starts[longest], dense), strict=True):
            own = states[rows[name], : (tasks[name].samples.times.shape[1] - 1) * tasks[name].dense + 1]
            if name == longest or bool(torch.isfinite(own).all()):
                found[name] = own
        left = [name for name in left if name not in together]
    return found


def _solved(model: HybridModel, task: Task, start: Tensor, dense: tuple[int, ...]) -> list[Tensor]:
    field, samples = Coordinates.of(task.states).field(model), task.samples
    with model.prepared():
        return at_once(field, start, samples.times, samples.inputs, dense)


def _begun(task: Task, start: Tensor, longer: Task, starts: Tensor) -> list[int] | None:
    """Which rollouts of another task those of a task are the beginning of; None if one of them is of none."""
    short, long = task.samples, longer.samples
    row = {name: i for i, name in enumerate(long.ids)}
    length = short.times.shape[1]
    if length > long.times.shape[1] or not row.keys() >= set(short.ids):
        return None
    rows = [row[name] for name in short.ids]
    pairs = (
        (start, starts[rows]),
        (short.times, long.times[rows, :length]),
        (short.inputs[:, : length - 1], long.inputs[rows, : length - 1]),
    )
    return rows if all(torch.equal(*pair) for pair in pairs) else None
