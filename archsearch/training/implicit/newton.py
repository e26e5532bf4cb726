"""Newton's method for the stages of many Radau steps at once, each step with a damping and an end of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from archsearch.training.implicit.equations import StageEquations

MOST_ITERATIONS = 60
PRECISION = 1e-13
"""Relative change of every unknown at which the iteration ends, unless rounding alone makes larger ones."""
ROUNDING = 64 * torch.finfo(torch.float64).eps
WORST_ROUNDING = 1e-5
"""Effect of rounding on a step, relative to its largest unknown, beyond which its equations count as singular."""
STALLED = 1e-11
"""Relative change at which the iteration ends where it contracts no more."""
FAST = 0.1
"""Contraction per iteration that lets an old matrix stay."""
MOST_AGE = 6
"""Iterations after which a matrix is computed anew however fast it contracts."""
NEGLIGIBLE = 1e-8
"""Size of an unknown, relative to the largest one, below which its changes do not count as large or small."""
LEAST_DAMPING = 1e-4


@torch.no_grad()
def solved(steps: StageEquations, guess: Tensor) -> Tensor:
    """Solve the stage equations of a batch of steps.

    A matrix is used again while it contracts fast. A correction is accepted if the correction that follows it with the
    same matrix is smaller, else it is halved. The iteration ends where a correction is as small as rounding allows,
    estimated by |M⁻¹||M||V|.

    Args:
        steps: B steps.
        guess: (B, 3, n + q), complete inner states at the nodes.

    Returns:
        (B, 3, n + q); NaN where a step has no solution that the iteration found.

    Reference: Deuflhard, P., Newton Methods for Nonlinear Problems, Springer 2004, section 3.3 (natural monotonicity
    test); Skeel, R. D., Math. Comp. 35 (1980) 817 (rounding). Differs: one matrix per step instead of one Jacobian per
    step shared by its stages.
    """
    found = torch.full_like(guess, torch.nan)
    rows = _finite(steps, guess).nonzero().squeeze(-1)
    if not len(rows):
        return found
    progress = _Progress(steps.part(rows), guess[rows])
    for _ in range(MOST_ITERATIONS):
        done = progress.advance()
        found[rows[done]] = progress.at[done]
        rest = ~done & progress.alive()
        if not bool(rest.any()):
            break
        if not bool(rest.all()):
            rows, progress = rows[rest], progress.part(rest)
    return found


def _finite(steps: StageEquations, guess: Tensor) -> Tensor:
    """(B,), steps whose data and guess are numbers."""
    inputs = torch.isfinite(steps.u).all(-1)
    return torch.isfinite(guess).flatten(1).all(-1) & torch.isfinite(steps.z).all(-1) & torch.isfinite(steps.h) & inputs


class _Progress:
    """Where the iterations of R steps stand."""

    at: Tensor
    """(R, 3, n + q)"""

    def __init__(self, steps: StageEquations, at: Tensor) -> None:
        self.steps, self.at = steps, at
        size = at[0].numel()
        self._inverse = at.new_empty(len(at), size, size)
        self._update, self._rounding, self._size = (at.new_empty(len(at), size) for _ in range(3))
        self._damping = at.new_ones(len(at))
        self._age = torch.zeros_like(self._damping)
        self._linearise(torch.arange(len(at), device=at.device))

    def part(self, rest: Tensor) -> _Progress:
        """The steps that are not done."""
        made = object.__new__(_Progress)
        made.steps = self.steps.part(rest.nonzero().squeeze(-1))
        for name in ("at", "_inverse", "_update", "_rounding", "_size", "_damping", "_age"):
            setattr(made, name, getattr(self, name)[rest])
        return made

    def alive(self) -> Tensor:
        """(R,), steps that may still be solved."""
        return torch.isfinite(self._update).all(-1) & (self._damping > LEAST_DAMPING)

    def advance(self) -> Tensor:
        """One damped correction; (R,), steps that are solved now."""
        trial = self.at + (self._damping.unsqueeze(-1) * self._update).view_as(self.at)
        update = self._correction(self._inverse, self.steps.residual(trial))
        flat = trial.flatten(1)
        before, after = self._norm(self._update), self._norm(update)
        done = (update.abs() <= PRECISION * flat.abs() + self._rounding).all(-1)
        done = (done | ((after <= STALLED) & (before <= STALLED) & (after > FAST * before))) & self._well_posed()
        better = (after <= (1 - self._damping / 4) * before) | done
        self.at = torch.where(better[:, None, None], trial, self.at)
        self.at = torch.where(done[:, None, None], trial + update.view_as(trial), self.at)
        self._update = torch.where(better.unsqueeze(-1), update, self._update)
        self._damping = torch.where(better, (2 * self._damping).clamp(max=1), self._damping / 2)
        self._age = torch.where(better, self._age + 1, self._age)
        stale = ~done & (self._age > 0) & (~better | (after > FAST * before) | (self._age > MOST_AGE))
        if bool(stale.any()):
            self._linearise(stale.nonzero().squeeze(-1))
        return done

    def _linearise(self, rows: Tensor) -> None:
        """Compute the matrices of some steps where they stand."""
        steps, at = self.steps.part(rows), self.at[rows]
        matrix = steps.matrix(at)
        inverse, singular = torch.linalg.inv_ex(matrix)
        inverse = torch.where(singular[:, None, None] == 0, inverse, torch.nan)
        start = torch.nn.functional.pad(steps.z, (0, at.shape[-1] - steps.z.shape[-1]))
        terms = _times(matrix.abs(), at.flatten(1).abs()) + start.repeat(1, at.shape[1]).abs()
        self._inverse[rows] = inverse
        self._update[rows] = self._correction(inverse, steps.residual(at))
        self._rounding[rows] = ROUNDING * _times(inverse.abs(), terms)
        size = torch.maximum(at.flatten(1).abs(), self._update[rows].abs())
        self._size[rows] = size + NEGLIGIBLE * size.amax(-1, keepdim=True) + torch.finfo(at.dtype).tiny
        self._age[rows] = 0

    def _correction(self, inverse: Tensor, residual: Tensor) -> Tensor:
        return -_times(inverse, residual.flatten(1))

    def _norm(self, update: Tensor) -> Tensor:
        """(R,), largest relative change beyond rounding; infinite where it is not a number."""
        beyond = (update.abs() - self._rounding).clamp(min=0)
        return torch.nan_to_num((beyond / self._size).amax(-1), nan=torch.inf)

    def _well_posed(self) -> Tensor:
        return self._rounding.amax(-1) <= WORST_ROUNDING * self._size.amax(-1)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
