"""Solve the equations and the training problem at the same time: states and parameters are unknown together.

No rollout is ever done, so nothing can blow up, and every point of every trajectory is worked on at once. The equations
hold at the three Radau points of each sampling interval as far as a penalty says, which grows from stage to stage.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.algebra.lbfgs import lbfgs
from archsearch.training.algebra.minimise import GoOn, Minimum
from archsearch.training.flow.sensitivities import Flat, substituted_field
from archsearch.training.implicit.tableau import radau_nodes, radau_weights
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.regularizer_rows import RegularizerRows

PENALTIES = (10.0, 300.0, 1000.0)
"""Weight of the squares of what is wrong with the equations, in units of the observations' squares."""


@dataclass(frozen=True)
class Unknowns:
    """How the unknowns of the simultaneous problem lie in one vector: model, initial states, states at the points."""

    model: int
    own: tuple[int, int]
    shared: int
    points: tuple[int, int, int, int]

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(D,) to p (P,), offsets (N, n), shared (n,), z (N, K, 3, n), all in units of their spread."""
        sizes = [self.model, self.own[0] * self.own[1], self.shared]
        p, own, shared, z = torch.split(x, [*sizes, len(x) - sum(sizes)])
        return p, own.reshape(self.own), shared, z.reshape(self.points)


class Simultaneous:
    """The simultaneous problem of one fit.

    Args:
        loss: model, data, smooth, scales, priors.

    Attributes:
        count: the number of observations, or 1 if there is none.

    Reference:
        Biegler (2010), Nonlinear Programming, ch. 10; with nets: Lueg et al. (2026), Comput. Optim. Appl. Here the
        equations are a penalty, because what follows polishes rollouts, in which they hold exactly.
    """

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self._flat = Flat.of(loss.model)
        self._origin, precision = loss.prior()
        self._spread = precision.clamp(min=1e-6).rsqrt()
        self._matrix, self._nodes = radau_weights().to(loss.scale), radau_nodes().to(loss.scale)
        times, inputs = loss.samples.times, loss.samples.inputs
        self._h = (times[:, 1:] - times[:, :-1])[..., None, None]
        self._t = times[:, :-1, None] + self._h.squeeze(-1) * self._nodes
        self._u = inputs[:, :-1, None].expand(-1, -1, 3, -1)
        target = loss.coordinates.inner(loss.samples.states)
        self._seen = torch.isfinite(target)
        self._target = torch.nan_to_num(target)
        self.count = max(1, int(self._seen.sum()))
        many, intervals, n = len(times), times.shape[1] - 1, len(loss.scale)
        self._regularizers = RegularizerRows(loss, self.count)
        self._unknowns = Unknowns(len(self._origin), (many, n), n, (many, intervals, 3, n))

    def start(self) -> Tensor:
        """(D,): the model as it stands, the states on the smooth."""
        loss = self._loss
        p = (self._flat.vector(loss.model) - self._origin) / self._spread
        nodes = torch.nan_to_num(loss.smoothed.states)
        weights = self._nodes[:, None]
        z = (nodes[:, :-1, None] * (1 - weights) + nodes[:, 1:, None] * weights) / loss.scale
        own, shared = loss.initial.offsets.detach().reshape(-1), loss.initial.shared.detach()
        return torch.cat([p, own, shared, z.reshape(-1)])

    def go(self, x: Tensor) -> None:
        """Put the model and its initial states where a vector says."""
        p, own, shared, _ = self._unknowns.split(x)
        self._flat.store(self._loss.model, self._origin + self._spread * p)
        with torch.no_grad():
            self._loss.initial.offsets.copy_(own)
            self._loss.initial.shared.copy_(shared)

    def value(self, x: Tensor, penalty: float) -> Tensor:
        """The penalised sum of squares at (D,): scalar."""
        loss = self._loss
        p, own, shared, points = self._unknowns.split(x)
        z = points * loss.scale
        first = loss.initial.at(own, shared).unsqueeze(1)
        ends = torch.cat([first, z[:, :, 2]], 1)
        wrong = torch.where(self._seen, (ends - self._target) / loss.deviation, 0.0)
        defect = (z - ends[:, :-1, None] - self._h * (self._matrix @ self._slopes(p, z))) / loss.scale
        extra = self._regularizers.rows(self._origin + self._spread * p).square().sum()
        prior = p.square().sum() + own.square().sum() + shared.square().sum()
        return wrong.square().sum() + penalty * defect.square().sum() + loss.noise * prior + extra

    def _slopes(self, p: Tensor, z: Tensor) -> Tensor:
        n, tensors = z.shape[-1], self._flat.tensors(self._origin + self._spread * p)
        field = substituted_field(self._loss.model, self._loss.coordinates, tensors)
        flat = field(self._t.reshape(-1), z.reshape(-1, n), self._u.reshape(self._t.numel(), -1))
        return flat.reshape(z.shape)


def collocate(loss: Loss, steps: int, watch: GoOn) -> Minimum:
    """Minimise the simultaneous problem with growing penalties, in place.

    Args:
        loss: the training problem.
        steps: iterations with each penalty.
        watch: called after every iteration.
    """
    problem = Simultaneous(loss)
    x, done, value, stopped = problem.start().unsqueeze(0), 0, torch.full((1,), torch.inf), False

    def go_on(_: int, x: Tensor, value: Tensor) -> bool:
        nonlocal done, stopped
        done += 1
        problem.go(x[0])
        stopped = not watch(done, float(value) / problem.count)
        return not stopped

    for penalty in PENALTIES:

        def objective(x: Tensor, penalty: float = penalty) -> tuple[Tensor, Tensor]:
            unknown = x[0].detach().requires_grad_(True)
            value = problem.value(unknown, penalty)
            (slope,) = torch.autograd.grad(value, unknown)
            return value.detach().unsqueeze(0), slope.unsqueeze(0)

        x, value = lbfgs(objective, x, steps, go_on)
        if stopped:
            break
    problem.go(x[0])
    return Minimum(float(value), done, "stopped" if stopped else "steps")
