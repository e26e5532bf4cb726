"""A problem of least squares around a point, and what solving it gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Linear:
    """Residuals at a point and their Jacobian.

    Attributes:
        rows: (M, R), misfits in standard deviations; 0 where nothing was observed.
        by_common: (M, R, C), with respect to what all trajectories share.
        by_own: (M, R, n), with respect to the initial state of each; n = 0 if these are known.
        extra: (Q,), residuals that belong to no trajectory.
        extra_by_common: (Q, C).
        seen: (M, R), which rows are observations.
    """

    rows: Tensor
    by_common: Tensor
    by_own: Tensor
    extra: Tensor
    extra_by_common: Tensor
    seen: Tensor


@dataclass(frozen=True)
class Prior:
    """Gaussian priors of all unknowns, at a point.

    Attributes:
        deviation: (C,), standard deviations of what is shared, for a weight decay of 1.
        away: (C,), how far the point is from their means.
        own_away: (M, n), the same of what is own, whose deviation is 1.
        weights: (C,) bool, which are weights of nets.
        decay: precision of the weights relative to `deviation`.
    """

    deviation: Tensor
    away: Tensor
    own_away: Tensor
    weights: Tensor
    decay: float

    def spread(self) -> Tensor:
        """(C,), standard deviations with the decay in force."""
        return torch.where(self.weights, self.deviation / self.decay**0.5, self.deviation)


@dataclass(frozen=True)
class Determined:
    """How many unknowns the data determine, of the weights and of all others."""

    weights: float
    others: float


@dataclass(frozen=True)
class Step:
    """A step and what it promises.

    Attributes:
        common: (C,).
        own: (M, n).
        promised: the cost at its end, if everything were linear.
    """

    common: Tensor
    own: Tensor
    promised: float
