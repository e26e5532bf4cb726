"""How fast a rollout forgets where it began: growth of its sensitivity to the initial state."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.training.flow.sensitivities import CHUNK, Flat, step_of
from archsearch.training.squares.losses import Loss


@torch.no_grad()
def log_growth(loss: Loss, z: Tensor) -> Tensor:
    """(N, T): logarithm of the norm of the derivative of each state of a path by its first, in standard deviations.

    All intervals are linearised at once; their product is scaled back to norm 1 as it goes, so that it never overflows.

    Args:
        loss: model and data.
        z: (N, T, n), inner coordinates, the path to linearise along.
    """
    matrices = transitions(loss, z)
    product = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device).expand(len(z), -1, -1)
    total = z.new_zeros(len(z))
    logs = [total]
    for k in range(matrices.shape[1]):
        product = matrices[:, k] @ product
        size = torch.linalg.matrix_norm(product).clamp(min=1e-300)
        product, total = product / size[:, None, None], total + size.log()
        logs.append(total)
    grown = torch.stack(logs, 1)
    start = 0.5 * torch.log(grown.new_tensor(float(z.shape[-1])))  # the Frobenius norm of the identity
    return torch.cat([grown[:, :1], grown[:, 1:] - start], 1)


def transitions(loss: Loss, z: Tensor) -> Tensor:
    """(N, T - 1, n, n): derivative of the end of each interval by its beginning, in standard deviations."""
    n, samples = z.shape[-1], loss.samples
    step = step_of(loss.model, loss.coordinates, loss.settings.substeps)
    linear = vmap(jacrev(step, argnums=1), in_dims=(None, 0, 0, 0, 0), chunk_size=CHUNK)
    h = samples.times[:, 1:] - samples.times[:, :-1]
    matrices: Tensor = linear(
        Flat.of(loss.model).vector(loss.model),
        z[:, :-1].reshape(-1, n),
        samples.times[:, :-1].reshape(-1),
        h.reshape(-1),
        samples.inputs[:, :-1].flatten(0, 1),
    )
    return matrices.reshape(*h.shape, n, n) * loss.scale / loss.scale[:, None]


def growth_rate(logs: Tensor, times: Tensor, valid: Tensor) -> float:
    """Exponential growth per time unit: the slope of the logarithms, averaged over trajectories.

    A line with an intercept, so that neither the transient at the beginning nor growth by a power of time counts for
    much. Samples whose logarithm is not finite are left out; infinite if nothing else is left.

    Args:
        logs: (N, T), as of `log_growth`.
        times: (N, T).
        valid: (N, T), samples that count.

    Reference:
        Finite-time Lyapunov exponent; Benettin, Galgani, Giorgilli & Strelcyn (1980), Meccanica 15:9, who scale as the
        product goes. There the value at the end over the time, here the slope.
    """
    counted = (valid & torch.isfinite(logs)).to(logs.dtype)
    logs, total = torch.nan_to_num(logs), counted.sum(1, keepdim=True).clamp(min=1.0)
    away = (times - (counted * times).sum(1, keepdim=True) / total) * counted
    spread = away.square().sum(1)
    known = spread > 0
    if not bool(known.any()):
        return float("inf")
    return float(((away * logs).sum(1)[known] / spread[known]).mean())
