"""How a rollout answers to parameters, weights and initial states: the Jacobian, parallel in time.

All sampling intervals are linearised at once, x[k+1] = A[k] x[k] + B[k] p, and a short recursion joins them. That is
exact for the fixed-step rollout, and many times faster than differentiating through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates, Field, runge_kutta_step

CHUNK = 512
"""Intervals linearised at once, sample by sample: more do not fit the cache."""


@dataclass(frozen=True)
class Flat:
    """The unknowns of a model as one vector.

    Attributes:
        names: names of its tensors, in order.
        shapes: their shapes.
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]

    @staticmethod
    def of(model: HybridModel) -> Flat:
        """The layout of this model's parameters and weights."""
        pairs = [(name, tensor.shape) for name, tensor in model.named_parameters()]
        return Flat(tuple(name for name, _ in pairs), tuple(shape for _, shape in pairs))

    def vector(self, model: HybridModel) -> Tensor:
        """(P,) the values of this model."""
        return torch.cat([tensor.detach().reshape(-1) for _, tensor in model.named_parameters()])

    def tensors(self, vector: Tensor) -> dict[str, Tensor]:
        """The tensors that a vector stands for."""
        sizes = [shape.numel() for shape in self.shapes]
        pieces = zip(self.names, torch.split(vector, sizes), self.shapes, strict=True)
        return {name: piece.reshape(shape) for name, piece, shape in pieces}

    def store(self, model: HybridModel, vector: Tensor) -> None:
        """Write a vector into a model."""
        tensors = self.tensors(vector)
        with torch.no_grad():
            for name, tensor in model.named_parameters():
                tensor.copy_(tensors[name])


