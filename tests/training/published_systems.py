"""Training problems that others have published results on: equations, data, candidates, and how errors are counted.

Sources: [1] Lueg et al., "A simultaneous approach for training neural differential-algebraic systems of equations",
arXiv:2504.04665, and the examples of their code SiNDAE (github.com/llueg/SiNDAE); [2] Koch et al., arXiv:2403.12938,
where the tanks come from; [3] Kantor, "CBE 30338", where the fed-batch reactor comes from;
[4] github.com/jkitchin/discopt, scripts/hybrid_ml.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from simulated_problems import (
    HEAD,
    Fitted,
    Floats,
    Problem,
    Slopes,
    first_known,
    observed,
    rolled_out,
    samples_of,
    simulated,
)

from archsearch.hybrid import HybridModel
from archsearch.training.squares.rollouts import on_grid

RADAU = np.array([(4 - 6**0.5) / 10, (4 + 6**0.5) / 10, 1.0])
EVERY = 4
"""Observed is every how many-th collocation point of the simulation, as in the examples of [1]."""


def radau_times(end: float, elements: int) -> Floats:
    """Every fourth collocation point of a mesh with three points per element, the first being 0."""
    points = (np.arange(elements)[:, None] + RADAU).ravel() * end / elements
    return np.concatenate([[0.0], points])[::EVERY]


# ---- batch reactor A -> B ------------------------------------------------------------------------------------------

REACTOR = (
    HEAD
    + """    guess = Param(0.5, fixed=True)
    order_one = Param(1.0, low=0.01, high=100.0)
    rate = Net(inputs=("a",), hidden=(6,), {net})

    def rhs(self, t, x, u):
        rate = {rate}
        return {{"a": -rate, "b": rate}}
"""
)
REACTORS = {
    "rate by a tanh net": REACTOR.format(net='role="replace"', rate="self.rate(x.a, instead_of=self.guess)"),
    "rate by a softplus net": REACTOR.format(
        net='role="replace", activation="softplus"', rate="self.rate(x.a, instead_of=self.guess)"
    ),
    "first-order rate times a tanh net": REACTOR.format(
        net='role="scale"', rate="self.order_one * x.a * self.rate(x.a)"
    ),
}
"""Each with a net 1-6-1."""


def reaction_rate(a: Floats) -> Floats:
    """mol/(l s), of the concentration of A."""
    return 1.5 * a**2 / (0.3 + a)


def batch_reactor(seed: int, source: str) -> Problem:
    """15 samples of A and B, which begin at 1 and 0; seed 0 draws the data of [4]."""
    times = np.concatenate([[0.0], np.linspace(0.05, 2, 15)])
    a = simulated(lambda _, a: -reaction_rate(a), [1.0], times)[:, 0]
    clean = np.stack([a, 1.0 - a], -1)
    noise = 0.01 * np.random.default_rng(seed).standard_normal((2, 15)).T
    states = np.concatenate([clean[:1], clean[1:] + noise])[None]
    return Problem(source, first_known(a=None, b=None), samples_of(times, states), clean[None])


def reaction_error(fit: Fitted) -> float:
    """Root mean square error of the rate over the concentrations observed, over the root mean square of the rate."""
    a = np.linspace(float(fit.found.loss.samples.states[..., 0].min()), 1.0, 100)
    with torch.no_grad():
        found = fit.model.derivative(0.0, torch.tensor(np.stack([a, 1.0 - a], -1)))[:, 1].numpy()
    return float(np.sqrt(np.square(found - reaction_rate(a)).mean() / np.square(reaction_rate(a)).mean()))


# ---- Leslie-Gower: predators whose growth is unknown ---------------------------------------------------------------

LESLIE_GOWER = (
    HEAD
    + """    guess = Param(0.1, fixed=True)
    growth = Net(inputs=("prey", "hunter"), role="replace", hidden=(16, 16), activation="softplus")

    def rhs(self, t, x, u):
        return {
            "prey": x.prey * (0.2 - 0.2 * x.hunter - 0.1 * x.prey),
            "hunter": x.hunter * self.growth(x.prey, x.hunter, instead_of=self.guess),
        }
