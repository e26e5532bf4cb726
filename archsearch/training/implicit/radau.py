"""One sampling interval by an implicit method: for stiff equations, and for algebraic ones of index 1 and 2."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.implicit.equations import Equations, StageEquations
from archsearch.training.implicit.newton import solved
from archsearch.training.implicit.tableau import STAGES, interpolated, radau_nodes

CHUNK = 512
"""Steps linearised at once, with respect to all unknowns: more do not fit the cache."""


class RadauStep:
    """One sampling interval in a fixed number of steps of the Radau IIA method of order 5, differentiable.

    The stages are solved for by Newton's method without a graph. One more correction V - M⁻¹ R(V), with the matrix M
    held and the residual R alive, changes no value and carries the exact first derivatives (implicit function theorem).
    Derivatives of higher order are not available. It works under plain autograd on a batch and under `vmap(jacrev)`.
    Stages are solved for in float64; to differentiate in float32, pass them to `corrected` of a step whose model is in
    float32. The method collocates at the right end and not at the left one: algebraic equations of index 2 hold at
    every stage, whatever the state at the left end. Steps whose stages cannot be found are NaN.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        substeps: steps per interval.

    Reference: Hairer, E. & Wanner, G., Solving Ordinary Differential Equations II, 2nd ed., Springer 1996, sections
    IV.5, IV.8 and VII.4. Differs: fixed steps; Newton until rounding, because derivatives are taken at the solution.
    """

    def __init__(self, model: HybridModel, coordinates: Coordinates, substeps: int) -> None:
        self.equations = Equations(model, coordinates)
        self.substeps = substeps

    def __call__(self, p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> Tensor:
        """The differential states at the right end.

        Args:
            p: (P,), parameters and weights.
            z: (..., n), inner coordinates, at the left end.
            t: (...), time at the left end.
            h: (...), length of the interval; where it is 0, the state stands still.
            u: (..., m), inputs, held.

        Returns:
            (..., n), inner coordinates; NaN where the step fails.
        """
        return self.stages(p, z, t, h, u)[..., -1, -1, : self.equations.n]

    def points(self, p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> Tensor:
        """(..., 3 substeps, n + q): complete states in natural units at the collocation points; arguments as above."""
        return self.equations.natural(self.stages(p, z, t, h, u)).flatten(-3, -2)

    def times(self, t: Tensor, h: Tensor) -> Tensor:
        """(..., 3 substeps): the collocation points of intervals that begin at t (...) and are h (...) long."""
        begin = torch.arange(self.substeps, dtype=t.dtype, device=t.device)
        at = (begin[:, None] + radau_nodes().to(t)).flatten() / self.substeps
        return t.unsqueeze(-1) + h.unsqueeze(-1) * at

    def stages(self, p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> Tensor:
        """(..., substeps, 3, n + q): complete inner states at the nodes, differentiable; arguments as above."""
        found, inverse = _solve(self, p, z, t, h, u)
        return self.corrected(p, z, t, h, u, found, inverse)

    @torch.no_grad()
    def advance(self, p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> Tensor:
        """The same as a call, for a batch (B, n) and without derivatives: about half the time."""
        return self.solve_stages(p, z, t, h, u)[:, -1, -1, : self.equations.n]

    @torch.no_grad()
    def solve_stages(
        self, p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor, guess: Tensor | None = None
    ) -> Tensor:
        """Solve for the stages of B intervals, without derivatives.

        Args:
            p: (P,).
            z: (B, n), inner coordinates.
            t: (B,).
            h: (B,).
            u: (B, m).
            guess: where the iterations start: (B, n + q) complete inner states at the left end, (B, 3, n + q) stages of
                the first step, or (B, substeps, 3, n + q) all stages; default: `z` and the model's start guesses of its
                algebraic variables. Steps that do not end from there are tried again from the left end.

        Returns:
            (B, substeps, 3, n + q), complete inner states; NaN from the step that fails.
        """
        found: list[Tensor] = []
        left = self.equations.started(z) if guess is None or guess.dim() > 2 else guess
        for k in range(self.substeps):
            flat = left.unsqueeze(1).expand(-1, STAGES, -1)
            first = flat if k == 0 else interpolated(z, found[-1], (1 + radau_nodes().to(z)).expand(len(z), -1))
            if guess is not None and (guess.dim() == 4 or (guess.dim() == 3 and k == 0)):
                first = guess[:, k] if guess.dim() == 4 else guess
            z = left[:, : self.equations.n] if k else z
            steps = StageEquations(self.equations, p, z, t + k * h / self.substeps, h / self.substeps, u)
            found.append(_solved(steps, first, flat))
            left = found[-1][:, -1]
        return torch.stack(found, 1)

    @torch.no_grad()
    def inverses(self, p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor, stages: Tensor) -> Tensor:
        """(B, substeps, 3(n + q), 3(n + q)): the inverse matrices of the stage equations at their solution."""
        each = self._each(z, t, h, u, stages)
        matrix = StageEquations(self.equations, p, *each).matrix(stages.flatten(0, 1))
        inverse, _ = torch.linalg.inv_ex(matrix)
        each_inverse: Tensor = inverse.reshape(*stages.shape[:2], *matrix.shape[1:])
        return each_inverse

    @torch.no_grad()
    def linearised(
        self, p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor, stages: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Derivatives of all stages of B intervals, step by step and then joined: faster than through the interval.

        Args:
            p: (P,).
            z: (B, n), inner coordinates.
            t: (B,).
            h: (B,).
            u: (B, m).
            stages: (B, substeps, 3, n + q), solved.

        Returns:
            (B, substeps, 3, n + q, P) with respect to p, and (B, substeps, 3, n + q, n) with respect to z. The last
            stage of the last step is the right end of the interval.
        """
        each = *self._each(z, t, h, u, stages), stages.flatten(0, 1)
        inverse = self.inverses(p, z, t, h, u, stages).flatten(0, 1)
        linear = vmap(jacrev(self._corrected, argnums=(0, 1)), in_dims=(None, *[0] * 6), chunk_size=CHUNK)
        by_p, by_z = (array.reshape(*stages.shape, -1) for array in linear(p, *each, inverse))
        for k in range(1, self.substeps):
            before_p, before_z = (array[:, k - 1, None, -1, : self.equations.n] for array in (by_p, by_z))
            by_p[:, k] += by_z[:, k] @ before_p
            by_z[:, k] = by_z[:, k] @ before_z
        return by_p, by_z

    def _each(self, z: Tensor, t: Tensor, h: Tensor, u: Tensor, stages: Tensor) -> tuple[Tensor, ...]:
        """Left ends, times, lengths and inputs of all steps of B intervals, (B * substeps, ...)."""
        left = torch.cat([z.unsqueeze(1), stages[:, :-1, -1, : self.equations.n]], 1)
        begin = t.unsqueeze(1) + torch.arange(self.substeps).to(t) * h.unsqueeze(1) / self.substeps
        length = (h / self.substeps).unsqueeze(1).expand_as(begin)
        held = u.unsqueeze(1).expand(-1, self.substeps, -1)
        return tuple(array.flatten(0, 1) for array in (left, begin, length, held))

    def _corrected(self, p: Tensor, *given: Tensor) -> Tensor:
        """(..., 3, n + q): one step with its derivatives; given: z, t, h, u, stages (..., 3, n + q), inverse."""
        z, t, h, u, stages, inverse = given
        residual = StageEquations(self.equations, p, z, t, h, u).residual(stages).flatten(-2, -1).unsqueeze(-1)
        return stages - (inverse @ residual).reshape(stages.shape)

    def corrected(
        self, p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor, stages: Tensor, inverse: Tensor
    ) -> Tensor:
        """Give solved stages their derivatives by one correction with a held matrix.

        Args:
            p: (P,).
            z: (..., n), inner coordinates.
            t: (...).
            h: (...).
            u: (..., m).
            stages: (..., substeps, 3, n + q), solved, without derivatives.
            inverse: (..., substeps, 3(n + q), 3(n + q)), as `inverses` gives.

        Returns:
            (..., substeps, 3, n + q).
        """
        alive: list[Tensor] = []
        part = h / self.substeps
        for k in range(self.substeps):
            alive.append(self._corrected(p, z, t + k * part, part, u, stages[..., k, :, :], inverse[..., k, :, :]))
            z = alive[-1][..., -1, : self.equations.n]
        return torch.stack(alive, -3)


