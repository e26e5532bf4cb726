"""Regularizers: what keeps a net from taking the place of the physics.

Each is a function of the full and the nulled model on given states, so that it works for every candidate; its value is
the sum of squares of its rows, so that it enters least squares as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Rows = Callable[[Tensor, Tensor], Tensor]
"""Derivatives (B, n) of the full model and of the physics alone, over their spread -> (Q,)"""


def norm(full: Tensor, physics: Tensor) -> Tensor:
    """Rows of the mean square of the correction `full - physics`, which the least action principle keeps small.

    Reference:
        Yin et al. (2021), "Augmenting Physical Models with Deep Networks" (APHYNITY), eq. 2; there over the norm of the
        state, here over the standard deviation of each derivative.
    """
    correction = (full - physics).reshape(-1)
    return correction / math.sqrt(correction.numel())


def correlation(full: Tensor, physics: Tensor) -> Tensor:
    """One row: the cosine between physics and correction, 0 when they are orthogonal on the data.

    Reference:
        Takeishi & Kalousis (2023), "Deep grey-box modeling with adaptive data-driven models", R_corr; here over both
        norms, so that it neither depends on the scale nor rewards a vanishing physics.
    """
    correction = full - physics
    size = torch.sqrt(physics.square().sum() * correction.square().sum() + 1e-12)
    return ((physics * correction).sum() / size).reshape(1)


ROWS: dict[str, Rows] = {"norm": norm, "correlation": correlation}
