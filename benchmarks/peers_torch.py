"""The usual ways in torch: roll out, back-propagate through the solver, Adam.

`dopri5` is torchdiffeq's adaptive solver at rtol 1e-5, atol 1e-6 (its defaults are tighter and slower); `rk4` is a
plain loop of fixed steps. Learning rate 1e-2 with a cosine over the budget, gradients clipped at 10, float64: these
were tried out on the same problems, and neither float32 nor the adjoint was faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from peer_models import (
    CLIP,
    FINE,
    PEER_MODELS,
    Ops,
    PeerModel,
    Scales,
    due,
    learning_rate,
    runge_kutta,
    scored_rollout,
)
from problems import Benchmark, Data
from scoring import substeps
from torch import Tensor
from torchdiffeq import odeint

from archsearch.systems.tables import Floats
from archsearch.training.data.task import Samples

TORCH = Ops(torch, torch.nn.functional.softplus, torch.nn.functional.linear)
RELATIVE, ABSOLUTE = 1e-5, 1e-6
MOST_REFUSED = 50
"""Iterations without a finite gradient, after which training has failed."""

Snapshots = list[tuple[float, Floats]]
"""CPU seconds, and the vector at that time."""


@dataclass(frozen=True)
class Training:
    """What a trainer rolls out and compares with."""

    problem: Benchmark
    times: Tensor
    states: Tensor
    inputs: Tensor
    scales: Scales

    @property
    def jumps(self) -> Tensor:
        """The times at which an input jumps: told to adaptive solvers, which else search for them."""
        jumped = (self.inputs[:, 1:] != self.inputs[:, :-1]).any(-1).any(0)
        return self.times[1:][jumped]

    @property
    def model(self) -> PeerModel:
        """The problem, written by hand."""
        return PEER_MODELS[self.problem.name[0]]

    @staticmethod
    def of(problem: Benchmark, data: Data) -> Training:
        """The training part of a draw of a problem."""
        train = data.train
        mean, spread = train.states.reshape(-1, train.states.shape[-1]).mean(0), torch.from_numpy(data.spread)
        return Training(problem, train.times[0], train.states, train.inputs, Scales(mean, spread))

    def test_error(self, p: Floats, data: Data) -> float:
        """The test error of a vector."""
        return data.test_error(self._scored(p, data.test))

    def train_error(self, p: Floats, data: Data) -> float:
        """The error of a vector against the noisy training data."""
        return data.train_error(self._scored(p, data.train))

    def _scored(self, p: Floats, samples: Samples) -> Floats:
        """Rollouts (N, T, n), in NumPy, so that JAX is scored in the same way."""
        h, steps = (
            float(samples.times[0, 1] - samples.times[0, 0]),
            FINE * substeps(self.problem, samples.times.shape[1]),
        )
        scales = Scales(self.scales.mean.numpy(), self.scales.std.numpy())
        start, inputs = samples.states[:, 0].numpy(), samples.inputs.numpy()
        return scored_rollout(self.model, p, start, inputs, h, steps, scales)

    def loss(self, rolled: Tensor) -> Tensor:
        """Mean square misfit of (N, T, n), in spreads."""
        return ((rolled - self.states) / self.scales.std).square().mean()


def rk4(training: Training, p: Tensor) -> Tensor:
    """(N, T, n) with the fixed steps of the problem."""
    model, unpacked = training.model, training.model.unpacked(p, TORCH)
    h, states = float(training.times[1] - training.times[0]), [training.states[:, 0]]
    steps = substeps(training.problem, len(training.times))
    for k in range(len(training.times) - 1):
        right = partial(model.rhs, unpacked, u=training.inputs[:, k], scales=training.scales, ops=TORCH)
        states.append(runge_kutta(right, states[-1], h, steps))
    return torch.stack(states, 1)


def dopri5(training: Training, p: Tensor) -> Tensor:
    """(N, T, n) with adaptive steps, all trajectories at once."""
    model, unpacked = training.model, training.model.unpacked(p, TORCH)
    h, last = float(training.times[1] - training.times[0]), len(training.times) - 2

    def right(t: Tensor, x: Tensor) -> Tensor:
        k = min(last, max(0, int(float(t.detach()) / h + 1e-9)))
        return model.rhs(unpacked, x, training.inputs[:, k], training.scales, TORCH)

    options = {"jump_t": training.jumps}
    rolled: Tensor = odeint(right, training.states[:, 0], training.times, rtol=RELATIVE, atol=ABSOLUTE, options=options)
    return rolled.transpose(0, 1)


ROLLOUTS: dict[str, Callable[[Training, Tensor], Tensor]] = {"dopri5": dopri5, "rk4": rk4}


def adam(training: Training, seed: int, budget: float, method: str) -> Snapshots:
    """Train for a budget of CPU seconds; noting the vector down is not charged."""
    p = torch.from_numpy(training.model.first(seed)).requires_grad_(True)
    optimiser = torch.optim.Adam([p])
    spent, refused = 0.0, 0
    snapshots: Snapshots = [(0.0, p.detach().numpy().copy())]
    while spent < budget and refused < MOST_REFUSED:
        started = time.process_time()
        refused += not step(training, p, optimiser, learning_rate(spent / budget), ROLLOUTS[method])
        spent += time.process_time() - started
        if due(spent, snapshots[-1][0]) or spent >= budget:
            snapshots.append((spent, p.detach().numpy().copy()))
    return snapshots


def step(
    training: Training,
    p: Tensor,
    optimiser: torch.optim.Adam,
    rate: float,
    rollout: Callable[[Training, Tensor], Tensor],
) -> bool:
    """One iteration; False, and nothing done, if there is no finite gradient."""
    optimiser.param_groups[0]["lr"] = rate
    optimiser.zero_grad()
    try:
        training.loss(rollout(training, p)).backward()  # type: ignore[no-untyped-call]
    except AssertionError:  # how torchdiffeq says that the step underflowed
        return False
    torch.nn.utils.clip_grad_norm_([p], CLIP)
    assert p.grad is not None
    if not bool(torch.isfinite(p.grad).all()):
        return False
    optimiser.step()
    return True
