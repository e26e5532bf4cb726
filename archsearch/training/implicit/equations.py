"""The equations of a model in inner coordinates, differential and algebraic together, and those of a Radau step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.substitution import of_unknowns
from archsearch.training.implicit.tableau import STAGES, radau_nodes, radau_weights

CHUNK = 4096
"""Points linearised at once: more do not fit the cache."""


class Equations:
    """A model as one function of its unknowns: slopes of the differential states, then the algebraic residuals.

    A complete inner state is (..., n + q): n differential states in inner coordinates, q algebraic variables in natural
    units.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
    """

    def __init__(self, model: HybridModel, coordinates: Coordinates) -> None:
        self.n = len(model.states)
        self.guess = tuple(float(value) for value in model.algebraic_variables.values())
        self.q = len(self.guess)
        self._model, self._coordinates = model, coordinates
        self._at = of_unknowns(model, self._both)

    def __call__(self, p: Tensor, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        """Slopes and residuals.

        Args:
            p: (P,), parameters and weights.
            t: (...), time.
            v: (..., n + q), complete inner state.
            u: (..., m), inputs.

        Returns:
            (..., n + q): dz/dt (n), inner coordinates per time unit, and what must be 0 (q).
        """
        values: Tensor = self._at(p, t, v, u)
        return values

    @torch.no_grad()
    def jacobian(self, p: Tensor, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        """(B, n + q, n + q), derivatives with respect to the complete state, for B points at once."""
        by_state: Tensor = vmap(jacrev(self, 2), in_dims=(None, 0, 0, 0), chunk_size=CHUNK)(p, t, v, u)
        return by_state

    def natural(self, v: Tensor) -> Tensor:
        """(..., n + q), a complete inner state in natural units."""
        return torch.cat([self._coordinates.natural(v[..., : self.n]), v[..., self.n :]], -1)

    def started(self, z: Tensor) -> Tensor:
        """(..., n + q), differential states completed by the start guesses of the algebraic variables."""
        return torch.cat([z, z.new_tensor(self.guess).expand(*z.shape[:-1], self.q)], -1)

    def _both(self, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        """(..., n + q), slopes and residuals at the parameters that are in force."""
        x = self._coordinates.natural(v[..., : self.n])
        w = torch.cat([x, v[..., self.n :]], -1) if self.q else x
        with self._model.prepared():
            slopes = self._model.derivative(t, w, u)
            if self._coordinates.any_logarithmic:
                slopes = slopes / torch.where(self._coordinates.logarithmic, x, 1.0)
            return torch.cat([slopes, self._model.residuals(t, w, u)], -1) if self.q else slopes


@dataclass(frozen=True)
class StageEquations:
    """What the three stages of a Radau step must fulfil, for any batch of steps.

    A step of length 0, which is how samples are padded, stands still: its stages are the state at its left end.

    Attributes:
        equations: the model.
        p: (P,).
        z: (..., n), inner coordinates, at the left end.
        t: (...), time at the left end.
        h: (...), length.
        u: (..., m), held.
    """

    equations: Equations
    p: Tensor
    z: Tensor
    t: Tensor
    h: Tensor
    u: Tensor

    def part(self, rows: Tensor) -> StageEquations:
        """The steps of a batch at an index (R,)."""
        return replace(self, z=self.z[rows], t=self.t[rows], h=self.h[rows], u=self.u[rows])

    def residual(self, stages: Tensor) -> Tensor:
        """(..., 3, n + q), what must be 0, of complete inner states at the nodes (..., 3, n + q)."""
        n, step = self.equations.n, self.h[..., None, None]
        values = self.equations(self.p, *self._points(stages))
        moved = radau_weights().to(stages) @ values[..., :n]
        gap = stages[..., :n] - self.z.unsqueeze(-2) - step * moved
        return torch.cat([gap, torch.where(step == 0, 0.0, values[..., n:])], -1)

    @torch.no_grad()
    def matrix(self, stages: Tensor) -> Tensor:
        """(B, 3(n + q), 3(n + q)), derivatives of the residual of B steps with respect to their stages."""
        n, size = self.equations.n, stages.shape[-1]
        points = (array.flatten(0, 1) for array in self._points(stages))
        slopes = self.equations.jacobian(self.p, *points).reshape(-1, 1, STAGES, size, size)
        own = torch.eye(STAGES, dtype=stages.dtype, device=stages.device)
        moved = -self.h[:, None, None, None, None] * radau_weights().to(stages)[..., None, None] * slopes[..., :n, :]
        held = own[..., None, None] * slopes[..., n:, :]
        whole = torch.cat([moved, held], -2).transpose(2, 3).reshape(-1, STAGES * size, STAGES * size)
        unit = torch.ones(size, dtype=stages.dtype, device=stages.device)
        unit[n:] = 0
        whole = whole + torch.diag(unit.repeat(STAGES))
        still = torch.eye(STAGES * size, dtype=stages.dtype, device=stages.device)
        return torch.where(self.h[:, None, None] == 0, still, whole)

    def _points(self, stages: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Times (..., 3), complete states (..., 3, n + q) and inputs (..., 3, m) at the nodes."""
        t = self.t.unsqueeze(-1) + self.h.unsqueeze(-1) * radau_nodes().to(stages)
        u = self.u.unsqueeze(-2)
        return t, stages, u.expand(*u.shape[:-2], STAGES, u.shape[-1])
