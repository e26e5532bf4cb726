"""The linear algebra of a Gauss-Newton step: rows, priors, and what belongs to single trajectories.

All unknowns are scaled by the standard deviation of their prior, so that damping is one number: more noise for the
length of one step. With fewer rows than unknowns everything happens in the space of the rows, which is then smaller.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from archsearch.training.algebra.linear_problem import Determined, Linear, Prior, Step

BLUR = 3e-7
"""Share of the trace of a matrix below which single precision blurs what is added to its diagonal."""


class Curvature:
    """Rows and priors at a point, ready for steps with any damping.

    Args:
        linear: residuals and Jacobian.
        prior: of the unknowns.
    """

    def __init__(self, linear: Linear, prior: Prior) -> None:
        dtype = linear.rows.dtype
        self._prior, self._spread = prior, prior.spread().to(dtype)
        self._seen = linear.seen & _answering(linear)
        self._count = int(self._seen.sum())
        self._own = torch.where(self._seen.unsqueeze(-1), linear.by_own, 0.0)
        self._j = torch.cat([linear.by_common[self._seen], linear.extra_by_common]) * self._spread
        self._r = torch.cat([linear.rows[self._seen], linear.extra])
        self._mute = float(linear.rows[linear.seen & ~self._seen].square().sum())
        self._w = (prior.away / prior.spread()).to(dtype)
        self._own_w = prior.own_away.to(dtype)
        self.in_rows = len(self._r) < self._j.shape[1]
        self._parts: tuple[Tensor, Tensor] | None = None
        self._rough: Tensor | None = None
        self._directions: tuple[Tensor, Tensor] | None = None
        self._trace = float(self._j.square().sum() + self._own.square().sum())

    def step(self, noise: float, damping: float) -> Step | None:
        """The step that minimises the damped linearised cost; None if that cannot be solved."""
        if not math.isfinite(self._trace):
            return None
        total = noise + damping
        share = noise / total  # the square of the distance to the prior's mean is completed with that of the step
        right = self._r - share * (self._j @ self._w + self._by_own(self._own_w))
        found = self._in_rows(right, total) if self.in_rows else self._in_unknowns(right, total)
        if found is None or not bool(torch.isfinite(found[0]).all()):
            return None
        common, own = found[0] - share * self._w, found[1] - share * self._own_w
        left = self._r + self._j @ common + self._by_own(own)
        priors = (self._w + common).square().sum() + (self._own_w + own).square().sum()
        promised = float(left.square().sum() + noise * priors) + self._mute
        return Step((common * self._spread).double(), own.double(), promised)

    def determined(self, noise: float) -> Determined | None:
        """How many unknowns the data determine.

        Reference:
            MacKay (1992), Neural Computation 4:415, eq. 4.9: the sum of l / (l + a) over the eigenvalues l of the
            curvature.
        """
        if not math.isfinite(self._trace):
            return None
        return self._rows_determine(noise) if self.in_rows else self._unknowns_determine(noise)

    def covariance(self, noise: float, first: int) -> Tensor | None:
        """(first, first): posterior covariance of the first unknowns, all others integrated out; None if singular.

        Reference:
            The Laplace approximation: the information about some unknowns is what remains after projecting out the
            tangents of all others.
        """
        if not math.isfinite(self._trace):
            return None
        found = self._covariance_in_rows(noise, first) if self.in_rows else self._covariance(noise, first)
        spread = self._spread[:first]
        return None if found is None else noise * spread[:, None] * found * spread

    # ---- initial states ------------------------------------------------------------------------------------------

    def _by_own(self, w: Tensor) -> Tensor:
        """(m,): the Jacobian by initial states times (M, n)."""
        rows = (self._own @ w.unsqueeze(-1)).squeeze(-1)[self._seen]
        return torch.cat([rows, rows.new_zeros(len(self._r) - len(rows))])

    def _to_own(self, rows: Tensor) -> Tensor:
        """(M, n): the transpose of that times (m,)."""
        apart = rows.new_zeros(self._seen.shape)
        apart[self._seen] = rows[: self._count]
        return (self._own.mT @ apart.unsqueeze(-1)).squeeze(-1)

    def _own_kernel(self) -> Tensor:
        """(m, m): what initial states add to the Gram matrix of the rows."""
        size, count = len(self._r), self._count
        kernel = torch.zeros(size, size, dtype=torch.float64, device=self._r.device)
        where = self._seen.reshape(-1)
        blocks: Tensor = torch.block_diag(*(self._own @ self._own.mT).unbind(0))  # type: ignore[no-untyped-call]
        kernel[:count, :count] = blocks[where][:, where]
        return kernel

    # ---- in the space of the rows --------------------------------------------------------------------------------

    def _blurred(self, total: float) -> bool:
        """Whether single precision would blur what is to be added to the diagonal."""
        return total < BLUR * self._trace

    def _kernels(self) -> tuple[Tensor, Tensor]:
        """J J' of the weights, and of everything else."""
        if self._parts is None:
            weights = self._prior.weights
            rest = gram(self._j[:, ~weights])
            self._parts = gram(self._j[:, weights]), rest + self._own_kernel() if self._own.shape[-1] else rest
        return self._parts

    def _in_rows(self, right: Tensor, total: float) -> tuple[Tensor, Tensor] | None:
        by_weights, by_rest = self._kernels()
        factor = factor_of(by_weights + by_rest, total)
        if factor is None:
            return None
        solved = torch.cholesky_solve(right.double().unsqueeze(-1), factor).squeeze(-1).to(right.dtype)
        return -(self._j.T @ solved), -self._to_own(solved)

    def _rows_determine(self, noise: float) -> Determined | None:
        by_weights, by_rest = self._kernels()
        factor = factor_of(by_weights + by_rest, noise)
        if factor is None:
            return None
        inverse = torch.cholesky_inverse(factor)
        return Determined(float((inverse * by_weights).sum()), float((inverse * by_rest).sum()))

    def _covariance_in_rows(self, noise: float, first: int) -> Tensor | None:
        others = gram(self._j[:, first:])
        kernel = factor_of(others + self._own_kernel() if self._own.shape[-1] else others, noise)
        if kernel is None:
            return None
        mine = self._j[:, :first].double()
        factor = factor_of(noise * mine.T @ torch.cholesky_solve(mine, kernel), noise)
        return None if factor is None else torch.cholesky_inverse(factor)

    # ---- in the space of the unknowns, initial states eliminated -------------------------------------------------

    def _eliminated(self, total: float, *columns: Tensor) -> list[Tensor]:
        """Columns (m, ...) without what the initial states can explain of them, so that their squares add up right."""
        if not self._own.shape[-1]:
            return list(columns)
        if self._directions is None:
            u, s, _ = torch.linalg.svd(self._own, full_matrices=False)
            self._directions = u, s
        u, s = self._directions
        shrink = (1.0 - (total / (total + s.square())).sqrt()).unsqueeze(-1)
        left = []
        for column in columns:
            apart = column.new_zeros(*self._seen.shape, column.shape[-1])
            apart[self._seen] = column[: self._count]
            apart = apart - u @ (shrink * (u.mT @ apart))
            left.append(torch.cat([apart[self._seen], column[self._count :]]))
        return left

    def _in_unknowns(self, right: Tensor, total: float) -> tuple[Tensor, Tensor] | None:
        j, r = self._eliminated(total, self._j, right.unsqueeze(-1))
        factor = factor_of(self._gram_of(j, exact=self._blurred(total)), total)
        if factor is None:
            return None
        common = -torch.cholesky_solve((j.T @ r).to(factor.dtype), factor).squeeze(-1).to(r.dtype)
        exact = self._own.double()
        own = exact.mT @ exact + total * torch.eye(exact.shape[-1], dtype=torch.float64, device=r.device)
        pull = self._to_own(right + self._j @ common).double()
        solved, info = torch.linalg.solve_ex(own, pull.unsqueeze(-1))
        return None if bool((info != 0).any()) else (common, -solved.squeeze(-1).to(r.dtype))

    def _gram_of(self, j: Tensor, exact: bool = True) -> Tensor:
        """J' J, kept where it does not depend on the damping."""
        if j is not self._j:
            return gram(j.T, exact)
        if exact:
            if self._parts is None:
                self._parts = gram(j.T), j.new_zeros(0)
            return self._parts[0]
        if self._rough is None:
            self._rough = gram(j.T, exact=False) if self._parts is None else self._parts[0]
        return self._rough

    def _unknowns_determine(self, noise: float) -> Determined | None:
        (j,) = self._eliminated(noise, self._j)
        weights = self._prior.weights
        factor = factor_of(self._gram_of(j), noise)
        if factor is None:
            return None
        by_data = 1.0 - noise * torch.cholesky_inverse(factor).diagonal()
        own = float(self._own.any(1).sum())  # data all but always determine a state that they begin with
        return Determined(float(by_data[weights].sum()), float(by_data[~weights].sum()) + own)

    def _covariance(self, noise: float, first: int) -> Tensor | None:
        (j,) = self._eliminated(noise, self._j)
        factor = factor_of(self._gram_of(j), noise)
        if factor is None:
            return None
        ones = torch.eye(j.shape[1], first, dtype=torch.float64, device=j.device)
        return torch.cholesky_solve(ones, factor)[:first]


def _answering(linear: Linear) -> Tensor:
    """(M, R): rows that depend on any unknown; the others only cost time."""
    return (linear.by_common != 0).any(-1) | (linear.by_own != 0).any(-1)


def gram(a: Tensor, exact: bool = True) -> Tensor:
    """A A' of a matrix; exactly: in double precision, because small eigenvalues say what the data do not determine.

    On a CPU by numpy, which does half the work because it knows that the result is symmetric.
    """
    a = a.double() if exact else a
    if a.device.type != "cpu":
        return a @ a.T
    array = a.contiguous().numpy()
    return torch.from_numpy(array @ array.T)


def factor_of(matrix: Tensor, ridge: float) -> Tensor | None:
    """The Cholesky factor of a matrix plus a multiple of one; None if it has none."""
    damped = matrix.clone()
    damped.diagonal().add_(ridge)
    factor, info = torch.linalg.cholesky_ex(damped)
    return factor if int(info) == 0 else None
