"""The training problem as a sum of squares: misfits, limits, regularizers and priors, with their Jacobian."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from archsearch.training.algebra.compression import Compressed, compressed
from archsearch.training.algebra.curvature import Curvature
from archsearch.training.algebra.linear_problem import Linear, Prior
from archsearch.training.flow.sensitivities import Flat, Intervals, Sensitivities, joined
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.regularizer_rows import RegularizerRows
from archsearch.training.squares.schemes import Path
from archsearch.training.squares.trajectory_rows import TrajectoryRows

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
        path: the rollouts, or the nodes.
        defects: (M, L - 1, n), where each interval ends minus the next node; None for rollouts.
    """

    cost: float
    path: Path
    defects: Tensor | None

    @property
    def z(self) -> Tensor:
        """(M, L, n), inner coordinates."""
        return self.path.z


@dataclass(frozen=True)
class Linearised:
    """The problem around a point: its curvature, and how the states answer to the unknowns."""

    curvature: Curvature | Compressed
    answers: Sensitivities
    path: Path


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
        self._count = int(batch.seen.sum())
        self._regularizers = RegularizerRows(loss, self._count if regularized else 0)
        self._twin = copy.deepcopy(loss.model).to(torch.float32) if single else loss.model
        self._free = batch.start is None and loss.initial.is_free
        self._compresses, self._rank = single, 0  # until rows turn out to point to too many directions
        self._scheme = loss.scheme()
        self._trajectories = TrajectoryRows(loss, batch, self._scheme)

    @property
    def count(self) -> int:
        """The number of observations, or 1 if there is none."""
        return max(self._count, 1)

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
    def visit(self, point: Point, before: Visit | None = None) -> Visit:
        """Roll out from a point, or see how far its nodes are from a rollout; leaves the model there.

        Args:
            point: where to go.
            before: a visit nearby, from whose stages implicit steps are solved.
        """
        self.go(point)
        batch, loss = self._batch, self._loss
        start = loss.initial.value() if batch.start is None else batch.start
        if point.nodes is None:
            path, defects = self._scheme.rolled(start, batch.times, batch.inputs), None
        else:
            path, defects = self._lifted_path(torch.cat([start.unsqueeze(1), point.nodes[:, 1:]], 1), before)
        return Visit(self._cost(point, path, defects), path, defects)

    def visit_here(self) -> Visit:
        """Roll out from where the model stands."""
        return self.visit(self.here())

    def _lifted_path(self, z: Tensor, before: Visit | None) -> tuple[Path, Tensor]:
        known = None if before is None else before.path.stages
        guess = None if known is None else known.flatten(0, 1)
        ends, stages = self._scheme.ends(Intervals.of(z, self._batch.times, self._batch.inputs), guess)
        shape = (len(z), z.shape[1] - 1)
        path = Path(z, None if stages is None else stages.reshape(*shape, *stages.shape[1:]))
        return path, ends.reshape(*shape, -1) - z[:, 1:]

    @torch.no_grad()
    def again(self, point: Point, visit: Visit) -> Visit:
        """The same visit after noise or priors have changed; the model stands at the point."""
        return replace(visit, cost=self._cost(point, visit.path, visit.defects))

    def _cost(self, point: Point, path: Path, defects: Tensor | None) -> float:
        squares = self._trajectories.squares(path) + self._regularizers.rows(point.p).square().sum()
        if defects is not None:
            squares = squares + self._gap * (defects / self._loss.scale).square().sum()
        prior = self._prior(point)
        away = (prior.away / prior.spread()).square().sum() + prior.own_away.square().sum()
        return float(squares + self.noise * away)

    def linearised(self, point: Point, visit: Visit) -> Linearised:
        """The problem around a point where the model stands."""
        answers = self._answers(point, visit)
        linear, prior = self._linear(point, visit.path, answers), self._prior(point)
        few = compressed(linear, prior, self.noise, self._rank) if self._compresses else None
        self._compresses, self._rank = few is not None, 0 if few is None else few.rank
        return Linearised(Curvature(linear, prior) if few is None else few, answers, visit.path)

    def moved(self, point: Point, around: Linearised, damping: float) -> tuple[Point, float] | None:
        """Where a damped step leads and the cost that it promises; None if the equations cannot be solved."""
        found = around.curvature.step(self.noise, damping)
        if found is None:
            return None
        common, own = found.common, found.own
        size = len(point.p)
        offsets = point.offsets + own if self._free else point.offsets
        nodes = None if point.nodes is None else self._moved_nodes(around, common, own)
        return Point(point.p + common[:size], offsets, point.shared + common[size:], nodes), found.promised

    def _moved_nodes(self, around: Linearised, common: Tensor, own: Tensor) -> Tensor:
        """(N, T, n): the nodes after a step, to first order, all gaps closed."""
        answers, size = around.answers, around.answers.unknowns.shape[-1]
        dtype = answers.unknowns.dtype
        by_offset, by_shared = self._loss.initial.slopes()
        start = by_shared * common[size:] + (by_offset * own if self._free else 0.0 * by_offset)
        change = answers.unknowns @ common[:size].to(dtype) + answers.gap
        change = change + (answers.initial @ start.to(dtype).expand(len(change), -1)[:, None, :, None]).squeeze(-1)
        return around.path.z + change.to(around.path.z.dtype)

    def _prior(self, point: Point) -> Prior:
        away = torch.cat([point.p - self._origin, point.shared])
        own = point.offsets if self._free else point.offsets.new_zeros(len(self._batch.times), 0)
        decay = max(self._loss.settings.weight_decay, UNINFORMED) if self._informed else UNINFORMED
        return Prior(self._deviation, away, own, self._is_weight, decay)

    @torch.no_grad()
    def _linear(self, point: Point, path: Path, answers: Sensitivities) -> Linear:
        rows, dtype = self._trajectories.linear(point.p, path, answers), answers.unknowns.dtype
        by_offset, by_shared = (slope.to(dtype) for slope in self._loss.initial.slopes())
        whole = self._batch.start is None
        own = self._loss.initial.unsaid.to(dtype).unsqueeze(1) if whole else 0.0
        by_shared = rows.by_start * (by_shared * own)
        extra_by_p = self._regularizers.by_p(point.p).to(dtype)
        none = extra_by_p.new_zeros(len(extra_by_p), by_shared.shape[-1])
        return Linear(
            rows=rows.values,
            by_common=torch.cat([rows.by_unknowns, by_shared], -1),
            by_own=rows.by_start * (by_offset * own) if self._free else rows.by_start[..., :0],
            extra=self._regularizers.rows(point.p).to(dtype),
            extra_by_common=torch.cat([extra_by_p, none], -1),
            seen=rows.seen,
        )

    def _answers(self, point: Point, visit: Visit) -> Sensitivities:
        batch, loss = self._batch, self._loss
        if self._twin is not loss.model:
            self._flat.store(self._twin, point.p)
        stages = None if visit.path.stages is None else visit.path.stages.flatten(0, 1)
        found = self._scheme.transitions(self._twin, Intervals.of(visit.z, batch.times, batch.inputs), stages)
        dtype = found.by_unknowns.dtype
        first = loss.initial.by_unknowns(self._flat, point.p) if batch.start is None else None
        first, defects = (None if piece is None else piece.to(dtype) for piece in (first, visit.defects))
        return joined(found, first, defects, len(visit.z))
