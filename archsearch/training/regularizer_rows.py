"""The regularizers of a training problem as rows of a sum of squares, with their Jacobian."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.integrate import Coordinates
from archsearch.training.losses import Loss
from archsearch.training.regularizers import ROWS
from archsearch.training.sensitivities import CHUNK, Flat


class RegularizerRows:
    """sqrt(weight * number of observations) times the rows of every regularizer in force, at the nodes of the smooth.

    Args:
        loss: model, weights and nodes.
        count: number of observations.
    """

    def __init__(self, loss: Loss, count: int) -> None:
        self._loss = loss
        self._flat = Flat.of(loss.model)
        self._pair = _Pair(loss.model, loss.coordinates)
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
        tensors = {f"model.{name}": tensor for name, tensor in self._flat.tensors(p).items()}
        full, physics = functional_call(self._pair, tensors, (t, z, u))
        return full / self._loss.slope, physics / self._loss.slope


def _chained(name: str, values: tuple[Tensor, Tensor, Tensor], by_node: tuple[Tensor, Tensor]) -> Tensor:
    """(Q, P), from the derivatives (B, n, P) of both models."""
    by_full, by_physics = jacrev(ROWS[name], argnums=(0, 1))(*values)
    full: Tensor = torch.einsum("qbn,bnp->qp", by_full, by_node[0])
    return full + torch.einsum("qbn,bnp->qp", by_physics, by_node[1])


class _Pair(torch.nn.Module):
    """The full model and the physics alone as one function, so that both see the same substituted parameters."""

    def __init__(self, model: HybridModel, coordinates: Coordinates) -> None:
        super().__init__()
        self.model = model
        self._coordinates = coordinates

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """(..., n) each, inner coordinates."""
        full, physics = self._coordinates.field(self.model), self._coordinates.field(self.model.nulled())
        return full(t, z, u), physics(t, z, u)
