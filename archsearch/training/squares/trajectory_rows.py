"""Misfits and limits of trajectories as rows of a sum of squares, with their Jacobian."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.flow.sensitivities import Intervals, Sensitivities
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.limit_rows import Margins
from archsearch.training.squares.limits import rows as limit_rows
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.schemes import Implicit, Path, Scheme


@dataclass(frozen=True)
class Rows:
    """Rows of trajectories around a point.

    Attributes:
        values: (M, R), 0 where nothing was observed and no limit acts.
        by_unknowns: (M, R, P), with respect to parameters and weights.
        by_start: (M, R, n), with respect to the initial state of each.
        seen: (M, R), which rows count.
    """

    values: Tensor
    by_unknowns: Tensor
    by_start: Tensor
    seen: Tensor


class TrajectoryRows:
    """The rows that belong to trajectories.

    Args:
        loss: model, scales, limits.
        batch: the rollouts to be fitted.
        scheme: how they are integrated.
    """

    def __init__(self, loss: Loss, batch: Batch, scheme: Scheme) -> None:
        self._loss, self._batch = loss, batch
        self._plain = loss.observations.plain
        self._seen = batch.seen
        if not self._plain and loss.model.algebraic_variables:
            # where a rollout begins, nothing says what its algebraic variables are
            self._seen = torch.cat([torch.zeros_like(batch.seen[:, :1]), batch.seen[:, 1:]], 1)
        self._margins = None
        if loss.limits is not None and isinstance(scheme, Implicit):
            self._margins = Margins(loss.model, loss.coordinates, scheme.step)

    def squares(self, path: Path) -> Tensor:
        """The sum of squares at trajectories: scalar."""
        total = self._misfit(self._measured(path)).square().sum()
        if self._margins is None or path.stages is None:
            return total
        assert self._loss.limits is not None
        margins = self._margins.at(self._over(path), path.stages.flatten(0, 1))
        return total + limit_rows(self._loss.limits, margins).square().sum()

    @torch.no_grad()
    def linear(self, p: Tensor, path: Path, answers: Sensitivities) -> Rows:
        """The rows around trajectories that answer to the unknowns like this; p: (P,)."""
        found = self._observed(p, path, answers)
        if self._margins is None or path.stages is None:
            return found
        assert self._loss.limits is not None
        over = self._over(path)
        kept = self._margins.linear(p, over, path.stages.flatten(0, 1), self._loss.limits, answers)
        return Rows(
            torch.cat([found.values, kept.rows], 1),
            torch.cat([found.by_unknowns, kept.by_common], 1),
            torch.cat([found.by_start, kept.by_start], 1),
            torch.cat([found.seen, kept.acts], 1),
        )

    def _observed(self, p: Tensor, path: Path, answers: Sensitivities) -> Rows:
        by_p, by_start, gap = answers.unknowns, answers.initial, answers.gap
        if not self._plain:
            by_p, by_start, gap = self._through_observe(p, path, answers)
        weigh = (1.0 / self._loss.deviation).to(by_p.dtype).unsqueeze(-1)
        values = self._misfit(self._measured(path) + gap).to(by_p.dtype)
        return Rows(
            values.flatten(1), (by_p * weigh).flatten(1, 2), (by_start * weigh).flatten(1, 2), self._seen.flatten(1)
        )

    def _through_observe(self, p: Tensor, path: Path, answers: Sensitivities) -> tuple[Tensor, Tensor, Tensor]:
        """Derivatives of what is measured, (M, L, n, P) and (M, L, n, n), and its gap (M, L, n)."""
        shape, v = path.z.shape[:2], self._complete(path)
        u = self._batch.inputs.flatten(0, 1)
        found = self._loss.observations.answers(p, self._batch.times.flatten(), v.flatten(0, 1), u)
        by_v, by_p = (array.reshape(*shape, *array.shape[1:]) for array in (found.by_state, found.by_unknowns))
        unknowns, initial, gap = answers.unknowns, answers.initial, answers.gap
        if answers.algebraic is not None:
            rest = answers.algebraic
            unknowns, initial = torch.cat([unknowns, rest.unknowns], 2), torch.cat([initial, rest.initial], 2)
            gap = torch.cat([gap, rest.gap], 2)
        by_v = by_v.to(unknowns.dtype)
        return by_v @ unknowns + by_p.to(unknowns.dtype), by_v @ initial, (by_v @ gap.unsqueeze(-1)).squeeze(-1)

    def _measured(self, path: Path) -> Tensor:
        """(M, L, n), inner coordinates."""
        if self._plain:
            return path.z
        return self._loss.observations.of(self._batch.times, self._complete(path), self._batch.inputs)

    def _complete(self, path: Path) -> Tensor:
        """(M, L, n + q): states at the samples with the algebraic variables that end each interval."""
        if not self._loss.model.algebraic_variables or path.stages is None:
            return path.z
        algebraic = path.stages[:, :, -1, -1, path.z.shape[-1] :]
        return torch.cat([path.z, torch.cat([algebraic[:, :1], algebraic], 1)], -1)

    def _over(self, path: Path) -> Intervals:
        return Intervals.of(path.z, self._batch.times, self._batch.inputs)

    def _misfit(self, measured: Tensor) -> Tensor:
        return torch.where(self._seen, (measured - self._batch.target) / self._loss.deviation, 0.0)
