"""The regularizers of a training problem as rows of a sum of squares, with their Jacobian."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.training.flow.sensitivities import CHUNK
from archsearch.training.flow.substitution import of_unknowns
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.regularizers import ROWS


class RegularizerRows:
    """sqrt(weight * number of observations) times the rows of every regularizer in force, at the nodes of the smooth.

    Args:
        loss: model, weights and nodes.
        count: number of observations.
    """

    def __init__(self, loss: Loss, count: int) -> None:
        self._loss = loss
        full, physics = loss.coordinates.field(loss.model), loss.coordinates.field(loss.model.nulled())
        self._pair = of_unknowns(loss.model, lambda t, z, u: (full(t, z, u), physics(t, z, u)))
        self._weights = {name: (weight * count) ** 0.5 for name, weight in loss.regularizers().items()}

    def rows(self, p: Tensor) -> Tensor:
        """(Q,), at raw parameters and weights p (P,)."""
        if not self._weights:
            return p.new_zeros(0)
        full, physics = self._both(p, *self._loss.nodes())
        observed = self._loss.observed_slopes()
        return torch.cat([weight * ROWS[name](full, physics, observed) for name, weight in self._weights.items()])

    def by_p(self, p: Tensor) -> Tensor:
        """(Q, P): the model node by node, chained with the derivatives of the rows."""
        if not self._weights:
            return p.new_zeros(0, len(p))
        t, z, u = self._loss.nodes()
        by_node: tuple[Tensor, Tensor] = vmap(jacrev(self._both), in_dims=(None, 0, 0, 0), chunk_size=CHUNK)(p, t, z, u)
        values = *self._both(p, t, z, u), self._loss.observed_slopes()
        return torch.cat([weight * _chained(name, values, by_node) for name, weight in self._weights.items()])

    def _both(self, p: Tensor, t: Tensor, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of the full model and of the physics alone, over their spread, (..., n) each."""
        full, physics = self._pair(p, t, z, u)
        return full / self._loss.slope, physics / self._loss.slope


def _chained(name: str, values: tuple[Tensor, Tensor, Tensor], by_node: tuple[Tensor, Tensor]) -> Tensor:
    """(Q, P), from the derivatives (B, n, P) of both models."""
    by_full, by_physics = jacrev(ROWS[name], argnums=(0, 1))(*values)
    full: Tensor = torch.einsum("qbn,bnp->qp", by_full, by_node[0])
    return full + torch.einsum("qbn,bnp->qp", by_physics, by_node[1])