"""
)


def leslie_gower_slopes(_: float, x: Floats) -> list[float]:
    """As in [1]."""
    return [x[0] * (0.2 - 0.2 * x[1] - 0.1 * x[0]), x[1] * (0.2 - 0.01 * x[1] / x[0])]


def leslie_gower(seed: int) -> Problem:
    """46 samples over 80 time units."""
    times = radau_times(80.0, 60)
    clean = simulated(leslie_gower_slopes, [1.0, 0.1], times)[None]
    samples = samples_of(times, observed(clean, np.array([0.05, 0.05]), seed))
    return Problem(LESLIE_GOWER, first_known(prey=None, hunter=None), samples, clean)


def growth_error(fit: Fitted) -> float:
    """Root mean square error of the unknown growth rate along the trajectory, in standard deviations of the rate."""
    times = np.linspace(0, 80, 801)
    x = simulated(leslie_gower_slopes, [1.0, 0.1], times)
    true = 0.2 - 0.01 * x[:, 1] / x[:, 0]
    path = rolled_out(fit.model, ("prey", "hunter"), np.array([[1.0, 0.1]]), times)[0]
    return float(np.sqrt(np.square(_growth(fit.model, path) - true).mean()) / true.std())


def _growth(model: HybridModel, x: Floats) -> Floats:
    with torch.no_grad():
        slopes = model.derivative(0.0, torch.tensor(x)).numpy()
    return np.asarray(slopes[:, 1] / x[:, 1])


# ---- four tanks, two of them joined at the bottom: index 2 ---------------------------------------------------------

TANKS = (
    HEAD
    + """    algebraic_variables = {"u1": 0.1, "u2": 0.0, "u3": 0.1, "u4": 0.1}
    flow = Param(0.2, fixed=True)
    pump = Net(inputs=("x0", "x3"), role="replace", hidden=(8, 8))
    outlet = Net(inputs=("x0",), role="replace", hidden=(8, 8))

    def rhs(self, t, x, u):
        u0 = x.u1 + x.u2
        return {"x0": (x.u1 - x.u3) / 0.1, "x1": x.u2 / 0.5, "x2": (x.u3 - x.u4) / 2.0, "x3": (x.u4 - u0) / 10.0}

    def algebraic(self, t, x, z, u):
        return {
            "pump": z.u1 + z.u2 - self.pump(x.x0, x.x3, instead_of=self.flow),
            "level": x.x0 - x.x1,
            "outlet": z.u3 - self.outlet(x.x0, instead_of=self.flow),
            "leak": z.u4 - 0.1 * torch.sqrt(x.x2),
        }
"""
)
LOOSE_TANKS = (
    HEAD
    + """    flow = Param(0.2, fixed=True)
    pump = Net(inputs=("x0", "x3"), role="replace", hidden=(8, 8))
    outlet = Net(inputs=("x0",), role="replace", hidden=(8, 8))
    across = Param(1.0, low=0.01, high=10.0)

    def rhs(self, t, x, u):
        u0, u3 = self.pump(x.x0, x.x3, instead_of=self.flow), self.outlet(x.x0, instead_of=self.flow)
        u2, u4 = self.across * (x.x0 - x.x1), 0.1 * torch.sqrt(x.x2)
        return {"x0": (u0 - u2 - u3) / 0.1, "x1": u2 / 0.5, "x2": (u3 - u4) / 2.0, "x3": (u4 - u0) / 10.0}
