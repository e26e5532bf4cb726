"""What is measured of a state, where a candidate says that it is not the state itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.integrate import Coordinates
from archsearch.training.sensitivities import CHUNK, Flat

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
        self._module = _Measured(model, coordinates)
        self._flat = Flat.of(model)
        self.plain = type(model).observe is HybridModel.observe
        """Whether the states themselves are measured."""

    def differentiable(self, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        """The same, with derivatives."""
        measured: Tensor = self._module(t, v, u)
        return measured

    @torch.no_grad()
    def of(self, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        """(..., n), inner coordinates, of complete inner states v (..., n + q)."""
        return self.differentiable(t, v, u)

    @torch.no_grad()
    def answers(self, p: Tensor, t: Tensor, v: Tensor, u: Tensor) -> Answer:
        """Derivatives at B points: p (P,), t (B,), v (B, n + q), u (B, m)."""

        def measured(p: Tensor, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
            tensors = {f"model.{name}": tensor for name, tensor in self._flat.tensors(p).items()}
            found: Tensor = functional_call(self._module, tensors, (t, v, u))
            return found

        by_p, by_v = vmap(jacrev(measured, (0, 2)), in_dims=(None, 0, 0, 0), chunk_size=CHUNK)(p, t, v, u)
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


class _Measured(torch.nn.Module):
    """`observe` in inner coordinates."""

    def __init__(self, model: HybridModel, coordinates: Coordinates) -> None:
        super().__init__()
        self.model = model
        self._coordinates = coordinates

    def forward(self, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        """(..., n)."""
        return self._coordinates.inner(self.model.measured(t, self._coordinates.complete(v), u))
