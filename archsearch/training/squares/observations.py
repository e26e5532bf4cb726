"""What is measured of a state, where a candidate says that it is not the state itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import CHUNK
from archsearch.training.flow.substitution import of_unknowns

FIRST, NEARNESS, INVERSIONS = 1e-2, 1e-8, 40
"""Damping, pull towards one, and iterations, of states that are sought for measurements."""


@dataclass(frozen=True)
class Answer:
    """Derivatives of what is measured.

    Attributes:
        by_state: (B, n, n + q), with respect to the complete inner state.
        by_unknowns: (B, n, P), with respect to parameters and weights.
    """

    by_state: Tensor
    by_unknowns: Tensor


class Observations:
    """The measurements that a model predicts, as a function of its complete inner state.

    Args:
        model: the candidate.
        coordinates: the inner coordinates, of states and of measurements alike.
    """

    def __init__(self, model: HybridModel, coordinates: Coordinates) -> None:
        self._model, self._coordinates = model, coordinates
        self._at = of_unknowns(model, self.differentiable)
        self.plain = type(model).observe is HybridModel.observe
        """Whether the states themselves are measured."""

    def differentiable(self, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        """The same, with derivatives."""
        return self._coordinates.inner(self._model.measured(t, self._coordinates.complete(v), u))

    @torch.no_grad()
    def of(self, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        """(..., n), inner coordinates, of complete inner states v (..., n + q)."""
        return self.differentiable(t, v, u)

    @torch.no_grad()
    def answers(self, p: Tensor, t: Tensor, v: Tensor, u: Tensor) -> Answer:
        """Derivatives at B points: p (P,), t (B,), v (B, n + q), u (B, m)."""
        by_p, by_v = vmap(jacrev(self._at, (0, 2)), in_dims=(None, 0, 0, 0), chunk_size=CHUNK)(p, t, v, u)
        return Answer(by_v, by_p)


@torch.no_grad()
def inverted(observations: Observations, p: Tensor, t: Tensor, y: Tensor, u: Tensor, scale: Tensor) -> Tensor:
    """States that would be measured like this, found point by point; where several would, the one nearest to one.

    Args:
        observations: of the candidate.
        p: (P,), its parameters and weights.
        t: (B,).
        y: (B, n), inner coordinates, smoothed measurements, NaN where there are none.
        u: (B, m).
        scale: (n,), of the measurements.

    Returns:
        (B, n), inner coordinates.
    """
    known, z = torch.isfinite(y), torch.ones_like(y)
    target, damping = torch.nan_to_num(y), torch.full_like(y[:, :1], FIRST)
    eye = torch.eye(y.shape[1], dtype=y.dtype, device=y.device)

    def rows(z: Tensor) -> Tensor:
        return torch.where(known, (observations.of(t, z, u) - target) / scale, 0.0)

    wrong = rows(z)
    for _ in range(INVERSIONS):
        slope = observations.answers(p, t, z, u).by_state * (known / scale).unsqueeze(-1)
        curved = slope.mT @ slope + (damping.unsqueeze(-1) + NEARNESS) * eye
        pull = (slope.mT @ wrong.unsqueeze(-1)).squeeze(-1) + NEARNESS * (z - 1.0)
        trial = z - torch.linalg.solve(curved, pull.unsqueeze(-1)).squeeze(-1)
        new = rows(trial)
        better = (new.square().sum(-1, keepdim=True) < wrong.square().sum(-1, keepdim=True)) & torch.isfinite(trial)
        better = better.all(-1, keepdim=True)
        z, wrong = torch.where(better, trial, z), torch.where(better, new, wrong)
        damping = torch.where(better, damping / 10.0, damping * 10.0)
    return z
