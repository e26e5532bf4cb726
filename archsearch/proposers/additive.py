"""What each choice is worth by itself, learned from what was tried, and walks that follow it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from archsearch.proposers.moves import Genes, GeneSpace, Tried
from archsearch.proposers.taste import WEIGHT, Taste, columns_of, standardised

NOISE = 0.1
"""Variance of what the choices do not explain, in units of the variance of what is explained."""
PRIOR = 0.3
"""Variance that a choice's worth has before anything was tried, likewise."""
CURIOSITY = 0.3
"""How far a walk strays from what is most likely: 0 not at all, 1 as far as the uncertainty goes."""
LONGEST = 6
"""Moves of one walk: far from what was tried, sums of single effects mean little."""
LEAST_GAIN = 0.02
"""A move that promises less than this is not made, so a model is not made larger for nothing."""

Floats = npt.NDArray[np.float64]


class AdditiveModel:
    """The logarithm of the error as a sum of one effect per choice, with the uncertainty of each.

    Failures count as the worst that fits. Each `walk` draws the effects from their posterior and moves from a genome to
    its best neighbour until nothing is gained: where little is known, walks differ; where much is known, they agree.

    Reference: Baptista, Poloczek: Bayesian optimization of combinatorial structures (ICML 2018). Here without pair
    effects, which tens of evaluations cannot tell apart, and with a short greedy walk in the place of a global search.

    Args:
        space: the closed space, without bans and pins: what was tried outside of them teaches as well.
        tried: what was tried; at least one must fit.
        taste: of a person, joined with the error in the objective of walks.
    """

    def __init__(self, space: GeneSpace, tried: Sequence[Tried], taste: Taste | None = None) -> None:
        self._columns = columns_of(space)
        self._taste = taste
        design = np.array([self._indicators(item.genes) for item in tried])
        design -= design.mean(axis=0)
        precision = design.T @ design / NOISE + np.eye(len(self._columns)) / PRIOR
        covariance = np.linalg.inv(precision)
        self._mean: Floats = covariance @ design.T @ standardised(tried) / NOISE
        self._spread: Floats = np.linalg.cholesky(covariance)

    def walk(self, start: Genes, allowed: GeneSpace, generator: np.random.Generator) -> Genes:
        """The end of one walk, at least one move away from `start` if there is any move to make.

        Args:
            start: a genome that a person allows.
            allowed: what a person has left of the space.
            generator: draws the effects.
        """
        effects = self._drawn(generator)
        here, worth = start, math.inf
        for _ in range(LONGEST):
            there = min(allowed.neighbours(here), key=lambda genes: self._sum(genes, effects), default=here)
            if self._sum(there, effects) > worth - LEAST_GAIN:
                break
            here, worth = there, self._sum(there, effects)
        return here

    def _drawn(self, generator: np.random.Generator) -> Floats:
        """(C,), the effects that a walk follows."""
        effects: Floats = self._mean + CURIOSITY * self._spread @ generator.standard_normal(len(self._mean))
        return effects if self._taste is None else effects + WEIGHT * self._taste.drawn(generator, CURIOSITY)

    def _sum(self, genes: Genes, effects: Floats) -> float:
        return float(sum(effects[self._columns[pair]] for pair in genes.items()))

    def _indicators(self, genes: Genes) -> Floats:
        row = np.zeros(len(self._columns))
        row[[self._columns[pair] for pair in genes.items()]] = 1.0
        return row


def _standardised(tried: Sequence[Tried]) -> Floats:
    """(N,), the logarithms of the errors with mean 0 and standard deviation 1."""
    fitting = [math.log(max(item.standing[0], 1e-12)) for item in tried if item.fits]
    errors = np.array([math.log(max(item.standing[0], 1e-12)) if item.fits else max(fitting) for item in tried])
    spread = float(errors.std())
    standardised: Floats = (errors - errors.mean()) / (spread if spread > 0 else 1.0)
    return standardised
