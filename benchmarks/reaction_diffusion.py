"""A fit of a field: `python benchmarks/reaction_diffusion.py [--seeds 3] [--grid 32]`.

Two substances diffuse and react on a periodic square (FitzHugh-Nagumo as in Yin et al. 2021, APHYNITY): the diffusion
is trusted but starts from constants that are wrong by a factor of about two, the reaction is a net. Four noisy
training films, four clean test films from unseen starts. One thread; processor seconds until the rollouts of the test
films are as good as the target, in variances of the data; what is spent on testing is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.fields.fit import field_rollout, fit_field

TARGETS = (5e-3, 1e-3, 2e-4)
FILMS, FRAMES, END, NOISE = 4, 21, 2.0, 0.02
SIDE = 2.0
STATES = (State(name="a", initial="first"), State(name="b", initial="first"))

SOURCE = """
from archsearch.hybrid import HybridModel, Net, Param, laplacian


class Candidate(HybridModel):
    diffusion_a = Param(2e-3, low=1e-4, high=2e-2)
    diffusion_b = Param(3e-3, low=1e-4, high=2e-2)
    reaction = Net(inputs=("a", "b"), role="add", hidden=(32, 32), outputs=("a", "b"))

    def rhs(self, t, x, u):
        gain_a, gain_b = self.reaction(x.a, x.b)
        return {{
            "a": self.diffusion_a * laplacian(x.a, ({step}, {step})) + gain_a,
            "b": self.diffusion_b * laplacian(x.b, ({step}, {step})) + gain_b,
        }}
"""


def truth(x: Tensor, step: float) -> Tensor:
    """(..., H, W, 2), the rate of change."""
    a, b = x.unbind(-1)
    spread = (x.roll(1, -3) + x.roll(-1, -3) + x.roll(1, -2) + x.roll(-1, -2) - 4 * x) / step**2
    return torch.stack([1e-3 * spread[..., 0] + a - a**3 - 5e-3 - b, 5e-3 * spread[..., 1] + a - b], -1)


def film(rng: np.random.Generator, grid: int, substeps: int = 4) -> Tensor:
    """(FILMS, FRAMES, grid, grid, 2), clean."""
    x = torch.tensor(rng.uniform(0, 1, (FILMS, grid, grid, 2)))
    frames, step, h = [x], SIDE / grid, END / (FRAMES - 1) / substeps
    for _ in range(FRAMES - 1):
        for _ in range(substeps):
            k1 = truth(x, step)
            k2 = truth(x + h / 2 * k1, step)
            k3 = truth(x + h / 2 * k2, step)
            k4 = truth(x + h * k3, step)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        frames.append(x)
    return torch.stack(frames, 1)


def data(seed: int, grid: int) -> tuple[Samples, Samples]:
    """Noisy training films, whose first frame is exact, and clean test films."""
    rng = np.random.default_rng(1000 + seed)
    clean, test = film(rng, grid), film(rng, grid)
    noisy = clean + NOISE * clean.std() * torch.tensor(rng.standard_normal(clean.shape))
    noisy[:, 0] = clean[:, 0]
    return samples_of(noisy), samples_of(test)


def samples_of(states: Tensor) -> Samples:
    """Films as samples without inputs."""
    many, frames = states.shape[:2]
    times = torch.linspace(0, END, frames, dtype=torch.float64).expand(many, -1).clone()
    valid = torch.ones(many, frames, dtype=torch.bool)
    return Samples(tuple(map(str, range(many))), times, states, torch.zeros(many, frames, 0).double(), valid)


def candidate(seed: int, grid: int) -> HybridModel:
    """The candidate before its fit."""
    source = SOURCE.format(step=SIDE / grid)
    return load_candidate(source)(("a", "b"), generator=torch.Generator().manual_seed(7 + seed))


@torch.no_grad()
def error(model: HybridModel, test: Samples) -> float:
    """Mean square error of the rollouts of the test films, in variances of the data."""
    rolled = field_rollout(model, test.states[:, 0], test.times, test.inputs, 2)
    return float((rolled - test.states).square().mean() / test.states.var())


@dataclass
class Clock:
    """Processor seconds of a fit, stopped while a model is tested.

    Attributes:
        model: what is tested.
        test: on what.
        curve: pairs of seconds and test error.
    """

    model: HybridModel
    test: Samples
    curve: list[tuple[float, float]] = field(default_factory=list)
    started: float = field(default_factory=time.process_time)
    aside: float = 0.0

    def look(self, stage: str, step: int) -> bool:
        """Test the model as it is now; always go on."""
        begun = time.process_time()
        self.curve.append((begun - self.started - self.aside, error(self.model, self.test)))
        self.aside += time.process_time() - begun
        return True

    def until(self, target: float) -> float:
        """When the error first was at most the target."""
        return next((seconds for seconds, reached in self.curve if reached <= target), float("inf"))


def one(seed: int, grid: int) -> Clock:
    """One fit, watched."""
    train, test = data(seed, grid)
    model = candidate(seed, grid)
    clock = Clock(model, test)
    found = fit_field(model, STATES, train, FitSettings(), torch.Generator().manual_seed(seed), clock.look)
    clock.look("end", 0)
    for stage in found.stages:
        print(f"    {stage}")
    return clock


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--grid", type=int, default=32)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    one(99, 8)  # what the first fit of a process pays for imports is not a fit
    clocks = []
    for seed in range(wanted.seeds):
        clock = one(seed, wanted.grid)
        seconds, reached = clock.curve[-1]
        times = ", ".join(f"{target:g} after {clock.until(target):.2f} s" for target in TARGETS)
        print(f"  seed {seed}: {times}; ends at {reached:.2g} after {seconds:.2f} CPU s")
        clocks.append(clock)
    arrival = statistics.median(clock.until(TARGETS[-1]) for clock in clocks)
    final = statistics.median(clock.curve[-1][1] for clock in clocks)
    print(f"medians: {arrival:.2f} CPU s to {TARGETS[-1]:g}, ends at {final:.2g}")


if __name__ == "__main__":
    main()
