"""Integrate models that may blow up: to a few digits, in few evaluations, as far as they stay in a sensible range."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.training.flow.integrate import Coordinates, Field, dense_inputs, dense_times, rollout
from archsearch.training.reported.at_once import MOST_STATES, integrate_at_once
from archsearch.training.reported.exponential import exponential_rollout

RELATIVE = 1e-6
"""Tolerance."""
STAGES = 5
"""Gauss points per element: more of them are worth their time only for more digits."""
FINER = 4
"""Runge-Kutta steps per interval where one exponential step is too rough a guess. They tell what blows up: unlike
exponential ones they do not step across a pole."""


@dataclass(frozen=True)
class InRange:
    """A vector field, and how large its states may become.

    Attributes:
        field: vector field.
        coordinates: the inner coordinates.
        most: (n,), natural units.
    """

    field: Field
    coordinates: Coordinates
    most: Tensor

    def rolled(self, z0: Tensor, times: Tensor, inputs: Tensor, substeps: int) -> Tensor:
        """Integrate at once from a rough guess or from a finer one, else by Runge-Kutta steps.

        Args:
            z0: (N, n), inner coordinates.
            times: (N, T), time unit.
            inputs: (N, T, m), held from each sample to the next.
            substeps: of Runge-Kutta per interval.

        Returns:
            (N, T, n), inner coordinates; NaN from where a rollout leaves the range.
        """
        if times.shape[1] == 1 or z0.shape[1] > MOST_STATES:
            return self._by_steps(z0, times, inputs, substeps)[:, ::substeps]
        found = self._at_once(exponential_rollout(self.field, z0, times, inputs, _typical(z0)), times, inputs)
        rows = torch.isnan(found).flatten(1).any(-1).nonzero().squeeze(-1)
        if len(rows):
            found[rows] = self._finer(z0[rows], times[rows], inputs[rows], substeps)
        return found

    def _finer(self, z0: Tensor, times: Tensor, inputs: Tensor, substeps: int) -> Tensor:
        """(N, T, n): of rollouts for which one exponential step per interval was too rough, or which blow up."""
        guess = self._by_steps(z0, times, inputs, FINER)
        lost = torch.isnan(guess).flatten(1).any(-1)
        found = torch.where(lost[:, None, None], guess[:, ::FINER], self._at_once(guess, times, inputs))
        rows = (torch.isnan(found).flatten(1).any(-1) & ~lost).nonzero().squeeze(-1)
        if len(rows):
            found[rows] = self._by_steps(z0[rows], times[rows], inputs[rows], substeps)[:, ::substeps]
        return found

    def _by_steps(self, z0: Tensor, times: Tensor, inputs: Tensor, substeps: int) -> Tensor:
        """(N, (T - 1) * substeps + 1, n): by Runge-Kutta steps, as far as any rollout goes; NaN beyond."""
        pieces = [z0.unsqueeze(1)]
        for k in range(times.shape[1] - 1):
            given = dense_times(times[:, k : k + 2], substeps), dense_inputs(inputs[:, k : k + 2], substeps)
            piece = rollout(self.field, pieces[-1][:, -1], *given, 1)[:, 1:]
            inside = self._is_in_range(piece).all(-1)
            pieces.append(torch.where(inside[:, None, None], piece, torch.nan))
            if not bool(inside.any()):
                lacking = (times.shape[1] - 2 - k) * substeps
                pieces.append(pieces[-1][:, :1].expand(-1, lacking, -1))
                break
        return torch.cat(pieces, 1)

    def _at_once(self, guess: Tensor, times: Tensor, inputs: Tensor) -> Tensor:
        """(N, T, n): from a guess (N, (T - 1) * k + 1, n); NaN for all of a rollout that is not found in range."""
        found = guess.new_full((*times.shape, guess.shape[-1]), torch.nan)
        rows = self._is_in_range(guess).all(-1).nonzero().squeeze(-1)
        if len(rows):
            given = guess[rows], times[rows], inputs[rows]
            typical = _typical(guess[rows, 0])
            found[rows] = integrate_at_once(self.field, *given, (1,), RELATIVE, RELATIVE * typical, STAGES)[0]
        return found

    def _is_in_range(self, z: Tensor) -> Tensor:
        """(...,) of states (..., n); what is not finite is not."""
        return (torch.isfinite(z) & (self.coordinates.natural(z).abs() <= self.most)).all(-1)


def _typical(z: Tensor) -> float:
    """The size of states (N, n) of which some may be lost."""
    return float(z[torch.isfinite(z)].abs().mean().nan_to_num(1.0).clamp(min=1e-3))
