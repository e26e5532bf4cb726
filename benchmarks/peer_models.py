"""The problems once more, written by hand for the other trainers: one flat vector, plain array operations.

Nobody who trains with torchdiffeq or diffrax would go through this project's model language, so its overhead is not
charged to them. The equations, nets and starting values are the same; each right-hand side runs on torch, JAX and
NumPy arrays alike, through `Ops`. Physical parameters are start * exp(raw). This file needs NumPy only, since the JAX
peers run in an environment of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

Array = Any
"""Of torch, JAX or NumPy."""
Unpacked = tuple[list[Array], list[tuple[Array, Array]]]
"""Physical parameters, and (weight, bias) of every layer."""


@dataclass(frozen=True)
class Ops:
    """What the right-hand sides need that arrays of different kinds do not spell alike.

    Attributes:
        xp: module with tanh, sin, exp, log1p and stack.
        softplus: of an array.
        linear: (z (..., i), weight (o, i), bias (o,)) -> (..., o).
    """

    xp: Any
    softplus: Callable[[Array], Array]
    linear: Callable[[Array, Array, Array], Array]


NUMPY = Ops(np, lambda x: np.logaddexp(x, 0.0), lambda z, weight, bias: z @ weight.T + bias)


@dataclass(frozen=True)
class Scales:
    """Mean of the noisy training data and spread of the clean ones, (n,) each."""

    mean: Array
    std: Array


@dataclass(frozen=True)
class PeerModel:
    """A problem for trainers that know arrays only.

    Attributes:
        start: the wrong physical parameters.
        widths: of the net, from inputs to outputs.
        substeps: Runge-Kutta steps per sampling interval, enough for the truth.
        slopes: (parameters, net, x (..., n), u (..., m), scales, ops) -> dx/dt (..., n).
    """

    start: tuple[float, ...]
    widths: tuple[int, ...]
    substeps: int
    slopes: Callable[[list[Array], Callable[[Array], Array], Array, Array, Scales, Ops], Array]

    def first(self, seed: int) -> Array:
        """(P,), the vector that training begins with: raw parameters 0, weights of variance 1 / fan-in, a small end."""
        rng = np.random.default_rng(7 + seed)
        parts = [np.zeros(len(self.start))]
        for layer, (wide, narrow) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            last = layer == len(self.widths) - 2
            size = (0.1 if last else 1.0) / math.sqrt(wide)
            parts += [size * rng.standard_normal(wide * narrow), (0.0 if last else 0.3) * rng.standard_normal(narrow)]
        return np.concatenate(parts)

    def unpacked(self, p: Array, ops: Ops) -> Unpacked:
        """Parameters and layers of a vector; done once per rollout, since it is not free."""
        at = len(self.start)
        parameters = [start * ops.xp.exp(p[i]) for i, start in enumerate(self.start)]
        layers = []
        for wide, narrow in zip(self.widths, self.widths[1:], strict=False):
            weight, at = p[at : at + wide * narrow].reshape(narrow, wide), at + wide * narrow
            bias, at = p[at : at + narrow], at + narrow
            layers.append((weight, bias))
        return parameters, layers

    def rhs(self, unpacked: Unpacked, x: Array, u: Array, scales: Scales, ops: Ops) -> Array:
        """dx/dt (..., n) of states (..., n) and inputs (..., m)."""
        parameters, layers = unpacked

        def net(z: Array) -> Array:
            for weight, bias in layers[:-1]:
                z = ops.xp.tanh(ops.linear(z, weight, bias))
            return ops.linear(z, *layers[-1])

        return self.slopes(parameters, net, x, u, scales, ops)


def runge_kutta(rhs: Callable[[Array], Array], x: Array, h: float, substeps: int) -> Array:
    """The classical method of order 4 over an interval `h`."""
    h = h / substeps
    for _ in range(substeps):
        k1 = rhs(x)
        k2 = rhs(x + (0.5 * h) * k1)
        k3 = rhs(x + (0.5 * h) * k2)
        k4 = rhs(x + h * k3)
        x = x + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)
    return x


FINE = 2
"""Rollouts that are scored take this many times the steps of those that are trained on."""


def scored_rollout(
    model: PeerModel, p: Array, x0: Array, inputs: Array, h: float, substeps: int, scales: Scales
) -> Array:
    """(N, T, n) in NumPy: from `x0` (N, n) with `inputs` (N, T, m) held over intervals of `h`."""
    unpacked, states = model.unpacked(p, NUMPY), [x0]
    with np.errstate(all="ignore"):  # rollouts of untrained models blow up
        for k in range(inputs.shape[1] - 1):
            right = partial(model.rhs, unpacked, u=inputs[:, k], scales=scales, ops=NUMPY)
            states.append(runge_kutta(right, states[-1], h, substeps))
    return np.stack(states, 1)


def _predator_prey(k: list[Array], net: Callable[[Array], Array], x: Array, _: Array, of: Scales, ops: Ops) -> Array:
    g = net((x - of.mean) / of.std) * (2.0 * of.std)
    return ops.xp.stack([k[0] * x[..., 0] + g[..., 0], -k[1] * x[..., 1] + g[..., 1]], -1)


def _fed_batch(k: list[Array], net: Callable[[Array], Array], x: Array, u: Array, _: Scales, ops: Ops) -> Array:
    cells, substrate, volume = x[..., 0], x[..., 1], x[..., 2]
    food = ops.softplus(substrate * 10.0) / 3.0
    z = ops.xp.log1p(food) - 1.0
    rate = 0.2 * ops.softplus(net(z[..., None])[..., 0]) * ops.xp.tanh(food)
    dilution = u[..., 0] / volume
    gained = -k[0] * rate * cells + dilution * (u[..., 1] - substrate)
    return ops.xp.stack([(rate - dilution) * cells, gained, u[..., 0] + 0.0 * volume], -1)


def _pendulum(k: list[Array], net: Callable[[Array], Array], x: Array, _: Array, of: Scales, ops: Ops) -> Array:
    g = net(x / of.std)[..., 0] * of.std[1]
    return ops.xp.stack([x[..., 1], -k[0] * ops.xp.sin(x[..., 0]) + g], -1)


def _dexamethasone(k: list[Array], net: Callable[[Array], Array], x: Array, _: Array, of: Scales, ops: Ops) -> Array:
    z1, z2, z3, z4, z5 = (x[..., i] for i in range(5))
    g = net(((x - of.mean) / of.std)[..., :2])[..., 0] * of.std[0]
    immune = k[0] * z4 + k[1] * z4 * z1 - k[2] * z1 + g
    virus = k[5] * z4 - k[6] * z4 * z1 - k[7] * z4 * z5
    return ops.xp.stack([immune, -k[3] * z2 + k[4] * z3, -k[4] * z3, virus, k[8] * z1], -1)


PEER_MODELS = {
    "A": PeerModel((1.0, 1.4), (2, 32, 32, 2), 2, _predator_prey),
    "B": PeerModel((1.5,), (1, 32, 32, 1), 4, _fed_batch),
    "C": PeerModel((1.2,), (2, 32, 32, 1), 2, _pendulum),
    "D": PeerModel((0.4, 0.08, 0.7, 0.8, 14.0, 0.7, 0.3, 0.25, 0.13), (2, 32, 32, 1), 6, _dexamethasone),
}

SLOPE_OF_ADAM = 1e-2
CLIP = 10.0


def learning_rate(done: float) -> float:
    """Cosine from 1e-2 to a fiftieth of it, over the budget; `done` is the share of it that is spent."""
    return SLOPE_OF_ADAM * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


LEAST_GAP, GROWTH = 0.02, 1.04
"""Seconds, and the factor, by which the clock must have moved on before the model is noted down again."""


def due(seconds: float, last: float) -> bool:
    """Whether a curve that was last noted at `last` seconds wants another point."""
    return seconds >= max(last * GROWTH, last + LEAST_GAP)
