"""The Radau IIA method of order 5 as numbers, and the polynomial through its stages.

Reference: Hairer, E. & Wanner, G., Solving Ordinary Differential Equations II, 2nd ed., Springer 1996, table IV.5.6.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

STAGES = 3


@cache
def radau_nodes() -> Tensor:
    """(3,), the zeros of d²/dx² x²(x-1)³: the last is the right end, and none is the left end."""
    root = math.sqrt(6.0)
    return torch.tensor([(4.0 - root) / 10.0, (4.0 + root) / 10.0, 1.0], dtype=torch.float64)


@cache
def radau_weights() -> Tensor:
    """(3, 3), a[i, j]: the integral of the j-th Lagrange polynomial of the nodes from 0 to node i."""
    nodes = radau_nodes()
    degree = torch.arange(STAGES, dtype=torch.float64)
    powers = nodes[:, None] ** degree
    integrals = nodes[:, None] ** (degree + 1) / (degree + 1)
    weights: Tensor = torch.linalg.solve(powers, integrals, left=False)
    return weights


def lagrange(nodes: Tensor, at: Tensor) -> Tensor:
    """The Lagrange polynomials of some nodes.

    Args:
        nodes: (s,), distinct.
        at: (...), where they are evaluated.

    Returns:
        (..., s).
    """
    own = torch.eye(len(nodes), dtype=torch.bool, device=nodes.device)
    apart = torch.where(own, 1.0, nodes[:, None] - nodes)
    return torch.where(own, 1.0, (at[..., None, None] - nodes) / apart).prod(-1)


def interpolated(z: Tensor, stages: Tensor, at: Tensor) -> Tensor:
    """The collocation polynomial of a step, inside it or beyond it.

    Differential states go through the left end and the stages, algebraic variables through the stages alone.

    Args:
        z: (B, n), inner coordinates, at the left end.
        stages: (B, 3, n + q), complete inner states at the nodes.
        at: (B, k), in steps, 0 at the left end and 1 at the right one.

    Returns:
        (B, k, n + q), complete inner states.
    """
    n, nodes = z.shape[-1], radau_nodes().to(z)
    with_start = torch.cat([nodes.new_zeros(1), nodes])
    differential = lagrange(with_start, at) @ torch.cat([z.unsqueeze(1), stages[..., :n]], 1)
    return torch.cat([differential, lagrange(nodes, at) @ stages[..., n:]], -1)
