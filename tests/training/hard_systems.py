"""Systems on which a gradient of the whole rollout fails: chaotic, blowing up, with events."""

from __future__ import annotations

import numpy as np
import torch
from scipy.integrate import solve_ivp

from archsearch.hybrid import load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.prepare import prepare

LORENZ = """
from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    sigma = Param(6.0, low=1.0, high=100.0)
    rho = Param(16.8, low=1.0, high=200.0)
    beta = Param(1.6, low=0.1, high=20.0)

    def rhs(self, t, x, u):
        return {
            "x": self.sigma * (x.y - x.x),
            "y": x.x * (self.rho - x.z) - x.y,
            "z": x.x * x.y - self.beta * x.z,
        }
"""
LORENZ_TRUTH = {"sigma": 10.0, "rho": 28.0, "beta": 8.0 / 3.0}

SPRING = """
from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    friction = Param(2.0, low=0.0)
    stiffness = Param(150.0, low=0.0)

    def rhs(self, t, x, u):
        return {"x": x.v, "v": -self.friction * x.v - self.stiffness * x.x}
"""
SPRING_TRUTH = {"friction": 1.0, "stiffness": 400.0}

BALL = """
import torch

from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    gravity = Param(9.0, low=1.0, high=20.0)
    floor = Param(1e4, low=1e2, high=1e6)
    damping = Param(20.0, low=1.0, high=100.0)

    def rhs(self, t, x, u):
        impact = torch.where(x.height < 0, -self.floor * x.height - self.damping * x.speed, 0.0)
        return {"height": x.speed, "speed": impact - self.gravity}
"""


def lorenz(
    count: int = 1, noise: float = 0.02, step: float = 0.025, seed: int = 0, hidden: tuple[int, ...] = ()
) -> Loss:
    """`count` trajectories of 10 time units on the attractor, noise in standard deviations of the data."""

    def truth(t: float, x: np.ndarray) -> list[float]:
        s, r, b = LORENZ_TRUTH.values()
        return [s * (x[1] - x[0]), x[0] * (r - x[2]) - x[1], x[0] * x[1] - b * x[2]]

    times = np.arange(round(10.0 / step) + 1) * step
    apart = 20.0 + 15.0 * np.arange(count)
    before = solve_ivp(truth, (0, apart[-1]), (1.0, 1.0, 20.0), t_eval=apart, rtol=1e-9, atol=1e-9).y.T
    clean = np.stack([solve_ivp(truth, (0, 10.1), x, t_eval=times, rtol=1e-10, atol=1e-10).y.T for x in before])
    states = _noisy(clean, noise * clean.std((0, 1)), seed)
    states[..., list(hidden)] = np.nan
    said = tuple(State(name=name, observed=i not in hidden) for i, name in enumerate("xyz"))
    return prepare(load_candidate(LORENZ)(("x", "y", "z")), said, _samples(times, states), FitSettings())


def spring_position(friction: float, stiffness: float, times: np.ndarray) -> np.ndarray:
    """x(t) of x'' + friction x' + stiffness x = 0 from x = 1 at rest."""
    root = np.sqrt(complex(friction**2 / 4 - stiffness))
    slow, fast = -friction / 2 + root, -friction / 2 - root
    return ((fast * np.exp(slow * times) - slow * np.exp(fast * times)) / (fast - slow)).real


def spring(seed: int = 0) -> Loss:
    """51 noisy positions over 2 s from (1, 0); sum of squares of the truth about 0.038; velocities hidden."""
    times = np.linspace(0, 2, 51)
    position = spring_position(*SPRING_TRUTH.values(), times)
    states = _noisy(np.stack([position, np.full(51, np.nan)], -1)[None], np.array([0.027, 0.0]), seed)
    said = (State(name="x", initial=1.0), State(name="v", observed=False, initial=0.0))
    return prepare(load_candidate(SPRING)(("x", "v")), said, _samples(times, states), FitSettings(substeps=4))


def ball() -> Loss:
    """A ball dropped from 1 m that keeps 0.8 of its speed at each impact, for 2 s."""
    times, gravity = np.linspace(0, 2, 101), 9.81
    states, height, speed, last = [], 1.0, 0.0, 0.0
    for t in times:
        while t > last + (hit := (speed + np.sqrt(speed**2 + 2 * gravity * height)) / gravity):
            last, height, speed = last + hit, 0.0, 0.8 * (gravity * hit - speed)
        states.append((height + speed * (t - last) - gravity * (t - last) ** 2 / 2, speed - gravity * (t - last)))
    said = (State(name="height", initial=1.0), State(name="speed", initial=0.0))
    samples = _samples(times, _noisy(np.array(states)[None], np.array([0.01, 0.01]), 0))
    return prepare(load_candidate(BALL)(("height", "speed")), said, samples, FitSettings())


def _noisy(clean: np.ndarray, noise: np.ndarray, seed: int) -> np.ndarray:
    return clean + noise * np.random.default_rng(seed).standard_normal(clean.shape)


def _samples(times: np.ndarray, states: np.ndarray) -> Samples:
    many = len(states)
    return Samples(
        ids=tuple(str(i) for i in range(many)),
        times=torch.tensor(times).expand(many, -1).clone(),
        states=torch.tensor(states),
        inputs=torch.zeros(many, len(times), 0, dtype=torch.float64),
        valid=torch.ones(many, len(times), dtype=torch.bool),
    )


def found(loss: Loss) -> dict[str, float]:
    """Parameter values by name."""
    return {name: value.item() for name, value in loss.model.parameter_values().items()}


def put(loss: Loss, values: dict[str, float]) -> None:
    """Set parameters."""
    for name, value in values.items():
        loss.model.set_parameter(name, value)
