"""Integrate stiff and differential-algebraic models on the training grid, and tell which models need it."""

from __future__ import annotations

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.implicit.equations import Equations
from archsearch.training.implicit.radau import RadauStep
from archsearch.training.implicit.tableau import interpolated, radau_nodes

SINGULAR = 1e-10
"""Reciprocal condition of the algebraic equations below which they do not determine the algebraic variables."""
CORRECTIONS = 12
FARTHEST = 2.0
"""How far the polynomial of a step is carried on to guess the next one, in steps."""


@torch.no_grad()
def implicit_rollout(
    model: HybridModel, coordinates: Coordinates, z0: Tensor, times: Tensor, inputs: Tensor, substeps: int
) -> tuple[Tensor, Tensor]:
    """Integrate with a fixed number of Radau IIA steps of order 5 per sampling interval.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        z0: (N, n), inner coordinates, at `times[:, 0]`.
        times: (N, T), time unit.
        inputs: (N, T, m), held from each sample to the next.
        substeps: steps per interval.

    Returns:
        (N, T, n), inner coordinates, and (N, T, q), algebraic variables. At the first sample these solve the algebraic
        equations, started from what the first stages say; NaN if the equations do not determine them there (index 2).
        Both are NaN from where a trajectory cannot be integrated further.
    """
    step = RadauStep(model, coordinates, substeps)
    n, p = step.equations.n, Flat.of(model).vector(model)
    if times.shape[1] == 1:
        return z0.unsqueeze(1), z0.new_full((len(z0), 1, step.equations.q), torch.nan)
    stages = rollout_stages(step, p, z0, times, inputs)
    first = first_sample(step.equations, p, z0, stages[:, 0, 0], times[:, 0], inputs[:, 0])
    values = torch.cat([first.unsqueeze(1), stages[:, :, -1, -1]], 1)
    return values[..., :n], values[..., n:]


@torch.no_grad()
def rollout_stages(step: RadauStep, p: Tensor, z0: Tensor, times: Tensor, inputs: Tensor) -> Tensor:
    """All stages of a rollout, as `RadauStep.corrected` takes them.

    Args:
        step: model, coordinates, steps per interval.
        p: (P,).
        z0: (N, n), inner coordinates.
        times: (N, T), T > 1.
        inputs: (N, T, m).

    Returns:
        (N, T - 1, substeps, 3, n + q), complete inner states; NaN from the step that fails.
    """
    h = times[:, 1:] - times[:, :-1]
    guess, left = step.equations.started(z0), z0
    found: list[Tensor] = []
    for k in range(h.shape[1]):
        found.append(step.solve_stages(p, left, times[:, k], h[:, k], inputs[:, k], guess))
        begin = left if step.substeps == 1 else found[-1][:, -2, -1, : step.equations.n]
        left = found[-1][:, -1, -1, : step.equations.n]
        if k + 1 < h.shape[1]:
            ratio = torch.where(h[:, k] > 0, h[:, k + 1] / h[:, k], 0.0).clamp(max=FARTHEST)
            guess = interpolated(begin, found[-1][:, -1], 1 + ratio.unsqueeze(1) * radau_nodes().to(h))
    return torch.stack(found, 1)


def first_sample(equations: Equations, p: Tensor, z: Tensor, stages: Tensor, t: Tensor, u: Tensor) -> Tensor:
    """The complete state at the start of a trajectory, from its first Radau step.

    Args:
        equations: the model.
        p: (P,).
        z: (N, n), inner coordinates.
        stages: (N, 3, n + q), complete inner states at the nodes of the first step.
        t: (N,).
        u: (N, m).

    Returns:
        (N, n + q); the algebraic variables are NaN where their equations do not determine them.
    """
    n = equations.n
    if not equations.q:
        return z
    y = interpolated(z, stages, t.new_zeros(len(z), 1))[:, 0, n:]
    for _ in range(CORRECTIONS):
        v = torch.cat([z, y], -1)
        slopes = torch.nan_to_num(equations.jacobian(p, t, v, u)[:, n:, n:])
        inverse, singular = torch.linalg.inv_ex(slopes)
        change = (inverse @ equations(p, t, v, u)[:, n:, None]).squeeze(-1)
        y = y - change
    condition = 1 / (torch.linalg.matrix_norm(inverse, 1) * torch.linalg.matrix_norm(slopes, 1))
    settled = (change.abs() <= 1e-10 * y.abs().amax(-1, keepdim=True)).all(-1)
    determined = (settled & (singular == 0) & (condition > SINGULAR)).unsqueeze(-1)
    return torch.cat([z, torch.where(determined, y, torch.nan)], -1)


@torch.no_grad()
def is_stiff(model: HybridModel, coordinates: Coordinates, z: Tensor, times: Tensor, inputs: Tensor, most: int) -> bool:
    """Whether explicit Runge-Kutta steps of order 4 are unstable with `most` steps per sampling interval.

    The field is linearised at every sample; a decaying mode that the steps amplify makes the answer yes. Growing modes
    do not count: these are not stiff. A model with algebraic variables has no explicit method, and counts as stiff.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        z: (N, T, n), states at the samples, inner coordinates; those that are not finite are left out.
        times: (N, T).
        inputs: (N, T, m).
        most: steps per interval that one is ready to take.

    Reference: Hairer, E. & Wanner, G., Solving Ordinary Differential Equations II, 2nd ed., Springer 1996, section
    IV.2.
    """
    equations = Equations(model, coordinates)
    if equations.q:
        return True
    h = (times[:, 1:] - times[:, :-1]).flatten() / most
    points = (array[:, :-1].flatten(0, 1) for array in (times, z, inputs))
    slopes = equations.jacobian(Flat.of(model).vector(model), *points)
    known = torch.isfinite(slopes).flatten(1).all(-1)
    modes = torch.linalg.eigvals(slopes[known])
    r = modes * h[known, None]
    grown = (1 + r * (1 + r / 2 * (1 + r / 3 * (1 + r / 4)))).abs()
    return bool(((grown > 1) & (modes.real < 0)).any())
