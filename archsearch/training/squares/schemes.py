"""How sampling intervals are integrated while a candidate is fitted: explicitly, or implicitly where that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates, rollout, solver_rollout
from archsearch.training.flow.layerwise import agree, by_layer
from archsearch.training.flow.sensitivities import (
    CHUNK,
    Flat,
    Intervals,
    Transitions,
    by_sample,
    interval,
)
from archsearch.training.implicit.radau import RadauStep
from archsearch.training.implicit.rollout import first_sample, rollout_stages


@dataclass(frozen=True)
class Path:
    """Trajectories as a scheme sees them.

    Attributes:
        z: (N, T, n), inner coordinates, at the samples.
        stages: (N, T - 1, S, 3, n + q), complete inner states at the collocation points; None for explicit steps.
        algebraic: (N, T, q), algebraic variables at the samples, where these are known otherwise.
    """

    z: Tensor
    stages: Tensor | None = None
    algebraic: Tensor | None = None


class Scheme(Protocol):
    """Steps per sampling interval, and all that least squares ask of them."""

    def rolled(self, start: Tensor, times: Tensor, inputs: Tensor) -> Path:
        """Roll out from (N, n), without derivatives."""

    def ends(self, over: Intervals, guess: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, n) where intervals end, and their stages, without derivatives; guess: stages of before."""

    def transitions(self, model: HybridModel, over: Intervals, stages: Tensor | None) -> Transitions:
        """Derivatives of where intervals end, of a model that may be of another precision."""

    def differentiable(self, start: Tensor, times: Tensor, inputs: Tensor) -> Tensor:
        """(N, T, n), a rollout that can be differentiated with respect to everything."""


class Explicit:
    """Runge-Kutta steps of order 4.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        substeps: steps per interval.
    """

    def __init__(self, model: HybridModel, coordinates: Coordinates, substeps: int) -> None:
        self._model, self._coordinates, self._substeps = model, coordinates, substeps
        self._fast: bool | None = None

    @torch.no_grad()
    def rolled(self, start: Tensor, times: Tensor, inputs: Tensor) -> Path:
        """Roll out from (N, n), without derivatives."""
        with self._model.prepared():
            return Path(rollout(self._coordinates.field(self._model), start, times, inputs, self._substeps))

    @torch.no_grad()
    def ends(self, over: Intervals, guess: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, n) where intervals end; there are no stages to keep."""
        with self._model.prepared():
            field = self._coordinates.field(self._model)
            return interval(field, over.z, over.t, over.h, over.u, self._substeps), None

    def transitions(self, model: HybridModel, over: Intervals, stages: Tensor | None) -> Transitions:
        """Layer by layer where that is right for this candidate, sample by sample where it is not."""
        if self._fast is None:
            self._fast = agree(self._model, self._coordinates, over, self._substeps)
        like = next(model.parameters()).dtype
        over = over.to(like)
        found = by_layer(model, self._coordinates, over, self._substeps) if self._fast else None
        return by_sample(model, self._coordinates, over, self._substeps) if found is None else found

    def differentiable(self, start: Tensor, times: Tensor, inputs: Tensor) -> Tensor:
        """By torchdiffeq, whose graph is made for back-propagation."""
        with self._model.prepared():
            field = self._coordinates.field(self._model)
            return solver_rollout(field, start, times, inputs, self._substeps)


class Implicit:
    """Radau IIA steps of order 5, for stiff and differential-algebraic models and for those with limits.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        substeps: steps per interval.
    """

    def __init__(self, model: HybridModel, coordinates: Coordinates, substeps: int) -> None:
        self._model, self._coordinates, self._substeps = model, coordinates, substeps
        self.step = RadauStep(model, coordinates, substeps)
        self._flat = Flat.of(model)

    @torch.no_grad()
    def rolled(self, start: Tensor, times: Tensor, inputs: Tensor) -> Path:
        """Roll out from (N, n), without derivatives."""
        if times.shape[1] == 1:
            return Path(start.unsqueeze(1))
        stages = rollout_stages(self.step, self._flat.vector(self._model), start, times, inputs)
        n = start.shape[-1]
        return Path(torch.cat([start.unsqueeze(1), stages[:, :, -1, -1, :n]], 1), stages)

    @torch.no_grad()
    def ends(self, over: Intervals, guess: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, n) where intervals end, and their stages (B, S, 3, n + q)."""
        p = self._flat.vector(self._model)
        stages = self.step.solve_stages(p, over.z, over.t, over.h, over.u, guess)
        return stages[:, -1, -1, : over.z.shape[-1]], stages

    @torch.no_grad()
    def transitions(self, model: HybridModel, over: Intervals, stages: Tensor | None) -> Transitions:
        """By one live correction of the solved stages, sample by sample."""
        p = self._flat.vector(self._model)
        if stages is None:
            stages = self.step.solve_stages(p, over.z, over.t, over.h, over.u)
        inverse = self.step.inverses(p, over.z, over.t, over.h, over.u, stages)
        dtype = next(model.parameters()).dtype
        step = self.step if model is self._model else RadauStep(model, self._coordinates, self._substeps)

        def end(p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor, stages: Tensor, inverse: Tensor) -> Tensor:
            return step.corrected(p, z, t, h, u, stages, inverse)[-1, -1]

        linear = vmap(jacrev(end, argnums=(0, 1)), in_dims=(None, *[0] * 6), chunk_size=CHUNK)
        given = over.to(dtype)
        by_p, by_z = linear(p.to(dtype), given.z, given.t, given.h, given.u, stages.to(dtype), inverse.to(dtype))
        return Transitions(by_z, by_p)

    def differentiable(self, start: Tensor, times: Tensor, inputs: Tensor) -> Tensor:
        """Step by step, each differentiated where its stages are solved."""
        p = torch.cat([tensor.reshape(-1) for tensor in self._model.parameters()])
        states = [start]
        for k in range(times.shape[1] - 1):
            states.append(self.step(p, states[-1], times[:, k], times[:, k + 1] - times[:, k], inputs[:, k]))
        return torch.stack(states, 1)

    @torch.no_grad()
    def algebraic(self, path: Path, times: Tensor, inputs: Tensor) -> Tensor:
        """(N, T, q): algebraic variables at the samples; at the first one those of the first stage where it has none.

        Args:
            path: with its stages.
            times: (N, T).
            inputs: (N, T, m).
        """
        equations, n = self.step.equations, path.z.shape[-1]
        assert path.stages is not None
        p = self._flat.vector(self._model)
        first = first_sample(equations, p, path.z[:, 0], path.stages[:, 0, 0], times[:, 0], inputs[:, 0])[:, n:]
        first = torch.where(torch.isfinite(first), first, path.stages[:, 0, 0, 0, n:])
        return torch.cat([first.unsqueeze(1), path.stages[:, :, -1, -1, n:]], 1)
