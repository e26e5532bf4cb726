"""The problems that trainers are compared on: one trusted part, one part that a net must learn, noisy data.

Each has a simulator of the truth and a candidate that starts from wrong parameters. Initial states are known exactly.
Test data are unseen trajectories without noise. A seed means the same draws for every variant of the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.systems.solving import solved
from archsearch.systems.tables import Floats
from archsearch.training.data.task import Samples

Truth = Callable[[Floats, Floats], list[Floats]]
TEST_TRAJECTORIES = 8


@dataclass(frozen=True)
class Variant:
    """How the data are taken.

    Attributes:
        noise: standard deviation of the noise, in standard deviations of each state.
        every: every how many-th sample is kept; problems with inputs keep all, since inputs jump at samples.
    """

    noise: float = 0.03
    every: int = 1

    @property
    def label(self) -> str:
        """What tables call it."""
        kept = {1: "all samples", 2: "half of the samples"}.get(self.every, f"1 of {self.every} samples")
        return f"{100 * self.noise:g} % noise, {kept}"


@dataclass(frozen=True)
class Data:
    """One draw of a problem.

    Attributes:
        train: noisy samples; the first of each trajectory is exact.
        clean: the same without noise, (N, T, n).
        test: unseen trajectories without noise, at all sampling times.
        spread: (n,), standard deviation of each state over the clean training data; errors are measured in it.
    """

    train: Samples
    clean: Floats
    test: Samples
    spread: Floats

    def test_error(self, states: Floats) -> float:
        """Mean square error of rollouts (N, T, n) of the test trajectories, in spreads; infinite if not finite."""
        return _mean_square((states - self.test.states.numpy()) / self.spread)

    def train_error(self, states: Floats) -> float:
        """The same against the noisy training data, the exact first samples left out."""
        return _mean_square(((states - self.train.states.numpy()) / self.spread)[:, 1:])


def _mean_square(wrong: Floats) -> float:
    with np.errstate(all="ignore"):  # rollouts of untrained models blow up
        found = float(np.square(wrong).mean())
    return found if np.isfinite(found) else float("inf")


@dataclass(frozen=True)
class Benchmark:
    """One problem.

    Attributes:
        name: a letter and a word.
        states: their names.
        inputs: names of inputs.
        source: the candidate.
        truth: (x (N, n), u (N, m)) -> dx/dt, a column (N,) per state.
        start: draws initial states (N, n).
        steer: draws inputs (N, T - 1, m).
        many: training trajectories.
        samples: samples of each.
        end: time of the last one.
    """

    name: str
    states: tuple[str, ...]
    inputs: tuple[str, ...]
    source: str
    truth: Truth
    start: Callable[[np.random.Generator, int], Floats]
    steer: Callable[[np.random.Generator, int], Floats]
    many: int
    samples: int
    end: float

    def data(self, seed: int, variant: Variant) -> Data:
        """Noisy training samples and clean test samples."""
        rng = np.random.default_rng(1000 + seed)
        clean, inputs = self._simulated(rng, self.many)
        unseen = self._samples(*self._simulated(rng, TEST_TRAJECTORIES), every=1)
        spread = clean.reshape(-1, clean.shape[-1]).std(0, ddof=1)
        noisy = clean + variant.noise * spread * rng.standard_normal(clean.shape)
        noisy[:, 0] = clean[:, 0]
        every = 1 if self.inputs else variant.every
        return Data(self._samples(noisy, inputs, every), clean[:, ::every], unseen, spread)

    def known(self) -> tuple[State, ...]:
        """The states; their initial values are known."""
        return tuple(State(name=name, initial="first") for name in self.states)

    def candidate(self, seed: int) -> HybridModel:
        """The candidate before its fit."""
        return load_candidate(self.source)(self.states, self.inputs, generator=torch.Generator().manual_seed(seed))

    def _simulated(self, rng: np.random.Generator, many: int) -> tuple[Floats, Floats]:
        """States (N, T, n) and inputs (N, T, m), integrated from jump to jump, all trajectories at once."""
        x, u = self.start(rng, many), self.steer(rng, many)
        interval, states = np.array([0.0, self.end / (self.samples - 1)]), [x]
        for k in range(self.samples - 1):
            flat = solved(lambda z, k=k: self._slopes(z, u[:, k]), states[-1].ravel(), interval)[-1]
            states.append(flat.reshape(x.shape))
        return np.stack(states, 1), np.concatenate([u, u[:, -1:]], 1)

    def _slopes(self, flat: Floats, u: Floats) -> Floats:
        x = flat.reshape(len(u), len(self.states))
        return np.stack(self.truth(x, u), -1).ravel()

    def _samples(self, states: Floats, inputs: Floats, every: int) -> Samples:
        times = torch.linspace(0, self.end, self.samples, dtype=torch.float64)[::every].expand(len(states), -1).clone()
        names = tuple(map(str, range(len(states))))
        x, u = (torch.from_numpy(array[:, ::every].copy()) for array in (states, inputs))
        return Samples(names, times, x, u, torch.ones(times.shape, dtype=torch.bool))


def _uniform(rng: np.random.Generator, many: int, *ranges: tuple[float, float]) -> Floats:
    """(N, n), a column per range, each drawn for all trajectories before the next."""
    return np.stack([rng.uniform(low, high, many) for low, high in ranges], -1)


def _no_inputs(samples: int) -> Callable[[np.random.Generator, int], Floats]:
    """A problem that nobody steers."""
    return lambda _, many: np.zeros((many, samples - 1, 0))


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
    truth=lambda x, _: [1.3 * x[:, 0] - 0.9 * x[:, 0] * x[:, 1], -1.8 * x[:, 1] + 0.8 * x[:, 0] * x[:, 1]],
    start=lambda rng, many: rng.uniform(0.5, 2.5, (many, 2)),
    steer=_no_inputs(41),
    many=8,
    samples=41,
    end=8.0,
)


def _fed_batch(x: Floats, u: Floats) -> list[Floats]:
    cells, substrate, volume = x.T
    food = substrate.clip(0.0)
    rate = 0.4 * food / (0.5 + food + food**2 / 15)
    dilution = u[:, 0] / volume
    return [(rate - dilution) * cells, -2.0 * rate * cells + dilution * (u[:, 1] - substrate), u[:, 0]]


def _feeds(rng: np.random.Generator, many: int) -> Floats:
    """A feed that jumps after every fifth interval, of a strength that stays."""
    feed = np.repeat(rng.uniform(0, 0.12, (many, 8)), 5, axis=1)
    return np.stack([feed, np.repeat(rng.uniform(15, 40, (many, 1)), 40, axis=1)], -1)


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
    start=lambda rng, many: _uniform(rng, many, (0.5, 1.5), (1.0, 12.0), (1.0, 2.0)),
    steer=_feeds,
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
    truth=lambda x, _: [x[:, 1], -1.7 * np.sin(x[:, 0]) - 0.2 * x[:, 1] - 0.12 * x[:, 1] * abs(x[:, 1])],
    start=lambda rng, many: _uniform(rng, many, (-2.0, 2.0), (-1.5, 1.5)),
    steer=_no_inputs(41),
    many=10,
    samples=41,
    end=10.0,
)


def _dexamethasone(x: Floats, _: Floats) -> list[Floats]:
    z1, z2, z3, z4, z5 = x.T
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
    # the lung starts empty; its draw is made and dropped
    start=lambda rng, many: (
        _uniform(rng, many, (0.2, 1.0), (0.0, 1.0), (0.0, 3.0), (0.5, 2.0), (0.1, 0.5))
        * np.array([1.0, 0.0, 1.0, 1.0, 1.0])
    ),
    steer=_no_inputs(43),
    many=12,
    samples=43,
    end=14.0,
)

BENCHMARKS = {problem.name[0]: problem for problem in (LOTKA_VOLTERRA, FED_BATCH, PENDULUM, DEXAMETHASONE)}
