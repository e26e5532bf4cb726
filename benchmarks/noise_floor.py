"""When has a fit arrived? Not below the noise: at it, on data that it never saw.

The floor of the training error is the variance of the noise. It can be met, and passed, by following the noise, so the
test error has a floor too, on clean trajectories: the variance of the noise once more, since what lies below it is
smaller than anything measured; or, where the training data do not cover what is asked of the model, so that nobody
could do better, what a fit reaches that was started from the truth. That start is given the true derivatives on the
noise-free training trajectories, taken to be as noisy as the data so that weights stay of ordinary size, and then fits
the same noisy samples under the same prior by plain L-BFGS; nothing of the chain is used. It goes on until it has
converged: stopped early it would still stand next to the truth, because it began there and not because data say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from problems import Benchmark, Data, Variant
from scoring import arrays_of, errors_on_test, substeps
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import rollout

ALLOWED = 3.0
"""A fit has arrived if it ends at most this many times above the floor."""
LEARNING_STEPS, FITTING_STEPS = 300, 600


def arrived(train: float, test: float, floor: float, noise: float) -> bool:
    """Whether a fit ended at the noise floor: training and test error, the floor of the latter, noise in spreads."""
    return train <= ALLOWED * noise**2 and test <= ALLOWED * floor


def floor(problem: Benchmark, variant: Variant, seed: int, test: float) -> float:
    """The floor of the test error; the costly half of it only where a test error is too large for the cheap one."""
    noise = variant.noise**2
    return noise if test <= ALLOWED * noise else max(noise, started_from_truth(problem, variant, seed))


@cache
def started_from_truth(problem: Benchmark, variant: Variant, seed: int, most: int = FITTING_STEPS) -> float:
    """The test error of a fit that was started from the truth, after so many steps at most."""
    data, model = problem.data(seed, variant), problem.candidate(seed)
    count = data.train.states.numel()
    unknowns = list(model.parameters())
    start = [array.detach().clone() for array in unknowns]
    wrong = _derivatives_wrong(problem, model, data)
    _minimise(lambda: wrong() + variant.noise**2 * _prior(unknowns, start) / count, unknowns, LEARNING_STEPS)
    train, spread = data.train, torch.from_numpy(data.spread)
    steps = substeps(problem, train.times.shape[1])

    def loss() -> Tensor:
        with model.prepared():
            rolled = rollout(model.derivative, train.states[:, 0], train.times, train.inputs, steps)
        misfit = ((rolled - train.states) / spread).square().sum() / variant.noise**2
        return (misfit + _prior(unknowns, start)) / count

    _minimise(loss, unknowns, most)
    return errors_on_test(problem, model, [arrays_of(model)], data)[0]


def _derivatives_wrong(problem: Benchmark, model: HybridModel, data: Data) -> Callable[[], Tensor]:
    """Mean square error of the right-hand side on the clean training trajectories; calibrates the nets to them."""
    n = data.clean.shape[-1]
    x, u = data.clean.reshape(-1, n), data.train.inputs.flatten(0, 1)
    truth = torch.from_numpy(np.stack(problem.truth(x, u.numpy()), -1))
    states, times = torch.from_numpy(x.copy()), data.train.times.reshape(-1)
    size = truth.std(0)
    model.calibrate(times, states, u, size)
    return lambda: ((model.derivative(times, states, u) - truth) / size).square().mean()


def _prior(unknowns: Sequence[Tensor], start: Sequence[Tensor]) -> Tensor:
    """Weights of variance 1 / fan-in around 0; physical parameters, of one axis like biases, around their start."""
    total = unknowns[0].new_zeros(())
    for array, begun in zip(unknowns, start, strict=True):
        origin = begun if array.dim() == 1 else torch.zeros_like(begun)
        total = total + (array.shape[-1] if array.dim() > 1 else 1) * (array - origin).square().sum()
    return total


def _minimise(loss: Callable[[], Tensor], unknowns: Sequence[Tensor], steps: int) -> None:
    """L-BFGS, in place."""
    optimiser = torch.optim.LBFGS(unknowns, max_iter=steps, history_size=30, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