def radau_step_of(model: HybridModel, coordinates: Coordinates, substeps: int) -> RadauStep:
    """One sampling interval as a function of (p (P,), z (..., n), t (...,), h (...,), u (..., m)) -> (..., n)."""
    return RadauStep(model, coordinates, substeps)


def _solved(steps: StageEquations, guess: Tensor, other: Tensor) -> Tensor:
    """(B, 3, n + q): the stages, from a guess and, where that fails, from another one."""
    found = solved(steps, guess)
    rows = torch.isnan(found).flatten(1).any(-1).nonzero().squeeze(-1)
    if len(rows) and other is not guess:
        found[rows] = solved(steps.part(rows), other[rows])
    return found


class _Solve(torch.autograd.Function):
    """Stages and inverse matrices as constants, found outside of every transform: `vmap` forbids such iterations."""

    @staticmethod
    def forward(step: RadauStep, p: Tensor, z: Tensor, t: Tensor, h: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        batch, count = z.shape[:-1], z.shape[:-1].numel()
        flat = z.reshape(count, -1), t.reshape(count), h.reshape(count), u.reshape(count, u.shape[-1])
        found = step.solve_stages(p, *flat)
        inverse = step.inverses(p, *flat, found)
        return found.reshape(*batch, *found.shape[1:]), inverse.reshape(*batch, *inverse.shape[1:])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[None, ...]:
        return (None,) * 6

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], step: RadauStep, p: Tensor, *arrays: Tensor) -> Any:
        batched = [
            array.expand(info.batch_size, *array.shape) if dim is None else array.movedim(dim, 0)
            for array, dim in zip(arrays, in_dims[2:], strict=True)
        ]
        if in_dims[1] is None:
            return _solve(step, p, *batched), (0, 0)
        each = [_solve(step, *sample) for sample in zip(p.movedim(in_dims[1], 0), *batched, strict=True)]
        return tuple(torch.stack(part) for part in zip(*each, strict=True)), (0, 0)


def _solve(step: RadauStep, *given: Tensor) -> tuple[Tensor, Tensor]:
    """Stages and inverse matrices for (p, z, t, h, u), without derivatives, inside of any transform."""
    found: tuple[Tensor, Tensor] = _Solve.apply(step, *given)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return found
