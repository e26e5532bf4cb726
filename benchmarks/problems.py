"""The problems that trainers are compared on: one trusted part, one part that a net must learn, noisy data.

Each has a simulator of the truth and a candidate that starts from wrong parameters. Test data are unseen trajectories
without noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.integrate import solve_ivp

from archsearch.problem.space import State
from archsearch.training.task import Samples

Array = np.ndarray
Truth = Callable[[Array, Array], list[float]]


@dataclass(frozen=True)
class Benchmark:
    """One problem.

    Attributes:
        name: a letter and a word.
        states: their names.
        inputs: names of inputs.
        source: the candidate.
        truth: (x, u) -> dx/dt.
        start: draws initial states (n,).
        steer: draws inputs (T - 1, m).
        many: training trajectories.
        samples: samples of each.
        end: time of the last one.
        noise: in standard deviations of each state.
    """

    name: str
    states: tuple[str, ...]
    inputs: tuple[str, ...]
    source: str
    truth: Truth
    start: Callable[[np.random.Generator], Array]
    steer: Callable[[np.random.Generator], Array]
    many: int
    samples: int
    end: float
    noise: float = 0.03

    def data(self, seed: int, test: int = 8) -> tuple[Samples, Samples]:
        """Noisy training samples and clean test samples."""
        rng = np.random.default_rng(1000 + seed)
        clean, inputs = self._simulate(rng, self.many)
        spread = clean.reshape(-1, clean.shape[-1]).std(0)
        noisy = clean + self.noise * spread * rng.standard_normal(clean.shape)
        noisy[:, 0] = clean[:, 0]
        return self._samples(noisy, inputs), self._samples(*self._simulate(rng, test))

    def known(self) -> tuple[State, ...]:
        """The states; their initial values are known."""
        return tuple(State(name=name, initial="first") for name in self.states)

    def _simulate(self, rng: np.random.Generator, many: int) -> tuple[Array, Array]:
        times = np.linspace(0, self.end, self.samples)
        states, inputs = [], []
        for _ in range(many):
            x, u = [self.start(rng)], self.steer(rng)
            for k in range(self.samples - 1):
                span = (times[k], times[k + 1])
                solved = solve_ivp(lambda _, z, v=u[k]: self.truth(z, v), span, x[-1], rtol=1e-8, atol=1e-10)
                x.append(solved.y[:, -1])
            states.append(np.array(x))
            inputs.append(np.vstack([u, u[-1:]]))
        return np.array(states), np.array(inputs)

    def _samples(self, states: Array, inputs: Array) -> Samples:
        many = len(states)
        times = torch.linspace(0, self.end, self.samples, dtype=torch.float64).expand(many, -1).clone()
        valid = torch.ones(many, self.samples, dtype=torch.bool)
        return Samples(tuple(map(str, range(many))), times, torch.tensor(states), torch.tensor(inputs), valid)


def no_inputs(samples: int) -> Callable[[np.random.Generator], Array]:
    """A problem that nobody steers."""
    return lambda rng: np.zeros((samples - 1, 0))


HEAD = "from archsearch.hybrid import HybridModel, Net, Param\nimport torch\n\n\nclass Candidate(HybridModel):\n"

LOTKA_VOLTERRA = Benchmark(
    name="A predator-prey",
    states=("prey", "hunter"),
    inputs=(),
    source=HEAD
    + """    birth = Param(1.0, low=0.1, high=5.0)
    death = Param(1.4, low=0.1, high=5.0)
    meeting = Net(inputs=("prey", "hunter"), role="add", hidden=(32, 32), outputs=("prey", "hunter"))

    def rhs(self, t, x, u):
        lost, gained = self.meeting(x.prey, x.hunter)
        return {"prey": self.birth * x.prey + lost, "hunter": gained - self.death * x.hunter}
