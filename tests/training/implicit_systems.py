"""Stiff and differential-algebraic candidates whose solutions are known, and how to build them."""

from __future__ import annotations

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.training.flow.integrate import Coordinates

HEAD = """
import torch
from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
"""

SWING = (
    HEAD
    + """
    rate = Param(1.0, low=0.1, high=5.0)

    def rhs(self, t, x, u):
        return {"x": self.rate * torch.cos(t) * x.x}
"""
)
"""x = x0 exp(sin t)."""

INDEX_ONE = (
    HEAD
    + """
    algebraic_variables = {"y": 0.0}

    def rhs(self, t, x, u):
        return {"x": x.y}

    def algebraic(self, t, x, z, u):
        return {"speed": z.y + x.x**3 / 2}
"""
)
"""x = (1 + t)^(-1/2), y = -x³ / 2."""

INDEX_TWO = (
    HEAD
    + """
    algebraic_variables = {"y": 0.5}

    def rhs(self, t, x, u):
        return {"a": x.y * x.b, "b": -x.y * x.a}

    def algebraic(self, t, x, z, u):
        return {"path": x.a - torch.sin(t)}
"""
)
"""a = sin t, b = cos t, y = 1: y is not in its own equation."""

TANKS = (
    HEAD
    + """
    algebraic_variables = {"u1": 0.0, "u2": 0.0}
    inflow = Param(0.2, low=0.01, high=1.0)
    outflow = Param(0.1, low=0.01, high=1.0)
    leak = Param(0.1, fixed=True)

    def rhs(self, t, x, u):
        u0 = self.inflow * x.x0 * x.x3
        u3 = self.outflow * torch.sqrt(x.x0)
        u4 = self.leak * torch.sqrt(x.x2)
        return {"x0": (x.u1 - u3) / 0.1, "x1": x.u2 / 0.5, "x2": (u3 - u4) / 2.0, "x3": (u4 - u0) / 10.0}

    def algebraic(self, t, x, z, u):
        return {"split": self.inflow * x.x0 * x.x3 - z.u1 - z.u2, "level": x.x0 - x.x1}
"""
)
"""Four tanks, two of them joined at the bottom (Koch et al., arXiv 2403.12938; Lueg et al., arXiv 2504.04665)."""

ROBERTSON = (
    HEAD
    + """
    slow = Param(0.04, low=0.001, high=1.0)

    def rhs(self, t, x, u):
        first, second, third = self.slow * x.a, 3e7 * x.b**2, 1e4 * x.b * x.c
        return {"a": third - first, "b": first - second - third, "c": second}
"""
)

VAN_DER_POL = (
    HEAD
    + """
    mu = Param(1000.0, low=1.0, high=2000.0)

    def rhs(self, t, x, u):
        return {"x": x.v, "v": self.mu * (1 - x.x**2) * x.v - x.x}
"""
)

BLOW_UP = (
    HEAD
    + """
    def rhs(self, t, x, u):
        return {"x": x.x**2}
"""
)

STATES = {
    SWING: ("x",),
    INDEX_ONE: ("x",),
    INDEX_TWO: ("a", "b"),
    TANKS: ("x0", "x1", "x2", "x3"),
    ROBERTSON: ("a", "b", "c"),
    VAN_DER_POL: ("x", "v"),
    BLOW_UP: ("x",),
}


def built(source: str, logarithmic: tuple[str, ...] = ()) -> tuple[HybridModel, Coordinates]:
    """A candidate and its inner coordinates."""
    scales = {name: "log" if name in logarithmic else "linear" for name in STATES[source]}
    states = tuple(State(name=name, scale=scale) for name, scale in scales.items())
    return load_candidate(source)(STATES[source]), Coordinates.of(states)


def on_times(times: list[float] | Tensor, many: int = 1) -> tuple[Tensor, Tensor]:
    """The same times (many, T) for all trajectories, and no inputs (many, T, 0)."""
    grid = torch.as_tensor(times, dtype=torch.float64).expand(many, -1).clone()
    return grid, grid.new_zeros(*grid.shape, 0)


def numbers(*rows: list[float]) -> Tensor:
    """Rows of numbers in float64."""
    return torch.tensor(rows, dtype=torch.float64)
