"""Equations of a chain of states that share a few unknowns: block tridiagonal with a border."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Chain:
    """[[A, B'], [B, T]] [c, s] = -[g, g_own], with one block tridiagonal T for each of N trajectories.

    Attributes:
        a: (C, C), of what all trajectories share.
        border: (N, W, n, C), B.
        diagonal: (N, W, n, n), blocks on the diagonal of T.
        lower: (N, W - 1, n, n), blocks under it: rows of state w + 1, columns of state w.
        g: (C,).
        g_own: (N, W, n).
    """

    a: Tensor
    border: Tensor
    diagonal: Tensor
    lower: Tensor
    g: Tensor
    g_own: Tensor

    def solve(self, damping: float) -> tuple[Tensor, Tensor] | None:
        """The step, (C,) and (N, W, n), with `damping` added to the whole diagonal; None if not positive definite.

        The states are eliminated from first to last, as a Kalman smoother does, so that no product of transition
        matrices over the whole time is ever formed: it would overflow for an unstable system.
        """
        eliminated = self._eliminated(damping)
        if eliminated is None:
            return None
        factors, right = eliminated
        factor, info = torch.linalg.cholesky_ex(self._shared(factors, right, damping))
        if int(info) != 0:
            return None
        common = -torch.cholesky_solve(self._gradient(factors, right).unsqueeze(-1), factor).squeeze(-1)
        own = self._substituted(factors, right, common)
        return (common, own) if bool(torch.isfinite(own).all() & torch.isfinite(common).all()) else None

    def covariance(self) -> Tensor | None:
        """(C, C): the inverse with all states integrated out; None if singular."""
        eliminated = self._eliminated(0.0)
        if eliminated is None:
            return None
        factor, info = torch.linalg.cholesky_ex(self._shared(*eliminated, 0.0))
        return torch.cholesky_inverse(factor) if int(info) == 0 else None

    def _eliminated(self, damping: float) -> tuple[list[Tensor], list[Tensor]] | None:
        """Cholesky factors of the pivots (N, n, n), and [B, g_own] (N, n, C + 1) after elimination, state by state."""
        n = self.diagonal.shape[-1]
        diagonal = self.diagonal + damping * torch.eye(n, dtype=self.a.dtype, device=self.a.device)
        rows = torch.cat([self.border, self.g_own.unsqueeze(-1)], -1)
        factors: list[Tensor] = []
        right: list[Tensor] = []
        for w in range(diagonal.shape[1]):
            pivot, row = diagonal[:, w], rows[:, w]
            if w > 0:
                lower = self.lower[:, w - 1]
                pivot = pivot - lower @ torch.cholesky_solve(lower.mT, factors[-1])
                row = row - lower @ torch.cholesky_solve(right[-1], factors[-1])
            factor, info = torch.linalg.cholesky_ex(pivot)
            if bool((info != 0).any()):
                return None
            factors.append(factor)
            right.append(row)
        return factors, right

    def _shared(self, factors: list[Tensor], right: list[Tensor], damping: float) -> Tensor:
        """(C, C): the Schur complement of all states."""
        border = torch.cat([_whitened(*pair)[..., :-1].flatten(0, 1) for pair in zip(factors, right, strict=True)])
        return self.a + damping * torch.eye(len(self.a), dtype=self.a.dtype, device=self.a.device) - border.T @ border

    def _gradient(self, factors: list[Tensor], right: list[Tensor]) -> Tensor:
        """(C,): the gradient that remains after the elimination."""
        both = torch.cat([_whitened(*pair).flatten(0, 1) for pair in zip(factors, right, strict=True)])
        return self.g - both[:, :-1].T @ both[:, -1]

    def _substituted(self, factors: list[Tensor], right: list[Tensor], common: Tensor) -> Tensor:
        """(N, W, n): the states, from last to first."""
        states: list[Tensor] = []
        for w in reversed(range(len(factors))):
            value = -(right[w][..., :-1] @ common + right[w][..., -1]).unsqueeze(-1)
            if states:
                value = value - self.lower[:, w].mT @ states[-1]
            states.append(torch.cholesky_solve(value, factors[w]))
        return torch.stack(states[::-1], 1).squeeze(-1)


def _whitened(factor: Tensor, right: Tensor) -> Tensor:
    """L^-1 R, so that R' (L L')^-1 R is its square."""
    whitened: Tensor = torch.linalg.solve_triangular(factor, right, upper=False)
    return whitened
