"""Levenberg-Marquardt for sums of very many squares: the gradient from all of them, the curvature from a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from archsearch.training.algebra.minimise import Minimum, Reason

FEWEST, MOST = 300, 600
"""Points at which the curvature is sampled: first, and once little is gained any more."""
SLOW = 0.05
"""Relative decrease of an iteration under which the sample is doubled."""
SMALL = 1e-3
"""Relative decrease that is called small; two such iterations in a row, with the largest sample, end the descent."""
FIRST_DAMPING, LEAST_DAMPING = 1e-2, 1e-8
REFUSALS = 8
RAISE, LOWER = 4.0, 3.0


class Objective(Protocol):
    """A sum of squares as a function of a vector (P,)."""

    def cost(self, p: Tensor) -> Tensor:
        """The sum: scalar, differentiable."""
        ...

    def rows(self, p: Tensor, many: int) -> Tensor:
        """(R, P), random rows whose products sum up to those of the Jacobian in the mean."""
        ...


@dataclass(frozen=True)
class Prior:
    """A Gaussian prior in the units of the cost: precision (P,) and mean (P,)."""

    precision: Tensor
    mean: Tensor

    def cost(self, p: Tensor) -> Tensor:
        """Scalar."""
        return (self.precision * (p - self.mean).square()).sum()


def descend(
    objective: Objective, prior: Prior, p: Tensor, steps: int, go_on: Callable[[Tensor, int, float], bool]
) -> tuple[Tensor, Minimum]:
    """Lower a cost and a prior from p; the point reached and how.

    Args:
        objective: what to lower.
        prior: of the unknowns.
        p: (P,), where to begin.
        steps: iterations at most.
        go_on: told the point after every iteration, their number and the cost; False stops.

    Reference:
        Byrd, Chin, Neveitt & Nocedal (2011), SIAM J. Optim. 21:977; Roosta-Khorasani & Mahoney (2019), Math. Program.
        174:293. Damped as in Levenberg-Marquardt, in place of their line search.
    """
    cost = float(_total(objective, prior, p))
    many, damping, small, done = FEWEST, FIRST_DAMPING, 0, 0
    reason: Reason = "steps" if cost < float("inf") else "not finite"
    while done < steps and reason == "steps":
        found = _improve(objective, prior, p, cost, many, damping)
        done += 1
        gained = 0.0
        if found is not None:
            before, (p, cost, damping) = cost, found
            gained = (before - cost) / before if before > 0 else 0.0
            if not go_on(p, done, cost):
                reason = "stopped"
        small = small + 1 if gained < SMALL and many == MOST else 0
        many = min(2 * many, MOST) if gained < SLOW else many
        if small == 2:
            reason = "converged"
    return p, Minimum(cost, done, reason)


def _improve(
    objective: Objective, prior: Prior, p: Tensor, cost: float, many: int, damping: float
) -> tuple[Tensor, float, float] | None:
    """The next point, its cost and its damping; None if no damping helps."""
    gradient = _gradient(objective, prior, p)
    rows = objective.rows(p, many)
    size = rows.square().sum() / rows.shape[1]
    for _ in range(REFUSALS):
        step = solve(rows, prior.precision + damping * size, gradient)
        if step is not None:
            trial = p - step
            with torch.no_grad():
                trial_cost = float(_total(objective, prior, trial))
            if trial_cost < cost:
                return trial, trial_cost, max(damping / LOWER, LEAST_DAMPING)
        damping *= RAISE
    return None


def _total(objective: Objective, prior: Prior, p: Tensor) -> Tensor:
    return objective.cost(p) + prior.cost(p)


def _gradient(objective: Objective, prior: Prior, p: Tensor) -> Tensor:
    """(P,), half the gradient, as in the normal equations."""
    unknown = p.detach().clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(_total(objective, prior, unknown), unknown)
    return slope / 2


def solve(rows: Tensor, diagonal: Tensor, right: Tensor) -> Tensor | None:
    """(P,): (rows' rows + diag)^-1 right, by the smaller of both Gram matrices; None if singular or not finite.

    Args:
        rows: (R, P).
        diagonal: (P,), positive.
        right: (P,).
    """
    root = diagonal.sqrt()
    scaled, aim = rows / root, right / root
    wide = scaled.shape[0] < scaled.shape[1]
    gram = scaled @ scaled.T if wide else scaled.T @ scaled
    gram.diagonal().add_(1.0)
    factor, info = torch.linalg.cholesky_ex(gram)
    if int(info) != 0:
        return None
    if wide:
        found = aim - scaled.T @ torch.cholesky_solve((scaled @ aim).unsqueeze(-1), factor).squeeze(-1)
    else:
        found = torch.cholesky_solve(aim.unsqueeze(-1), factor).squeeze(-1)
    return found / root if bool(torch.isfinite(found).all()) else None
