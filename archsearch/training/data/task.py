"""What a training process is handed: states, data it may see, settings; and how that crosses a process border."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from archsearch.problem.problem import Part
from archsearch.problem.space import State
from archsearch.settings import FitSettings

Buffer = bytes | memoryview


@dataclass(frozen=True)
class Samples:
    """Trajectories as float64 tensors.

    Attributes:
        ids: the N names.
        times: (N, T), time unit of the problem; padding repeats the last time.
        states: (N, T, n), units of the states; NaN where there is no observation that may be seen.
        inputs: (N, T, m), held constant from each sample to the next.
        valid: (N, T), samples that are not padding.
    """

    ids: tuple[str, ...]
    times: Tensor
    states: Tensor
    inputs: Tensor
    valid: Tensor

    @property
    def seen(self) -> Tensor:
        """(N, T, n): where there is an observation."""
        return torch.isfinite(self.states)

    def hide(self, hidden: Tensor) -> Samples:
        """The same samples without the observations at `hidden` (N, T)."""
        states = self.states.clone()
        states[hidden] = torch.nan
        return Samples(self.ids, self.times, states, self.inputs, self.valid)

    def unshown(self) -> Samples:
        """The same samples without any observation."""
        return self.hide(torch.ones_like(self.valid))

    def to(self, device: torch.device) -> Samples:
        """The same samples on another device."""
        moved = (array.to(device) for array in (self.times, self.states, self.inputs, self.valid))
        return Samples(self.ids, *moved)


@dataclass(frozen=True)
class Task:
    """A fit or a prediction to be done: states, inputs, samples, settings, seed."""

    states: tuple[State, ...]
    inputs: tuple[str, ...]
    samples: Samples
    start: str
    """What a prediction starts from: `fitted` (a trajectory of the fit), `continue`, `first`, `warmup`, or `within`: a
    warm-up window in the midst of a trajectory, where what is said of initial values does not hold."""
    settings: FitSettings
    seed: int
    dense: int = 1
    """How many points a prediction gives per sampling interval."""
    gates: tuple[str, ...] = ()
    """Terms that a prediction closes one by one, to tell what each is worth."""


def pack_tasks(tasks: Mapping[str, Task]) -> bytes:
    """Tasks as JSON without their samples, which travel apart; keys are the names that those travel under."""
    return json.dumps({name: _described(task) for name, task in tasks.items()}).encode()


def unpack_tasks(content: Buffer, samples: Mapping[str, Buffer]) -> dict[str, Task]:
    """What `pack_tasks` wrote, joined with the packed samples of the same names."""
    described = json.loads(bytes(content))
    return {name: _task(said, unpack_samples(samples[name])) for name, said in described.items()}


def _described(task: Task) -> dict[str, Any]:
    return {
        "states": [state.model_dump() for state in task.states],
        "inputs": task.inputs,
        "start": task.start,
        "settings": task.settings.model_dump(),
        "seed": task.seed,
        "dense": task.dense,
        "gates": task.gates,
    }


def _task(said: dict[str, Any], samples: Samples) -> Task:
    return Task(
        states=tuple(State.model_validate(state) for state in said["states"]),
        inputs=tuple(said["inputs"]),
        samples=samples,
        start=said["start"],
        settings=FitSettings.model_validate(said["settings"]),
        seed=said["seed"],
        dense=said["dense"],
        gates=tuple(said["gates"]),
    )


def pack_samples(samples: Samples) -> bytes:
    """Samples as safetensors; the names stand among the arrays as JSON in bytes."""
    arrays = {"times": samples.times, "states": samples.states, "inputs": samples.inputs, "valid": samples.valid}
    arrays["ids"] = torch.frombuffer(bytearray(json.dumps(samples.ids).encode()), dtype=torch.uint8)
    return save({name: array.contiguous() for name, array in arrays.items()})


def unpack_samples(content: Buffer) -> Samples:
    """What `pack_samples` wrote."""
    arrays = load(bytes(content))
    ids = json.loads(arrays["ids"].numpy().tobytes())
    return Samples(tuple(ids), arrays["times"], arrays["states"], arrays["inputs"], arrays["valid"])


def samples_given(part: Part) -> Samples:
    """The samples of a part with nothing but the observations that a predictor may see."""
    trajectories = part.trajectories
    states = torch.from_numpy(trajectories.states.copy())
    states[torch.from_numpy(~part.given)] = torch.nan
    return Samples(
        ids=trajectories.ids,
        times=torch.from_numpy(trajectories.times.copy()),
        states=states,
        inputs=torch.from_numpy(trajectories.inputs.copy()),
        valid=torch.from_numpy(trajectories.valid.copy()),
    )
