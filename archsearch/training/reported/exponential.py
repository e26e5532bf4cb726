"""Rough rollouts of one step per interval, from which trajectories are then solved at once.

An explicit step of that length explodes where equations forget fast, an implicit one is far off where they grow fast.
An exponential one follows both: it is exact for what is linear.
"""

from __future__ import annotations

import torch
from torch import Tensor

from archsearch.training.flow.integrate import Field

NUDGE = 1e-7
"""Relative difference for derivatives: the error of a step is larger, and Newton's iteration corrects it."""


@torch.no_grad()
def exponential_rollout(field: Field, z0: Tensor, times: Tensor, inputs: Tensor, typical: float) -> Tensor:
    """Integrate by one exponential Rosenbrock-Euler step per interval.

    Args:
        field: vector field.
        z0: (N, n), inner coordinates, at `times[:, 0]`.
        times: (N, T), time unit.
        inputs: (N, T, m), held from each sample to the next.
        typical: size of states, for the differences that derivatives are taken by.

    Returns:
        (N, T, n), inner coordinates; not finite where a step left the range of all numbers.

    Reference: Hochbruck, M. & Ostermann, A., Exponential integrators, Acta Numerica 19 (2010), section 2.4. Differs in
    that phi_1(hJ) = (exp(hJ) - 1) / hJ is its approximation 12 / (12 - 6 hJ + (hJ)^2), of order 4 and A-stable, and in
    that the field is taken in the middle of a step in time.
    """
    many, n = z0.shape
    spans = times.diff()
    middles = (times[:, :-1] + spans / 2).T.repeat(1, 1 + n)
    held = inputs[:, :-1].transpose(0, 1).repeat(1, 1 + n, 1)
    identity, which = torch.eye(n).to(z0), nudged_states(n).to(z0).unsqueeze(1)
    states, z = [z0], z0
    for h, t, u in zip(spans.T.unsqueeze(-1).unbind(), middles.unbind(), held.unbind(), strict=True):
        size = NUDGE * (z.abs() + typical)
        places = torch.addcmul(z, which, size)
        change = h * field(t, places.view(-1, n), u).view(1 + n, many, n)
        jacobian = ((change[1:] - change[:1]) / size.T.unsqueeze(-1)).permute(1, 2, 0)
        matrix = torch.baddbmm(identity, jacobian, jacobian, alpha=1 / 12).sub_(jacobian, alpha=1 / 2)
        z = z + torch.linalg.solve_ex(matrix, change[0].unsqueeze(-1))[0].squeeze(-1)
        states.append(z)
    return torch.stack(states, 1)


def nudged_states(n: int) -> Tensor:
    """(1 + n, n): for differences, which of n states is nudged; first none is."""
    return torch.cat([torch.zeros(1, n), torch.eye(n)])