"""
)
"""The same without the equation that the joined tanks are level: water flows across as their levels differ."""


def tanks_slopes(_: float, x: Floats) -> list[float]:
    """The joined tanks as one: (x0 = x1, x2, x3)."""
    u0, u3, u4 = 0.2 * x[0] * x[2], 0.1 * np.sqrt(x[0]), 0.1 * np.sqrt(x[1])
    return [(u0 - u3) / 0.6, (u3 - u4) / 2.0, (u4 - u0) / 10.0]


def tanks(seed: int, source: str = TANKS) -> Problem:
    """Three trajectories of 31 samples over 400 time units."""
    times = radau_times(400.0, 40)
    starts = ([0.75, 2.5, 0.6], [3.1, 1.5, 0.5], [0.9, 1.8, 1.1])
    clean = np.stack([simulated(tanks_slopes, start, times)[:, [0, 0, 1, 2]] for start in starts])
    samples = samples_of(times, observed(clean, np.full(4, 0.05), seed))
    return Problem(source, first_known(x0=None, x1=None, x2=None, x3=None), samples, clean)


def points(fit: Fitted) -> Floats:
    """(many, n): differential states at the collocation points of the training rollouts, or at samples without any."""
    path = on_grid(fit.found.loss)
    found = path.z if path.stages is None else path.stages[..., : path.z.shape[-1]]
    return np.asarray(found.flatten(0, -2).numpy())


def unlevel(fit: Fitted) -> float:
    """Largest difference between the levels of the joined tanks."""
    return float(np.abs(np.diff(points(fit)[:, :2])).max())


# ---- fed-batch reactor ---------------------------------------------------------------------------------------------

FED_BATCH = (
    HEAD
    + """    feed = Param(0.05, fixed=True)
    guess = Param(0.1, fixed=True)
    rate = Net(inputs=("S",), role="replace", hidden=(20, 20), {structure})

    def rhs(self, t, x, u):
        growth, dilution = self.rate(x.S, instead_of=self.guess) * x.X, self.feed / x.V
        return {{
            "X": growth - dilution * x.X,
            "P": 0.2 * growth - dilution * x.P,
            "S": dilution * (u.strength - x.S) - growth / 0.5,
            "V": self.feed + 0.0 * x.V,
        }}
"""
)
KEEPING = """
    def limits(self, t, x, u):
        return {"substrate": x.S}
"""
SHAPED = FED_BATCH.format(structure='positive=True, zero_at={"S": 0.0}')
FREE = FED_BATCH.format(structure='activation="tanh"')
NEW_BATCH, HORIZON = [0.2, 0.0, 7.0, 0.9], 60.0


def fed_batch_slopes(strength: float) -> Slopes:
    """Growth after Monod; the product is diluted by the volume, as in [3]."""

    def slopes(_: float, x: Floats) -> list[float]:
        growth, dilution = 0.2 * x[2] / (1.0 + x[2]) * x[0], 0.05 / x[3]
        return [
            growth - dilution * x[0],
            0.2 * growth - dilution * x[1],
            dilution * (strength - x[2]) - growth / 0.5,
            0.05,
        ]

    return slopes


def fed_batch(seed: int, source: str, declared: bool = True) -> Problem:
    """Three batches of 31 samples over 40 hours, fed with what they begin with; is the noise declared?"""
    times = radau_times(40.0, 40)
    starts = ([0.05, 0.0, 10.0, 1.0], [0.025, 0.0, 5.0, 0.8], [0.5, 0.0, 7.5, 0.95])
    clean = np.stack([simulated(fed_batch_slopes(start[2]), start, times) for start in starts])
    noises = {"X": 0.05, "P": 0.05, "S": 0.5, "V": 0.1}
    states = observed(clean, np.array(list(noises.values())), seed)
    samples = samples_of(times, states, np.array([[start[2]] for start in starts]))
    said = first_known(**(noises if declared else dict.fromkeys(noises)))
    return Problem(source, said, samples, clean, ("strength",))


@dataclass(frozen=True)
class NewBatch:
    """A batch that was never seen: least substrate, error of the substrate, and biomass at the end, in g/l."""

    least: float
    error: float
    biomass: float


def new_batch(model: HybridModel) -> NewBatch:
    """Roll a fitted model out to 60 hours."""
    times = np.linspace(0, HORIZON, 241)
    true = simulated(fed_batch_slopes(NEW_BATCH[2]), NEW_BATCH, times)
    names, strength = ("X", "P", "S", "V"), np.array([[NEW_BATCH[2]]])
    found = rolled_out(model, names, np.array([NEW_BATCH]), times, strength)[0]
    error = np.sqrt(np.square(found[:, 2] - true[:, 2]).mean())
    return NewBatch(float(found[:, 2].min()), float(error), float(found[-1, 0]))
