"""What a training process is handed: states, data it may see, settings; and how that crosses a process border."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from archsearch.problem.problem import Part
from archsearch.problem.space import State
from archsearch.settings import FitSettings

TASK_FILE, ARRAYS_FILE = "task.json", "arrays.safetensors"


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
        states = torch.where(hidden.unsqueeze(-1), torch.nan, self.states)
        return Samples(self.ids, self.times, states, self.inputs, self.valid)

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

    def write(self, folder: Path) -> None:
        """Write the task into a folder that a confined process reads."""
        described = {
            "states": [state.model_dump() for state in self.states],
            "inputs": self.inputs,
            "ids": self.samples.ids,
            "start": self.start,
            "settings": self.settings.model_dump(),
            "seed": self.seed,
            "dense": self.dense,
            "gates": self.gates,
        }
        (folder / TASK_FILE).write_text(json.dumps(described))
        arrays = {
            "times": self.samples.times,
            "states": self.samples.states,
            "inputs": self.samples.inputs,
            "valid": self.samples.valid,
        }
        save_file({name: array.contiguous() for name, array in arrays.items()}, folder / ARRAYS_FILE)

    @staticmethod
    def read(folder: Path) -> Task:
        """Read back what `write` wrote."""
        described = json.loads((folder / TASK_FILE).read_text())
        arrays = load_file(folder / ARRAYS_FILE)
        samples = Samples(tuple(described["ids"]), arrays["times"], arrays["states"], arrays["inputs"], arrays["valid"])
        return Task(
            states=tuple(State.model_validate(state) for state in described["states"]),
            inputs=tuple(described["inputs"]),
            samples=samples,
            start=described["start"],
            settings=FitSettings.model_validate(described["settings"]),
            seed=described["seed"],
            dense=described["dense"],
            gates=tuple(described["gates"]),
        )


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
