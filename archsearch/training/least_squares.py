"""The training problem as a sum of squares: misfits, regularizers and priors, with their Jacobian."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.batches import Batch
from archsearch.training.curvature import Curvature, Linear, Prior
from archsearch.training.integrate import Coordinates, one_interval, rollout
from archsearch.training.losses import Loss
from archsearch.training.regularizers import ROWS
from archsearch.training.sensitivities import Flat, Intervals, Sensitivities, agree, sensitivities

UNINFORMED = 1e-6
"""Prior precision of weights where they must not inform: enough to keep the equations solvable."""
GAP, MOST_GAP = 10.0, 1e5
"""Weight of the squared gaps between nodes, first and last. Newton's method closes them; the penalty only says what a
better point is, and is raised where none is found."""


@dataclass(frozen=True)
class Point:
    """Where a fit stands.

    Attributes:
        p: (P,), raw parameters and weights.
        offsets: (N, n), of estimated initial states.
        shared: (n,), of bounded initial states.
        nodes: (N, T, n), inner coordinates, the states at the samples where these are unknowns of their own.
    """

    p: Tensor
    offsets: Tensor
    shared: Tensor
    nodes: Tensor | None = None


@dataclass(frozen=True)
class Visit:
    """What was found at a point.

    Attributes:
        cost: the sum of squares.
        z: (M, L, n), inner coordinates: the rollout, or the nodes.
        defects: (M, L - 1, n), where each interval ends minus the next node; None for rollouts.
    """

    cost: float
    z: Tensor
    defects: Tensor | None


@dataclass(frozen=True)
class Linearised:
    """The problem around a point: its curvature, and how the states answer to the unknowns."""

    curvature: Curvature
    answers: Sensitivities
    z: Tensor


class LeastSquares:
    """The loss of a fit, times the number of observations, as a sum of squares.

    Args:
        loss: model, data, smooth, scales, priors.
        batch: the rollouts to be fitted.
        regularized: whether regularizers count.
        informed: whether the priors of weights count; like regularizers they choose among models that the data cannot
            tell apart.
        lifted: whether the states at all samples are unknowns too, held together by a penalty. Then nothing is rolled
            out, so that nothing can blow up, and Newton's method converges from farther away.
        single: whether the Jacobian may be of single precision; costs are always of double.

    Reference:
        Albersmeyer & Diehl (2010), "The lifted Newton method", SIAM J. Optim. 20:1655; condensed as in Bock (1983).
    """

    def __init__(
        self,
        loss: Loss,
        batch: Batch,
        regularized: bool = True,
        informed: bool = True,
        lifted: bool = False,
        single: bool = True,
    ) -> None:
        self._loss = loss
        self._batch = batch
        self._regularized = regularized
        self._informed = informed
        self._lifted = lifted
        self._gap = GAP
        self._flat = Flat.of(loss.model)
        self._origin, precision = loss.prior(1.0)
        self._is_weight = torch.arange(len(precision) + len(loss.scale), device=loss.scale.device) >= len(
            loss.model.raw
        )
        self._is_weight[len(precision) :] = False
        self._deviation = torch.cat([precision.clamp(min=UNINFORMED), torch.ones_like(loss.scale)]).rsqrt()
        self._count = batch.seen.sum().to(loss.scale.dtype)
        self._pair = _Pair(loss.model, loss.coordinates)
        self._twin = copy.deepcopy(loss.model).to(torch.float32) if single else loss.model
        self._free = batch.start is None and loss.initial.is_free
        self._fast: bool | None = None

    @property
    def noise(self) -> float:
        """The variance of the noise that the priors are weighed with."""
        return float(self._loss.noise)

    def here(self) -> Point:
        """The point at which the model and the initial states stand; nodes on the smooth."""
        loss = self._loss
        p, initial = self._flat.vector(loss.model), loss.initial
        nodes = None
        if self._lifted:
            smooth = torch.nan_to_num(loss.smoothed.states)
            nodes = torch.cat([initial.value().detach().unsqueeze(1), smooth[:, 1:]], 1)
        return Point(p, initial.offsets.detach().clone(), initial.shared.detach().clone(), nodes)

    def go(self, point: Point) -> None:
        """Put the model and the initial states there."""
        self._flat.store(self._loss.model, point.p)
        with torch.no_grad():
            self._loss.initial.offsets.copy_(point.offsets)
            self._loss.initial.shared.copy_(point.shared)

    def stricter(self) -> bool:
        """Weigh the gaps between nodes ten times as much; False if that makes no sense any more."""
        self._gap *= 10.0
        return self._lifted and self._gap <= MOST_GAP

    @torch.no_grad()
    def visit(self, point: Point) -> Visit:
        """Roll out from a point, or see how far its nodes are from a rollout; leaves the model there."""
        self.go(point)
        batch, loss = self._batch, self._loss
        start = loss.initial.value() if batch.start is None else batch.start
        defects = None
        with loss.model.prepared():
            if point.nodes is None:
                z = rollout(loss.field(), start, batch.times, batch.inputs, loss.settings.substeps)
            else:
                z = torch.cat([start.unsqueeze(1), point.nodes[:, 1:]], 1)
                ends = one_interval(loss.field(), z[:, :-1], batch.times, batch.inputs, loss.settings.substeps)
                defects = ends - z[:, 1:]
        return Visit(self._cost(point, z, defects), z, defects)

    @torch.no_grad()
    def again(self, point: Point, visit: Visit) -> Visit:
        """The same visit after noise or priors have changed; the model stands at the point."""
        return replace(visit, cost=self._cost(point, visit.z, visit.defects))

    def _cost(self, point: Point, z: Tensor, defects: Tensor | None) -> float:
        squares = self._rows(z).square().sum() + self._extra(point.p).square().sum()
        if defects is not None:
            squares = squares + self._gap * (defects / self._loss.scale).square().sum()
        prior = self._prior(point)
        away = (prior.away / prior.spread()).square().sum() + prior.own_away.square().sum()
        return float(squares + self.noise * away)

    def linearised(self, point: Point, visit: Visit) -> Linearised:
        """The problem around a point where the model stands."""
        answers = self._answers(point, visit)
        return Linearised(Curvature(self._linear(point, visit.z, answers), self._prior(point)), answers, visit.z)

    def moved(self, point: Point, around: Linearised, damping: float) -> Point | None:
        """Where a damped step leads; None if the equations cannot be solved."""
        found = around.curvature.step(self.noise, damping)
        if found is None:
            return None
        common, own = found
        size = len(point.p)
        offsets = point.offsets + own if self._free else point.offsets
        nodes = None if point.nodes is None else self._moved_nodes(around, common, own)
        return Point(point.p + common[:size], offsets, point.shared + common[size:], nodes)

    def _moved_nodes(self, around: Linearised, common: Tensor, own: Tensor) -> Tensor:
        """(N, T, n): the nodes after a step, to first order, all gaps closed."""
        answers, size = around.answers, around.answers.unknowns.shape[-1]
        dtype = answers.unknowns.dtype
        by_offset, by_shared = self._loss.initial.slopes()
        start = by_shared * common[size:] + (by_offset * own if self._free else 0.0 * by_offset)
        change = answers.unknowns @ common[:size].to(dtype) + answers.gap
        change = change + (answers.initial @ start.to(dtype).expand(len(change), -1)[:, None, :, None]).squeeze(-1)
        return around.z + change.to(around.z.dtype)

    def _prior(self, point: Point) -> Prior:
        away = torch.cat([point.p - self._origin, point.shared])
        own = point.offsets if self._free else point.offsets.new_zeros(len(self._batch.times), 0)
        decay = max(self._loss.settings.weight_decay, UNINFORMED) if self._informed else UNINFORMED
        return Prior(self._deviation, away, own, self._is_weight, decay)

    def _linear(self, point: Point, z: Tensor, answers: Sensitivities) -> Linear:
        batch, loss = self._batch, self._loss
        dtype = answers.unknowns.dtype
        weigh = (1.0 / loss.scale).to(dtype).unsqueeze(-1)
        by_p, by_start = (answers.unknowns * weigh).flatten(1, 2), (answers.initial * weigh).flatten(1, 2)
        by_offset, by_shared = (slope.to(dtype) for slope in loss.initial.slopes())
        by_shared = by_start * (by_shared if batch.start is None else 0.0)
        with torch.no_grad():
            extra_by_p = self._extra_by_p(point.p).to(dtype)
        none = extra_by_p.new_zeros(len(extra_by_p), by_shared.shape[-1])
        return Linear(
            rows=self._rows(z + answers.gap).flatten(1).to(dtype),
            by_common=torch.cat([by_p, by_shared], -1),
            by_own=by_start * by_offset if self._free else by_start[..., :0],
            extra=self._extra(point.p).detach().to(dtype),
            extra_by_common=torch.cat([extra_by_p, none], -1),
            seen=batch.seen.flatten(1),
        )

    def _answers(self, point: Point, visit: Visit) -> Sensitivities:
        batch, loss = self._batch, self._loss
        if self._twin is not loss.model:
            self._flat.store(self._twin, point.p)
        substeps = loss.settings.substeps
        if self._fast is None:
            over = Intervals.of(visit.z, batch.times, batch.inputs)
            self._fast = agree(loss.model, loss.coordinates, over, substeps)
        dtype = next(self._twin.parameters()).dtype
        z, times, inputs = (array.to(dtype) for array in (visit.z, batch.times, batch.inputs))
        defects = None if visit.defects is None else visit.defects.to(dtype)
        return sensitivities(self._twin, loss.coordinates, z, times, inputs, substeps, self._fast, defects)

    def _rows(self, z: Tensor) -> Tensor:
        return torch.where(self._batch.seen, (z - self._batch.target) / self._loss.scale, 0.0)

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
