"""Problems with known truths: simulate them, add noise, fit a candidate, roll it out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.integrate import solve_ivp

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.methods.fit import Fit, fit
from archsearch.training.reported.accurate import accurate

Floats = npt.NDArray[np.float64]
Slopes = Callable[[float, Floats], Sequence[float]]


@dataclass(frozen=True)
class Problem:
    """A candidate with its data, ready to be fitted.

    Attributes:
        source: the candidate.
        states: what is known of its states.
        samples: noisy observations.
        clean: (N, T, n), the same without noise.
        inputs: names of inputs.
    """

    source: str
    states: tuple[State, ...]
    samples: Samples
    clean: Floats
    inputs: tuple[str, ...] = ()

    def candidate(self, seed: int) -> HybridModel:
        """The candidate before its fit."""
        names = tuple(state.name for state in self.states)
        return load_candidate(self.source)(names, self.inputs, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Fitted:
    """A fitted candidate and the CPU seconds that this took."""

    model: HybridModel
    found: Fit
    seconds: float

    def values(self) -> dict[str, float]:
        """Parameters by name."""
        return {name: value.item() for name, value in self.model.parameter_values().items()}


def fitted(problem: Problem, seed: int, **settings: object) -> Fitted:
    """Fit a candidate whose weights are drawn with this seed."""
    model = problem.candidate(seed)
    began = time.process_time()
    generator = torch.Generator().manual_seed(seed)
    found = fit(model, problem.states, problem.samples, FitSettings.model_validate(settings), generator)
    return Fitted(model, found, time.process_time() - began)


def simulated(slopes: Slopes, start: Sequence[float], times: Floats) -> Floats:
    """(T, n), far more accurate than any fit."""
    found = solve_ivp(slopes, (times[0], times[-1]), start, t_eval=times, method="LSODA", rtol=1e-10, atol=1e-12)
    return np.asarray(found.y.T)


def observed(clean: Floats, noise: Floats, seed: int, exact_start: bool = True) -> Floats:
    """Trajectories (N, T, n) with noise of these standard deviations (n,)."""
    noisy = clean + noise * np.random.default_rng(seed).standard_normal(clean.shape)
    if exact_start:
        noisy[:, 0] = clean[:, 0]
    return noisy


def samples_of(times: Floats, states: Floats, inputs: Floats | None = None) -> Samples:
    """Trajectories (N, T, n) on common times, with inputs (N, m) that stay as they are."""
    many, each = states.shape[:2]
    held = np.zeros((many, 0)) if inputs is None else inputs
    return Samples(
        ids=tuple(map(str, range(many))),
        times=torch.tensor(times).expand(many, -1).clone(),
        states=torch.tensor(states),
        inputs=torch.tensor(held).unsqueeze(1).expand(-1, each, -1).clone(),
        valid=torch.ones(many, each, dtype=torch.bool),
    )


def first_known(**noises: float | None) -> tuple[State, ...]:
    """States that begin at their first sample, exactly, with what is said of their noise."""
    return tuple(State(name=name, initial="first", noise=noise) for name, noise in noises.items())


HEAD = "from archsearch.hybrid import HybridModel, Net, Param\nimport torch\n\n\nclass Candidate(HybridModel):\n"


def rolled_out(
    model: HybridModel, names: Sequence[str], starts: Floats, times: Floats, inputs: Floats | None = None
) -> Floats:
    """(N, T, n): an ordinary model from starts (N, n), to tight tolerances."""
    blank = samples_of(times, np.zeros((len(starts), len(times), len(names))), inputs)
    coordinates = Coordinates.of(tuple(State(name=name) for name in names))
    with torch.no_grad():
        z = accurate(coordinates.field(model), torch.tensor(starts), blank.times, blank.inputs, 1)
    return np.asarray(z.numpy())
