"""The training problem over windows as a sum of squares: misfits, gaps between windows, regularizers and priors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.algebra.bordered import Chain
from archsearch.training.flow.sensitivities import Flat, sensitivities
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.prepare import spreads
from archsearch.training.squares.regularizer_rows import RegularizerRows
from archsearch.training.squares.windows import Windows


@dataclass(frozen=True)
class LiftedPoint:
    """Where a lifted fit stands.

    Attributes:
        p: (P,), raw parameters and weights.
        offsets: (N, n), of estimated initial states.
        shared: (n,), of bounded initial states.
        nodes: (N, W - 1, n), inner coordinates, first states of the windows after the first.
    """

    p: Tensor
    offsets: Tensor
    shared: Tensor
    nodes: Tensor


@dataclass(frozen=True)
class Tie:
    """What holds the windows together: `penalty` * |gaps + multipliers|^2.

    Attributes:
        penalty: weight of a squared gap, beside squared misfits of observations.
        multipliers: (N, W - 1, n), standard deviations, over the penalty.
    """

    penalty: float
    multipliers: Tensor


class LiftedSquares:
    """The loss of a fit over windows, times the number of observations, as a sum of squares.

    Args:
        loss: model, data, smooth, scales, priors.
        length: sampling intervals per window.
    """

    def __init__(self, loss: Loss, length: int) -> None:
        self.loss = loss
        self.windows = Windows.of(loss, length)
        self.count = int(self.windows.seen.sum())
        self._flat = Flat.of(loss.model)
        self._extra = RegularizerRows(loss, self.count)
        self._first = self.windows.first_nodes(loss)
        self._unit = self._units()

    def here(self) -> LiftedPoint:
        """The point at which the model and the initial states stand, with windows that start on the smooth."""
        initial = self.loss.initial
        p = self._flat.vector(self.loss.model)
        return LiftedPoint(p, initial.offsets.detach().clone(), initial.shared.detach().clone(), self._first.clone())

    @torch.no_grad()
    def go(self, point: LiftedPoint) -> None:
        """Put the model and the initial states there."""
        self._flat.store(self.loss.model, point.p)
        self.loss.initial.offsets.copy_(point.offsets)
        self.loss.initial.shared.copy_(point.shared)

    @torch.no_grad()
    def starts(self, point: LiftedPoint) -> Tensor:
        """(N, W, n): first states of all windows at a point where the initial states stand, inner coordinates."""
        return torch.cat([self.loss.initial.value().unsqueeze(1), point.nodes], 1)

    @torch.no_grad()
    def cost(self, point: LiftedPoint, tie: Tie) -> tuple[float, Tensor]:
        """The sum at a point, and its windows rolled out (N, W, L + 1, n); leaves the model there."""
        self.go(point)
        z = self.windows.rolled(self.loss, self.starts(point))
        held = tie.penalty * (self.gaps(point, z) + tie.multipliers).square().sum()
        extra = self._extra.rows(point.p).square().sum()
        return float(self._rows(z).square().sum() + held + extra + self._prior(point)), z

    def gaps(self, point: LiftedPoint, z: Tensor) -> Tensor:
        """(N, W - 1, n): ends of windows minus starts of the next, in standard deviations."""
        gaps: Tensor = (z[:, :-1, -1] - point.nodes) / self._unit
        return gaps

    def largest_gap(self, point: LiftedPoint, z: Tensor) -> float:
        """The largest of them; 0 for a single window."""
        gaps = self.gaps(point, z)
        return float(gaps.abs().max()) if gaps.numel() else 0.0

    def farthest(self, point: LiftedPoint, z: Tensor) -> float:
        """The largest gap or misfit, in standard deviations."""
        return max(self.largest_gap(point, z), float(self._rows(z).abs().max()))

    def misfit(self, z: Tensor) -> float:
        """Sum of squared misfits of the observations, in standard deviations."""
        return float(self._rows(z).square().sum())

    @torch.no_grad()
    def moved(self, point: LiftedPoint, equations: Chain, damping: float) -> LiftedPoint | None:
        """Where a damped step leads; None if the equations cannot be solved."""
        solved = equations.solve(damping)
        if solved is None:
            return None
        common, own = solved
        size = len(point.p)
        nodes = point.nodes + self._unit * own[:, 1:]
        return LiftedPoint(point.p + common[:size], point.offsets + own[:, 0], point.shared + common[size:], nodes)

    @torch.no_grad()
    def equations(self, point: LiftedPoint, z: Tensor, tie: Tie) -> Chain:
        """The normal equations at a point where the model stands and whose windows roll out as `z`."""
        rows, by_common, by_own = self._linear(point, z, tie)
        extra, extra_by_p = self._extra.rows(point.p), self._extra.by_p(point.p)
        size = len(point.p)
        flat = by_common.flatten(0, 2)
        a, g = flat.T @ flat, flat.T @ rows.flatten()
        a[:size, :size] += extra_by_p.T @ extra_by_p
        g[:size] += extra_by_p.T @ extra
        own_t = by_own.mT
        chain = Chain(
            a=a + torch.diag(self._precision()),
            border=own_t @ by_common,
            diagonal=own_t @ by_own,
            lower=-(tie.penalty**0.5) * by_own[:, :-1, -z.shape[-1] :],
            g=g + self._precision() * self._away(point),
            g_own=(own_t @ rows.unsqueeze(-1)).squeeze(-1),
        )
        return self._with_next_states(chain, rows, by_common, point, tie)

    def _linear(self, point: LiftedPoint, z: Tensor, tie: Tie) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of each window, misfits then gap (N, W, R), by what is shared (N, W, R, C), by its own start."""
        loss, many = self.loss, z.shape[:2]
        times, inputs = self.windows.times.flatten(0, 1), self.windows.inputs.flatten(0, 1)
        found = sensitivities(loss.model, loss.coordinates, z.flatten(0, 1), times, inputs, loss.settings.substeps)
        by_p = self._weighed(found.unknowns.reshape(*z.shape, -1), tie)
        by_start = self._weighed(found.initial.reshape(*z.shape, -1), tie)
        by_offset, by_shared = loss.initial.slopes()
        shared = torch.zeros_like(by_start)
        shared[:, 0] = by_start[:, 0] * by_shared
        unit = self._unit.expand(many[1], -1).clone()
        unit[0] = by_offset
        gaps = tie.penalty**0.5 * (self.gaps(point, z) + tie.multipliers)
        rows = torch.cat([self._rows(z).flatten(2), torch.nn.functional.pad(gaps, (0, 0, 0, 1))], -1)
        return rows, torch.cat([by_p, shared], -1), by_start * unit[:, None]

    def _weighed(self, by: Tensor, tie: Tie) -> Tensor:
        """(N, W, L + 1, n, .) derivatives of states to those of rows (N, W, R, .); the last window has no gap."""
        rows = (by * torch.where(self.windows.seen, 1.0 / self.loss.scale, 0.0).unsqueeze(-1)).flatten(2, 3)
        gaps = by[:, :, -1] * (tie.penalty**0.5 / self._unit).unsqueeze(-1)
        gaps[:, -1] = 0.0
        return torch.cat([rows, gaps], 2)

    def _with_next_states(self, chain: Chain, rows: Tensor, by_common: Tensor, point: LiftedPoint, tie: Tie) -> Chain:
        """Add what the start of a window adds as the state at which the one before has to end, and priors."""
        n, weight = point.nodes.shape[-1], tie.penalty**0.5
        diagonal, border, g_own = chain.diagonal.clone(), chain.border.clone(), chain.g_own.clone()
        eye = torch.eye(n, dtype=rows.dtype, device=rows.device)
        diagonal[:, 1:] += tie.penalty * eye
        border[:, 1:] -= weight * by_common[:, :-1, -n:]
        g_own[:, 1:] -= weight * rows[:, :-1, -n:]
        diagonal[:, 0] += self.loss.noise * eye
        g_own[:, 0] += self.loss.noise * point.offsets
        return Chain(chain.a, border, diagonal, chain.lower, chain.g, g_own)

    def _rows(self, z: Tensor) -> Tensor:
        return torch.where(self.windows.seen, (z - self.windows.target) / self.loss.scale, 0.0)

    def _units(self) -> Tensor:
        """(n,): a standard deviation of each state; of one that is never observed, as the first idea of it has it."""
        unseen = ~torch.isfinite(self.loss.samples.states).flatten(0, 1).any(0)
        if not self._first.numel() or not bool(unseen.any()):
            return self.loss.scale
        return torch.where(unseen, spreads(self._first), self.loss.scale)

    def _precision(self) -> Tensor:
        """(C,): of the priors on what is shared, in units of the noise."""
        _, precision = self.loss.prior()
        return self.loss.noise * torch.cat([precision, torch.ones_like(self.loss.scale)])

    def _away(self, point: LiftedPoint) -> Tensor:
        """(C,): distance from the mean of the priors."""
        origin, _ = self.loss.prior()
        return torch.cat([point.p - origin, point.shared])

    def _prior(self, point: LiftedPoint) -> Tensor:
        own = self.loss.noise * point.offsets.square().sum()
        return (self._precision() * self._away(point).square()).sum() + own
