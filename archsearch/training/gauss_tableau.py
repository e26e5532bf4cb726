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

STAGES = 8


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
    """

    nodes: Tensor
    weights: Tensor
    integrals: Tensor
    last: Tensor
    with_start: Tensor


@cache
def gauss_tableau() -> Tableau:
    """The method with `STAGES` stages."""
    points, weights = np.polynomial.legendre.leggauss(STAGES)
    nodes, weights = (points + 1) / 2, weights / 2
    values = np.polynomial.legendre.legvander(points, STAGES - 1)
    coefficients = (2 * np.arange(STAGES)[:, None] + 1) * values.T * weights
    degrees = np.eye(STAGES)
    antiderivatives = [np.polynomial.legendre.legint(degree, lbnd=-1) for degree in degrees]
    integrals = (
        np.stack([np.polynomial.legendre.legval(points, each) / 2 for each in antiderivatives], 1) @ coefficients
    )
    last = coefficients[-2:] / (2 * np.arange(STAGES - 2, STAGES)[:, None] + 1)
    with_start = np.concatenate([[0.0], nodes])
    return Tableau(*(torch.from_numpy(np.ascontiguousarray(a)) for a in (nodes, weights, integrals, last, with_start)))
