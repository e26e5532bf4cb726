"""The equations of a Gauss-Newton step, with what belongs to single trajectories eliminated first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Linear:
    """Residuals at a point and their Jacobian.

    Attributes:
        rows: (M, R), misfits in standard deviations; 0 where nothing was observed.
        by_common: (M, R, C), with respect to what all trajectories share.
        by_own: (M, R, n), with respect to the initial state of each.
        extra: (Q,), residuals that belong to no trajectory.
        extra_by_common: (Q, C).
    """

    rows: Tensor
    by_common: Tensor
    by_own: Tensor
    extra: Tensor
    extra_by_common: Tensor


@dataclass(frozen=True)
class NormalEquations:
    """[[A, B_i], [B_i', C_i]] d = -[g, g_i], one block C_i per trajectory.

    Attributes:
        a: (C, C).
        b: (M, C, n).
        c: (M, n, n).
        g: (C,).
        g_own: (M, n).
    """

    a: Tensor
    b: Tensor
    c: Tensor
    g: Tensor
    g_own: Tensor

    @staticmethod
    def of(linear: Linear, precision: Tensor, pull: Tensor, own_precision: Tensor, own_pull: Tensor) -> NormalEquations:
        """Sum up a Jacobian and Gaussian priors.

        Args:
            linear: residuals and Jacobian.
            precision: (C,), of the priors on what is shared.
            pull: (C,), their gradient: precision times distance from the mean.
            own_precision: (n,), of the priors on what is own.
            own_pull: (M, n), their gradient.
        """
        flat = torch.cat([linear.by_common.flatten(0, 1), linear.extra_by_common])
        rows = torch.cat([linear.rows.reshape(-1), linear.extra])
        own_t = linear.by_own.transpose(1, 2)
        return NormalEquations(
            a=flat.T @ flat + torch.diag(precision),
            b=linear.by_common.transpose(1, 2) @ linear.by_own,
            c=own_t @ linear.by_own + torch.diag(own_precision),
            g=flat.T @ rows + pull,
            g_own=(own_t @ linear.rows.unsqueeze(-1)).squeeze(-1) + own_pull,
        )

    def solve(self, damping: float) -> tuple[Tensor, Tensor] | None:
        """The step (C,) and (M, n); None if the equations are singular or not finite."""
        reduced, c = self._reduced(damping)
        if reduced is None or c is None:
            return None
        c_g = torch.cholesky_solve(self.g_own.unsqueeze(-1), c)
        right = -self.g + (self.b @ c_g).sum(0).squeeze(-1)
        factor, info = torch.linalg.cholesky_ex(reduced)
        if int(info) != 0:
            return None
        common = torch.cholesky_solve(right.unsqueeze(-1), factor).squeeze(-1)
        own = -torch.cholesky_solve(self.g_own.unsqueeze(-1) + self.b.transpose(1, 2) @ common.unsqueeze(-1), c)
        return (common, own.squeeze(-1)) if bool(torch.isfinite(common).all()) else None

    def covariance(self) -> Tensor | None:
        """(C, C): the inverse with what is own integrated out; None if singular."""
        reduced, _ = self._reduced(0.0)
        if reduced is None:
            return None
        factor, info = torch.linalg.cholesky_ex(reduced)
        return torch.cholesky_inverse(factor) if int(info) == 0 else None

    def _reduced(self, damping: float) -> tuple[Tensor | None, Tensor | None]:
        """The Schur complement of the own blocks, and their Cholesky factors."""
        n = self.c.shape[-1]
        eye = torch.eye(n, dtype=self.c.dtype, device=self.c.device)
        c, info = torch.linalg.cholesky_ex(self.c + damping * eye)
        if bool((info != 0).any()):
            return None, None
        solved = torch.cholesky_solve(self.b.transpose(1, 2), c).flatten(0, 1)
        eliminated = self.b.permute(1, 0, 2).flatten(1) @ solved
        damped = self.a + damping * torch.eye(len(self.a), dtype=self.a.dtype, device=self.a.device)
        return damped - eliminated, c