""",
    truth=lambda x, u: [1.3 * x[0] - 0.9 * x[0] * x[1], -1.8 * x[1] + 0.8 * x[0] * x[1]],
    start=lambda rng: rng.uniform(0.5, 2.5, 2),
    steer=no_inputs(41),
    many=8,
    samples=41,
    end=8.0,
)


def _fed_batch(x: Array, u: Array) -> list[float]:
    cells, substrate, volume = x
    substrate = max(substrate, 0.0)
    rate = 0.4 * substrate / (0.5 + substrate + substrate**2 / 15)
    dilution = u[0] / volume
    return [(rate - dilution) * cells, -2.0 * rate * cells + dilution * (u[1] - x[1]), u[0]]


FED_BATCH = Benchmark(
    name="B fed-batch",
    states=("cells", "substrate", "volume"),
    inputs=("feed", "strength"),
    source=HEAD
    + """    need = Param(1.5, low=0.5, high=5.0)
    start_rate = Param(0.2, fixed=True)
    rate = Net(inputs=("substrate",), role="replace", hidden=(32, 32), positive=True, zero_at={"substrate": 0.0})

    def rhs(self, t, x, u):
        rate = self.rate(x.substrate, instead_of=self.start_rate)
        dilution = u.feed / x.volume
        return {
            "cells": (rate - dilution) * x.cells,
            "substrate": dilution * (u.strength - x.substrate) - self.need * rate * x.cells,
            "volume": u.feed + 0.0 * x.volume,
        }
""",
    truth=_fed_batch,
    start=lambda rng: np.array([rng.uniform(0.5, 1.5), rng.uniform(1, 12), rng.uniform(1, 2)]),
    steer=lambda rng: np.column_stack([np.repeat(rng.uniform(0, 0.12, 8), 5), np.full(40, rng.uniform(15, 40))]),
    many=10,
    samples=41,
    end=16.0,
)

PENDULUM = Benchmark(
    name="C pendulum",
    states=("angle", "speed"),
    inputs=(),
    source=HEAD
    + """    stiffness = Param(1.2, low=0.1, high=5.0)
    friction = Net(inputs=("angle", "speed"), role="add", hidden=(32, 32), outputs=("speed",))

    def rhs(self, t, x, u):
        pull = self.stiffness * torch.sin(x.angle)
        return {"angle": x.speed, "speed": self.friction(x.angle, x.speed) - pull}
""",
    truth=lambda x, u: [x[1], -1.7 * np.sin(x[0]) - 0.2 * x[1] - 0.12 * x[1] * abs(x[1])],
    start=lambda rng: np.array([rng.uniform(-2, 2), rng.uniform(-1.5, 1.5)]),
    steer=no_inputs(41),
    many=10,
    samples=41,
    end=10.0,
)


def _dexamethasone(x: Array, u: Array) -> list[float]:
    z1, z2, z3, z4, z5 = x
    unknown = z1**2 / (0.5 + z1**2) - 0.5 * z1 * z2
    return [
        0.3 * z4 + 0.1 * z4 * z1 - 0.5 * z1 + unknown,
        -1.0 * z2 + 20.0 * z3,
        -20.0 * z3,
        0.6 * z4 - 0.4 * z4 * z1 - 0.3 * z4 * z5,
        0.1 * z1,
    ]


DEXAMETHASONE = Benchmark(
    name="D dexamethasone",
    states=("immune", "lung", "plasma", "virus", "immunity"),
    inputs=(),
    source=HEAD
    + """    k_ir = Param(0.4, low=0.02, high=4.0)
    k_pf = Param(0.08, low=0.004, high=0.8)
    k_o = Param(0.7, low=0.03, high=7.0)
    k_2 = Param(0.8, low=0.04, high=8.0)
    k_3 = Param(14.0, low=1.0, high=60.0)
    k_dp = Param(0.7, low=0.03, high=7.0)
    k_iir = Param(0.3, low=0.02, high=3.0)
    k_dc = Param(0.25, low=0.02, high=2.5)
    k_1 = Param(0.13, low=0.01, high=1.3)
    response = Net(inputs=("immune", "lung"), role="add", hidden=(32, 32), outputs=("immune",))

    def rhs(self, t, x, u):
        known = self.k_ir * x.virus + self.k_pf * x.virus * x.immune - self.k_o * x.immune
        return {
            "immune": known + self.response(x.immune, x.lung),
            "lung": self.k_3 * x.plasma - self.k_2 * x.lung,
            "plasma": -self.k_3 * x.plasma,
            "virus": x.virus * (self.k_dp - self.k_iir * x.immune - self.k_dc * x.immunity),
            "immunity": self.k_1 * x.immune,
        }
""",
    truth=_dexamethasone,
    start=lambda rng: np.array(
        [rng.uniform(0.2, 1), 0.0, rng.uniform(0, 3), rng.uniform(0.5, 2), rng.uniform(0.1, 0.5)]
    ),
    steer=no_inputs(43),
    many=12,
    samples=43,
    end=14.0,
)

BENCHMARKS = {problem.name[0]: problem for problem in (LOTKA_VOLTERRA, FED_BATCH, PENDULUM, DEXAMETHASONE)}
