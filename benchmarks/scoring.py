"""Roll models out as every method is scored: with fixed steps half as long as those that were trained on."""

from __future__ import annotations

import torch
from peer_models import FINE, PEER_MODELS
from problems import Benchmark, Data
from torch import Tensor
from torch.func import functional_call, vmap

from archsearch.hybrid import HybridModel
from archsearch.systems.tables import Floats
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import rollout

Arrays = dict[str, Tensor]
"""Everything that the derivative of a model depends on, by name, at one moment of its training."""


def substeps(problem: Benchmark, samples: int) -> int:
    """Runge-Kutta steps per interval to train with: as many per unit of time, whichever samples are kept."""
    return PEER_MODELS[problem.name[0]].substeps * round((problem.samples - 1) / (samples - 1))


def arrays_of(model: HybridModel) -> Arrays:
    """A copy of the arrays of a model as they are now."""
    named = (*model.named_parameters(), *model.named_buffers())
    return {name: array.detach().clone() for name, array in named}


def errors_on_test(problem: Benchmark, model: HybridModel, moments: list[Arrays], data: Data) -> list[float]:
    """The test error at each of several moments."""
    return [data.test_error(states) for states in _rolled(problem, model, moments, data.test)]


def error_on_train(problem: Benchmark, model: HybridModel, moment: Arrays, data: Data) -> float:
    """The error against the noisy training data at one moment."""
    return data.train_error(_rolled(problem, model, [moment], data.train)[0])


@torch.no_grad()
def _rolled(problem: Benchmark, model: HybridModel, moments: list[Arrays], samples: Samples) -> list[Floats]:
    """(N, T, n) for each moment, all moments at once."""
    stacked = {name: torch.stack([arrays[name] for arrays in moments]) for name in moments[0]}
    steps = FINE * substeps(problem, samples.times.shape[1])

    def states(arrays: Arrays) -> Tensor:
        def slopes(t: Tensor, x: Tensor, u: Tensor) -> Tensor:
            found: Tensor = functional_call(model, arrays, (t, x, u))
            return found

        return rollout(slopes, samples.states[:, 0], samples.times, samples.inputs, steps)

    return list(vmap(states)(stacked).numpy())
