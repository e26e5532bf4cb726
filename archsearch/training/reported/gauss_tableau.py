"""Collocation at Gauss points as numbers: nodes, integrals, and how well a polynomial through them has settled.

Reference: Hairer, E., Nørsett, S. P. & Wanner, G., Solving Ordinary Differential Equations I, 2nd ed., Springer 1993,
section II.7: with s stages the ends of steps have order 2s, the polynomial between them order s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from archsearch.training.implicit.tableau import lagrange

STAGES = 8
MOST_PARTS = 4
"""Parts that an interval is split in at once."""


@dataclass(frozen=True)
class Tableau:
    """The method on the unit interval.

    Attributes:
        nodes: (s,), ascending, none at an end.
        weights: (s,), of the quadrature.
        integrals: (s, s), [i, j]: the integral of the j-th Lagrange polynomial of the nodes from 0 to node i.
        last: (2, s), what makes of values at the nodes the size of the last two terms of their integral's expansion in
            Legendre polynomials.
        with_start: (s + 1,), the left end and the nodes.
        parts: (p (p + 1) / 2, s + 1, s + 1), what makes of values at `with_start` those in parts of the interval: in
            the whole of it, its halves, its thirds, and so on up to `MOST_PARTS`.
        ends: (1, s), what makes of solutions at the nodes, less the start, the change over the whole interval.
    """

    nodes: Tensor
    weights: Tensor
    integrals: Tensor
    last: Tensor
    with_start: Tensor
    parts: Tensor
    ends: Tensor


@cache
def gauss_tableau(stages: int = STAGES) -> Tableau:
    """The method with so many stages."""
    points, weights = np.polynomial.legendre.leggauss(stages)
    nodes, weights = (points + 1) / 2, weights / 2
    values = np.polynomial.legendre.legvander(points, stages - 1)
    coefficients = (2 * np.arange(stages)[:, None] + 1) * values.T * weights
    degrees = np.eye(stages)
    antiderivatives = [np.polynomial.legendre.legint(degree, lbnd=-1) for degree in degrees]
    integrals = (
        np.stack([np.polynomial.legendre.legval(points, each) / 2 for each in antiderivatives], 1) @ coefficients
    )
    last = coefficients[-2:] / (2 * np.arange(stages - 2, stages)[:, None] + 1)
    with_start = np.concatenate([[0.0], nodes])
    ends = np.linalg.solve(integrals.T, weights)[None]
    begins = np.concatenate([np.arange(count) / count for count in range(1, MOST_PARTS + 1)])
    shares = np.concatenate([np.full(count, 1 / count) for count in range(1, MOST_PARTS + 1)])
    parts = lagrange(
        torch.from_numpy(with_start), torch.from_numpy(begins[:, None] + shares[:, None] * with_start)
    ).numpy()
    arrays = nodes, weights, integrals, last, with_start, parts, ends
    return Tableau(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))
