"""Regularizers: what keeps a net from taking the place of the physics.

Each is a function of the full and the nulled model on given states, so that it works for every candidate; its value is
the sum of squares of its rows, so that it enters least squares as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Rows = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Derivatives (B, n) of the full model, of the physics alone, and as observed (NaN where they were not), each over its
spread -> (Q,)"""


def norm(full: Tensor, physics: Tensor, observed: Tensor) -> Tensor:
    """Rows of the mean square of the correction `full - physics`, which the least action principle keeps small.

    Reference:
        Yin et al. (2021), "Augmenting Physical Models with Deep Networks" (APHYNITY), eq. 2; there over the norm of the
        state, here over the standard deviation of each derivative.
    """
    correction = (full - physics).reshape(-1)
    return correction / math.sqrt(correction.numel())


def correlation(full: Tensor, physics: Tensor, observed: Tensor) -> Tensor:
    """One row: the cosine between physics and correction, 0 when they are orthogonal on the data.

    Reference:
        Takeishi & Kalousis (2023), "Deep grey-box modeling with adaptive data-driven models", R_corr; here over both
        norms, so that it neither depends on the scale nor rewards a vanishing physics.
    """
    correction = full - physics
    size = torch.sqrt(physics.square().sum() * correction.square().sum() + 1e-12)
    return ((physics * correction).sum() / size).reshape(1)


def physics_alone(full: Tensor, physics: Tensor, observed: Tensor) -> Tensor:
    """Rows of the mean square by which the physics misses the observed derivatives when it is left alone.

    Pulls the physical parameters to where the physics explains as much as it can, so that the net only has the rest.

    Reference:
        Takeishi & Kalousis (2021), "Physics-integrated variational autoencoders", the penalty that keeps the physics in
        use; here on the derivatives of the smooth, with the net at its null value.
    """
    missed = torch.where(torch.isfinite(observed), physics - torch.nan_to_num(observed), 0.0).reshape(-1)
    return missed / math.sqrt(missed.numel())


ROWS: dict[str, Rows] = {"norm": norm, "correlation": correlation, "physics_alone": physics_alone}
