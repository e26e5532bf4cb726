"""The training problem as a sum of squares: misfits, regularizers and priors, with their Jacobian."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.batches import Batch
from archsearch.training.integrate import Coordinates, rollout
from archsearch.training.losses import Loss
from archsearch.training.normal_equations import Linear, NormalEquations
from archsearch.training.regularizers import ROWS
from archsearch.training.sensitivities import Flat, sensitivities

UNINFORMED = 1e-6
"""Prior precision of weights where they must not inform: enough to keep the equations solvable."""


@dataclass(frozen=True)
class Point:
    """Where a fit stands.

    Attributes:
        p: (P,), raw parameters and weights.
        offsets: (N, n), of estimated initial states.
        shared: (n,), of bounded initial states.
    """

    p: Tensor
    offsets: Tensor
    shared: Tensor


class LeastSquares:
    """The loss of a fit, times the number of observations, as a sum of squares.

    Args:
        loss: model, data, smooth, scales, priors.
        batch: the rollouts to be fitted.
        regularized: whether regularizers count.
        informed: whether the priors of weights count; like regularizers they choose among models that the data cannot
            tell apart.
    """

    def __init__(self, loss: Loss, batch: Batch, regularized: bool = True, informed: bool = True) -> None:
        self._loss = loss
        self._batch = batch
        self._regularized = regularized
        self._flat = Flat.of(loss.model)
        self._origin, precision = loss.prior(None if informed else UNINFORMED)
        self._precision = loss.noise * torch.cat([precision, torch.ones_like(loss.scale)])
        self._own_precision = loss.noise * torch.ones_like(loss.scale)
        self._count = batch.seen.sum().to(loss.scale.dtype)
        self._pair = _Pair(loss.model, loss.coordinates)

    def here(self) -> Point:
        """The point at which the model and the initial states stand."""
        initial = self._loss.initial
        p = self._flat.vector(self._loss.model)
        return Point(p, initial.offsets.detach().clone(), initial.shared.detach().clone())

    def go(self, point: Point) -> None:
        """Put the model and the initial states there."""
        self._flat.store(self._loss.model, point.p)
        with torch.no_grad():
            self._loss.initial.offsets.copy_(point.offsets)
            self._loss.initial.shared.copy_(point.shared)

    @torch.no_grad()
    def cost(self, point: Point) -> tuple[float, Tensor]:
        """The sum at a point, and its rollout (M, L, n); leaves the model there."""
        self.go(point)
        batch, loss = self._batch, self._loss
        start = loss.initial.value() if batch.start is None else batch.start
        with loss.model.prepared():
            z = rollout(loss.field(), start, batch.times, batch.inputs, loss.settings.substeps)
        squares = self._rows(z).square().sum() + self._extra(point.p).square().sum()
        return float(squares + self._prior(point)), z

    @torch.no_grad()
    def equations(self, point: Point, z: Tensor) -> NormalEquations:
        """The normal equations at a point where the model stands and whose rollout is `z`."""
        own_pull = self._own_precision * point.offsets
        if self._batch.start is not None:
            own_pull = z.new_zeros(len(z), z.shape[-1])
        pull = self._precision * torch.cat([point.p - self._origin, point.shared])
        return NormalEquations.of(self._linear(point, z), self._precision, pull, self._own_precision, own_pull)

    def moved(self, point: Point, equations: NormalEquations, damping: float) -> Point | None:
        """Where a damped step leads; None if the equations cannot be solved."""
        solved = equations.solve(damping)
        if solved is None:
            return None
        common, own = solved
        size = len(point.p)
        offsets = point.offsets if self._batch.start is not None else point.offsets + own
        return Point(point.p + common[:size], offsets, point.shared + common[size:])

    def _linear(self, point: Point, z: Tensor) -> Linear:
        batch, loss = self._batch, self._loss
        found = sensitivities(loss.model, loss.coordinates, z, batch.times, batch.inputs, loss.settings.substeps)
        weigh = torch.where(batch.seen, 1.0 / loss.scale, 0.0).unsqueeze(-1)
        by_p, by_start = (found.unknowns * weigh).flatten(1, 2), (found.initial * weigh).flatten(1, 2)
        free = batch.start is None
        by_offsets, by_shared = (by_start * (slope if free else 0.0) for slope in loss.initial.slopes())
        extra_by_p = self._extra_by_p(point.p)
        none = extra_by_p.new_zeros(len(extra_by_p), by_shared.shape[-1])
        return Linear(
            rows=self._rows(z).flatten(1),
            by_common=torch.cat([by_p, by_shared], -1),
            by_own=by_offsets,
            extra=self._extra(point.p),
            extra_by_common=torch.cat([extra_by_p, none], -1),
        )

    def _rows(self, z: Tensor) -> Tensor:
        return torch.where(self._batch.seen, (z - self._batch.target) / self._loss.scale, 0.0)

    def _prior(self, point: Point) -> Tensor:
        common = torch.cat([point.p - self._origin, point.shared])
        own = (self._own_precision * point.offsets.square()).sum() if self._batch.start is None else 0.0
        return (self._precision * common.square()).sum() + own

    # ---- regularizers --------------------------------------------------------------------------------------------

    def _weights(self) -> dict[str, Tensor]:
        """sqrt(weight * number of observations) of every regularizer in force."""
        wanted = self._loss.regularizers() if self._regularized else {}
        return {name: (weight * self._count).sqrt() for name, weight in wanted.items()}

    def _extra(self, p: Tensor) -> Tensor:
        """(Q,) rows of the regularizers."""
        weights = self._weights()
        if not weights:
            return p.new_zeros(0)
        full, physics = self._both(p, *self._loss.nodes())
        return torch.cat([weight * ROWS[name](full, physics) for name, weight in weights.items()])

    def _extra_by_p(self, p: Tensor) -> Tensor:
        """(Q, P): node by node where a row belongs to one node, as a whole where it does not."""
        weights = self._weights()
        if not weights:
            return p.new_zeros(0, len(p))
        t, z, u = self._loss.nodes()
        by_node = vmap(jacrev(self._both), in_dims=(None, 0, 0, 0))
        full_by_p, physics_by_p = by_node(p, t, z, u)
        full, physics = self._both(p, t, z, u)
        rows = []
        for name, weight in weights.items():
            by_full, by_physics = jacrev(ROWS[name], argnums=(0, 1))(full, physics)
            rows.append(weight * (_chain(by_full, full_by_p) + _chain(by_physics, physics_by_p)))
        return torch.cat(rows)

    def _both(self, p: Tensor, t: Tensor, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of the full model and of the physics alone, over their spread, (..., n) each."""
        tensors = {f"model.{name}": tensor for name, tensor in self._flat.tensors(p).items()}
        full, physics = functional_call(self._pair, tensors, (t, z, u))
        return full / self._loss.slope, physics / self._loss.slope


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


def _chain(by_value: Tensor, value_by_p: Tensor) -> Tensor:
    """(Q, B, n) and (B, n, P) to (Q, P)."""
    return torch.einsum("qbn,bnp->qp", by_value, value_by_p)