Step = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""One sampling interval: (p (P,), z (..., n), t (...,), h (...,), u (..., m)) -> (..., n), inner coordinates."""


def interval(field: Field, z: Tensor, t: Tensor, h: Tensor, u: Tensor, substeps: int) -> Tensor:
    """(..., n): the state one sampling interval later, by Runge-Kutta steps."""
    part = h / substeps
    for i in range(substeps):
        z = runge_kutta_step(field, z, t + i * part, part, u)
    return z


def step_of(model: HybridModel, coordinates: Coordinates, substeps: int) -> Step:
    """One sampling interval as a function of the unknowns of the model."""
    flat = Flat.of(model)

    def step(p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> Tensor:
        return interval(substituted_field(model, coordinates, flat.tensors(p)), z, t, h, u, substeps)

    return step


def substituted_field(model: HybridModel, coordinates: Coordinates, tensors: dict[str, Tensor]) -> Field:
    """The vector field of a model in inner coordinates with these tensors in the place of its own."""

    def derivative(at: Tensor, x: Tensor, inputs: Tensor) -> Tensor:
        slopes: Tensor = functional_call(model, tensors, (at, x, inputs))
        return slopes

    return coordinates.field_of(derivative)


@dataclass(frozen=True)
class Intervals:
    """Sampling intervals, all at once.

    Attributes:
        z: (B, n), inner coordinates, at the left ends.
        t: (B,), left ends.
        h: (B,), lengths.
        u: (B, m).
    """

    z: Tensor
    t: Tensor
    h: Tensor
    u: Tensor

    @staticmethod
    def of(z: Tensor, times: Tensor, inputs: Tensor) -> Intervals:
        """Those of rollouts: z (N, T, n), times (N, T), inputs (N, T, m)."""
        h = (times[:, 1:] - times[:, :-1]).reshape(-1)
        u = inputs[:, :-1].reshape(len(h), inputs.shape[-1])
        return Intervals(z[:, :-1].reshape(len(h), -1), times[:, :-1].reshape(-1), h, u)

    def to(self, dtype: torch.dtype) -> Intervals:
        """The same in another precision."""
        return Intervals(self.z.to(dtype), self.t.to(dtype), self.h.to(dtype), self.u.to(dtype))

    def first(self, many: int) -> Intervals:
        """The first few of them."""
        return Intervals(self.z[:many], self.t[:many], self.h[:many], self.u[:many])


@dataclass(frozen=True)
class Transitions:
    """Derivatives of the complete state at the end of each interval.

    Attributes:
        by_state: (B, n + q, n), with respect to the state at its beginning.
        by_unknowns: (B, n + q, P), with respect to parameters and weights.
    """

    by_state: Tensor
    by_unknowns: Tensor


def by_sample(model: HybridModel, coordinates: Coordinates, over: Intervals, substeps: int) -> Transitions:
    """Differentiate sample by sample: right for whatever a candidate does."""
    step = step_of(model, coordinates, substeps)
    linear = vmap(jacrev(step, argnums=(0, 1)), in_dims=(None, 0, 0, 0, 0), chunk_size=CHUNK)
    by_p, by_z = linear(Flat.of(model).vector(model), over.z, over.t, over.h, over.u)
    return Transitions(by_z.detach(), by_p.detach())


@dataclass(frozen=True)
class Sensitivities:
    """Derivatives of a rollout.

    Attributes:
        unknowns: (N, T, n, P), with respect to parameters and weights.
        initial: (N, T, n, n), with respect to the initial state.
        gap: (N, T, n), how far the joined intervals are from the given states; zero for a rollout.
        algebraic: the same of the algebraic variables, q in the place of n, zero at the first sample; None without.
    """

    unknowns: Tensor
    initial: Tensor
    gap: Tensor
    algebraic: Sensitivities | None = None


@torch.no_grad()
def joined(found: Transitions, first: Tensor | None, defects: Tensor | None, many: int) -> Sensitivities:
    """Join the transitions of single intervals to the derivatives of whole rollouts.

    Args:
        found: of N (T - 1) intervals.
        first: (N, n, P), derivatives of the initial states by the unknowns; None if they do not depend on them.
        defects: (N, T - 1, n), where each interval ends minus the next state; None for a rollout.
        many: N.
    """
    rows, n = found.by_state.shape[-2:]
    intervals = len(found.by_state) // many
    a, b = (array.reshape(many, intervals, rows, array.shape[-1]) for array in (found.by_state, found.by_unknowns))
    first = b.new_zeros(many, n, b.shape[-1]) if first is None else first
    unknowns, initial = _join(a[:, :, :n], b[:, :, :n], first)
    gap = b.new_zeros(many, b.shape[1] + 1, n) if defects is None else _closed(a[:, :, :n], defects)
    ends = Sensitivities(unknowns, initial, gap)
    return ends if rows == n else replace(ends, algebraic=_carried(ends, a[:, :, n:], b[:, :, n:]))


def _carried(of: Sensitivities, a: Tensor, b: Tensor) -> Sensitivities:
    """What ends an interval, from what begins it: a (N, K, q, n), b (N, K, q, P)."""
    gap = (a @ of.gap[:, :-1].unsqueeze(-1)).squeeze(-1)
    unknowns, initial = a @ of.unknowns[:, :-1] + b, a @ of.initial[:, :-1]
    return Sensitivities(_from_zero(unknowns), _from_zero(initial), _from_zero(gap))


def _from_zero(ends: Tensor) -> Tensor:
    """(N, K + 1, ...) from (N, K, ...), zero at the first sample."""
    return torch.cat([torch.zeros_like(ends[:, :1]), ends], 1)


def _join(a: Tensor, b: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """The recursions S[k+1] = A[k] S[k] + B[k] and E[k+1] = A[k] E[k]."""
    many, intervals, n, _ = a.shape
    unknowns = [first]
    initial = [torch.eye(n, dtype=a.dtype, device=a.device).expand(many, n, n)]
    for k in range(intervals):
        unknowns.append(torch.baddbmm(b[:, k], a[:, k], unknowns[-1]))
        initial.append(a[:, k] @ initial[-1])
    return torch.stack(unknowns, 1), torch.stack(initial, 1)


def _closed(a: Tensor, defects: Tensor) -> Tensor:
    """The recursion g[k+1] = A[k] g[k] + d[k]: what closes all gaps, to first order."""
    gap = [torch.zeros_like(defects[:, 0])]
    for k in range(defects.shape[1]):
        gap.append(defects[:, k] + (a[:, k] @ gap[-1].unsqueeze(-1)).squeeze(-1))
    return torch.stack(gap, 1)


def sensitivities(
    model: HybridModel, coordinates: Coordinates, z: Tensor, times: Tensor, inputs: Tensor, substeps: int
) -> Sensitivities:
    """Differentiate a rollout of explicit steps with respect to everything that is fitted, sample by sample.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        z: (N, T, n), inner coordinates.
        times: (N, T).
        inputs: (N, T, m).
        substeps: Runge-Kutta steps per interval, as in the rollout.
    """
    found = by_sample(model, coordinates, Intervals.of(z, times, inputs), substeps)
    return joined(found, None, None, len(z))
