"""How a rollout answers to parameters, weights and initial states: the Jacobian, parallel in time.

All sampling intervals are linearised at once, x[k+1] = A[k] x[k] + B[k] p, and a short recursion joins them. That is
exact for the fixed-step rollout, and many times faster than differentiating through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.integrate import Coordinates, runge_kutta_step

CHUNK = 512
"""Intervals linearised at once: more do not fit the cache."""


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
        with torch.no_grad():
            for name, tensor in model.named_parameters():
                tensor.copy_(self.tensors(vector)[name])


Step = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def step_of(model: HybridModel, coordinates: Coordinates, substeps: int) -> Step:
    """One sampling interval as a function of (p (P,), z (..., n), t (...,), h (...,), u (..., m)) -> (..., n)."""
    flat = Flat.of(model)

    def step(p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> Tensor:
        tensors = flat.tensors(p)

        def derivative(at: Tensor, x: Tensor, inputs: Tensor) -> Tensor:
            slopes: Tensor = functional_call(model, tensors, (at, x, inputs))
            return slopes

        field = coordinates.field_of(derivative)
        part = h / substeps
        for i in range(substeps):
            z = runge_kutta_step(field, z, t + i * part, part, u)
        return z

    return step


@dataclass(frozen=True)
class Sensitivities:
    """Derivatives of a rollout.

    Attributes:
        unknowns: (N, T, n, P), with respect to parameters and weights; zero at the first sample.
        initial: (N, T, n, n), with respect to the initial state.
    """

    unknowns: Tensor
    initial: Tensor


def sensitivities(
    model: HybridModel, coordinates: Coordinates, z: Tensor, times: Tensor, inputs: Tensor, substeps: int
) -> Sensitivities:
    """Differentiate a rollout with respect to everything that is fitted.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        z: (N, T, n), its rollout, inner coordinates.
        times: (N, T).
        inputs: (N, T, m).
        substeps: Runge-Kutta steps per interval, as in the rollout.
    """
    many, samples, n = z.shape
    step = step_of(model, coordinates, substeps)
    linear = vmap(jacrev(step, argnums=(0, 1)), in_dims=(None, 0, 0, 0, 0), chunk_size=CHUNK)
    h = times[:, 1:] - times[:, :-1]
    with torch.no_grad():
        by_p, by_z = linear(
            Flat.of(model).vector(model),
            z[:, :-1].reshape(-1, n),
            times[:, :-1].reshape(-1),
            h.reshape(-1),
            inputs[:, :-1].reshape(many * (samples - 1), -1),
        )
        b = by_p.reshape(many, samples - 1, n, -1)
        a = by_z.reshape(many, samples - 1, n, n)
        return _join(a, b)


def _join(a: Tensor, b: Tensor) -> Sensitivities:
    """The recursion S[k+1] = A[k] S[k] + B[k], E[k+1] = A[k] E[k]."""
    many, intervals, n, _ = a.shape
    unknowns = [b.new_zeros(many, n, b.shape[-1])]
    initial = [torch.eye(n, dtype=a.dtype, device=a.device).expand(many, n, n)]
    for k in range(intervals):
        unknowns.append(torch.baddbmm(b[:, k], a[:, k], unknowns[-1]))
        initial.append(a[:, k] @ initial[-1])
    return Sensitivities(torch.stack(unknowns, 1), torch.stack(initial, 1))
