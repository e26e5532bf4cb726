"""Candidates whose solutions are known."""

from __future__ import annotations

import numpy as np

DECAY = """
from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
    rate = Param(0.5, low=0.01, high=5.0, unit="1/s")

    def rhs(self, t, x, u):
        return {"x": -self.term("decay", self.rate * x.x)}
"""

LOTKA_VOLTERRA = """
from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
    birth = Param(0.8, low=0.1, high=3.0)
    attack = Param(0.5, low=0.05, high=3.0)
    gain = Param(0.5, low=0.05, high=3.0)
    death = Param(1.0, low=0.1, high=3.0)
    {declarations}

    def rhs(self, t, x, u):
        meeting = x.prey * x.hunter
        conversion = self.term("conversion", self.gain * meeting)
        return {{
            "prey": self.birth * x.prey - self.term("predation", self.attack * meeting),
            "hunter": {conversion} - self.death * x.hunter,
        }}
"""
NET = 'profit = Net(inputs=("prey", "hunter"), role="replace", hidden=(6,))'
TRUTH = {"birth": 1.3, "attack": 0.9, "gain": 0.8, "death": 1.8}


def predator_prey(t: float, x: np.ndarray) -> list[float]:
    prey, hunter = x
    p = TRUTH
    return [p["birth"] * prey - p["attack"] * prey * hunter, p["gain"] * prey * hunter - p["death"] * hunter]
