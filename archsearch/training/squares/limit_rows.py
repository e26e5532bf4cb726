"""The limits of a candidate at the collocation points of its training trajectories, as rows of a least-squares fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import CHUNK, Intervals, Sensitivities
from archsearch.training.flow.substitution import of_unknowns
from archsearch.training.implicit.radau import RadauStep
from archsearch.training.squares.limits import Limits, rows, slopes


@dataclass(frozen=True)
class LimitRows:
    """Rows of trajectories and their Jacobian.

    Attributes:
        rows: (N, R), 0 where a limit does not act.
        by_common: (N, R, P).
        by_start: (N, R, n).
        acts: (N, R).
    """

    rows: Tensor
    by_common: Tensor
    by_start: Tensor
    acts: Tensor


def keeps_limits(model: HybridModel) -> bool:
    """Whether a candidate declares limits."""
    return type(model).limits is not HybridModel.limits


class Margins:
    """The limits of a model at collocation points.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        step: the implicit step whose stages are the collocation points.
    """

    def __init__(self, model: HybridModel, coordinates: Coordinates, step: RadauStep) -> None:
        self._model, self._coordinates, self._step = model, coordinates, step
        self._of_unknowns = of_unknowns(model, self._of_states)

    @torch.no_grad()
    def at(self, over: Intervals, stages: Tensor) -> Tensor:
        """(B, points, K), margins at the stages (B, S, 3, n + q) of intervals."""
        return self._of_states(*self._points(over, stages))

    @torch.no_grad()
    def linear(self, p: Tensor, over: Intervals, stages: Tensor, limits: Limits, answers: Sensitivities) -> LimitRows:
        """Rows of an augmented Lagrangian around rollouts with these answers; limits: multipliers (B, points, K)."""
        margins = self.at(over, stages)
        acts = slopes(limits, margins)
        by_v, by_p = self._answers(p, over, stages)
        moved = self._step.linearised(p, over.z, over.t, over.h, over.u, stages)
        moved_p, moved_z = (array.flatten(1, 2) for array in moved)
        many, n = answers.unknowns.shape[0], over.z.shape[-1]
        begin_p, begin_start = (
            array[:, :-1].reshape(len(over.z), 1, n, array.shape[-1]) for array in (answers.unknowns, answers.initial)
        )
        by_common = by_v @ (moved_p + moved_z @ begin_p) + by_p
        by_start = by_v @ (moved_z @ begin_start)
        gap = (by_v @ (moved_z @ answers.gap[:, :-1].reshape(len(over.z), 1, n, 1))).squeeze(-1)
        weigh = acts.unsqueeze(-1)
        return LimitRows(
            rows=(rows(limits, margins) + acts * gap).reshape(many, -1),
            by_common=(weigh * by_common).reshape(many, -1, by_common.shape[-1]),
            by_start=(weigh * by_start).reshape(many, -1, n),
            acts=(acts != 0).reshape(many, -1),
        )

    def _points(self, over: Intervals, stages: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Times (B, points), complete inner states (B, points, n + q) and inputs (B, points, m)."""
        v = stages.flatten(1, 2)
        return self._step.times(over.t, over.h), v, over.u.unsqueeze(1).expand(-1, v.shape[1], -1)

    def _answers(self, p: Tensor, over: Intervals, stages: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of the margins by the complete inner state and directly by the unknowns."""
        t, v, u = self._points(over, stages)
        linear = vmap(jacrev(self._of_unknowns, (0, 2)), in_dims=(None, 0, 0, 0), chunk_size=CHUNK)
        by_p, by_v = linear(p, t.flatten(), v.flatten(0, 1), u.flatten(0, 1))
        return by_v.reshape(*v.shape[:2], *by_v.shape[1:]), by_p.reshape(*v.shape[:2], *by_p.shape[1:])

    def _of_states(self, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        """(..., K), of complete inner states v (..., n + q)."""
        return self._model.margins(t, self._coordinates.complete(v), u)
