"""Derivatives of a rollout's misfit along random directions, by automatic differentiation and by differences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.func import vmap

from archsearch.training.flow.sensitivities import Flat, step_of
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.windows import Windows

DIRECTIONS = 5
DISPLACEMENTS = (0.1, 0.05, 0.001)
"""How far a step of the differences moves the rollout, in standard deviations: the first are wide enough to meet the
events of a discontinuous model, and still near enough for a smooth one to follow its Taylor series."""
WIDE = 2
"""How many of them are wide."""
KINK = 0.03
"""Relative error over a wide stretch that a kink may cause, as of a one-sided force; its error falls with the step, and
what the shortest step says counts. A jump causes more."""
LONGEST_STEP = 0.3
"""Unknowns are of order one: no step is longer, even if the rollout hardly answers."""
PROBE = 1e-5
"""The step by which the answer of the rollout is found."""
STENCIL = (-1.0, -0.5, 0.5, 1.0)
TOGETHER = 16
"""Points rolled out at once."""


def relative_error(loss: Loss, window: int, generator: torch.Generator) -> float:
    """The worst relative error of the directional derivative over random directions, each at the best of its steps.

    A loss that is a stair is smooth between its jumps, where the derivative equals any difference that is short enough
    and still does not say which way the stair leads. So wide stretches count first, if they disagree by more than a
    kink would make them; else the shortest.

    Args:
        loss: the training problem, left as it is.
        window: intervals of the rollouts; windows after the first of a trajectory start on the smooth.
        generator: draws the directions.

    Returns:
        NaN if a rollout, its misfit or its derivative is not finite.
    """
    misfit = _Misfit(loss, window)
    middle, gradient = misfit.value_and_gradient()
    directions = torch.randn(DIRECTIONS, len(gradient), generator=generator, dtype=torch.float64).to(gradient)
    directions = directions / directions.norm(dim=1, keepdim=True).clamp(min=1e-300)
    steps = _steps(misfit, directions)
    at = torch.tensor(STENCIL, dtype=gradient.dtype, device=gradient.device)
    points = steps[..., None, None] * at[:, None] * directions[:, None, None]
    values = misfit.of(misfit.rolled(points.flatten(0, 2))).reshape(points.shape[:3])
    errors = _errors(values, middle, steps, (directions @ gradient)[:, None])
    wide, fine = errors[:, :WIDE].amin(1), errors.amin(1)
    worst = torch.where(wide > KINK, wide, fine).amax()
    return float(worst) if bool(torch.isfinite(errors).all()) else math.nan


def _steps(misfit: _Misfit, directions: Tensor) -> Tensor:
    """(D, S): steps along each direction that displace the rollouts as much as they should, rms."""
    ends = misfit.rolled(torch.cat([PROBE * directions, -PROBE * directions]))
    moved = (ends[: len(directions)] - ends[len(directions) :]) / misfit.loss.scale / (2.0 * PROBE)
    answer = moved.flatten(1).square().mean(1).sqrt().clamp(min=1e-300)
    return (torch.tensor(DISPLACEMENTS).to(answer) / answer[:, None]).clamp(max=LONGEST_STEP)


def _errors(values: Tensor, middle: Tensor, steps: Tensor, derivative: Tensor) -> Tensor:
    """(D, S): differences against the derivative, relative to its size over the stretch that they span.

    Central differences of two steps, extrapolated: right to the fourth power of the step, so that it can be long.

    Args:
        values: (D, S, 4), the misfit on the stencil.
        middle: (), in its middle.
        steps: (D, S).
        derivative: (D, 1), in the middle, along each direction.

    Reference:
        Richardson (1911), Phil. Trans. R. Soc. A 210:307.
    """
    wide = (values[..., 3] - values[..., 0]) / (2.0 * steps)
    narrow = (values[..., 2] - values[..., 1]) / steps
    bend = (values[..., 3] - 2.0 * middle + values[..., 0]).abs() / steps
    wrong = ((4.0 * narrow - wide) / 3.0 - derivative).abs()
    size = torch.maximum(derivative.abs(), bend)
    return torch.where(wrong > 0, wrong / size, 0.0)


class _Misfit:
    """The misfit of rollouts as a function of all unknowns, as one vector of displacements.

    Args:
        loss: the training problem.
        window: intervals of the rollouts.
    """

    def __init__(self, loss: Loss, window: int) -> None:
        self.loss = loss
        self._windows = Windows.of(loss, window)
        self._nodes = self._windows.first_nodes(loss)
        self._p = Flat.of(loss.model).vector(loss.model)
        self._step = step_of(loss.model, loss.coordinates, loss.settings.substeps)

    def value_and_gradient(self) -> tuple[Tensor, Tensor]:
        """() and (U,), by automatic differentiation through the rollouts."""
        p = self._p.clone().requires_grad_(True)
        unknowns = [p, *self.loss.initial.unknowns()]
        with torch.enable_grad():
            value = self.of(self._rolled(p, self._starts())[None])[0]
            gradient = torch.autograd.grad(value, unknowns, allow_unused=True, materialize_grads=True)
        return value.detach(), torch.cat([part.reshape(-1) for part in gradient])

    @torch.no_grad()
    def rolled(self, points: Tensor) -> Tensor:
        """(K, M, L + 1, n): the rollouts at K displacements (K, U)."""
        starts = []
        for point in points:
            with self._displaced(point[len(self._p) :]):
                starts.append(self._starts())
        p = self._p + points[:, : len(self._p)]
        states: Tensor = vmap(self._rolled, chunk_size=TOGETHER)(p, torch.stack(starts))
        return states

    def of(self, z: Tensor) -> Tensor:
        """(K,): mean square misfit of rollouts (K, M, L + 1, n), in variances of the data."""
        seen, target = self._windows.seen.flatten(0, 1), self._windows.target.flatten(0, 1)
        wrong = torch.where(seen, (z - target) / self.loss.scale, 0.0)
        return wrong.square().flatten(1).sum(1) / seen.sum()

    def _starts(self) -> Tensor:
        """(M, n), inner coordinates."""
        return torch.cat([self.loss.initial.value().unsqueeze(1), self._nodes], 1).flatten(0, 1)

    def _rolled(self, p: Tensor, z: Tensor) -> Tensor:
        """(M, L + 1, n), from starts (M, n)."""
        times, inputs = self._windows.times.flatten(0, 1), self._windows.inputs.flatten(0, 1)
        states = [z]
        for k in range(times.shape[1] - 1):
            states.append(self._step(p, states[-1], times[:, k], times[:, k + 1] - times[:, k], inputs[:, k]))
        return torch.stack(states, 1)

    @contextmanager
    def _displaced(self, by: Tensor) -> Iterator[None]:
        """The unknowns of the initial states displaced, and put back."""
        unknowns = self.loss.initial.unknowns()
        kept = [unknown.detach().clone() for unknown in unknowns]
        parts = torch.split(by, [unknown.numel() for unknown in unknowns]) if unknowns else ()
        for unknown, part in zip(unknowns, parts, strict=True):
            unknown.data.add_(part.reshape(unknown.shape))
        try:
            yield
        finally:
            for unknown, value in zip(unknowns, kept, strict=True):
                unknown.data.copy_(value)
