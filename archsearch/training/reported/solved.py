"""Rollouts whose numbers are reported: to tight tolerances, by whichever method the model needs."""

from __future__ import annotations

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.implicit.adaptive import accurate_implicit
from archsearch.training.implicit.radau import RadauStep
from archsearch.training.implicit.tableau import interpolated
from archsearch.training.reported.accurate import accurate

BEGINNING = 1e-4
"""Length of the step from which algebraic variables are carried back to the start, in sampling intervals."""


@torch.no_grad()
def solved(
    model: HybridModel,
    coordinates: Coordinates,
    z0: Tensor,
    times: Tensor,
    inputs: Tensor,
    dense: int,
    stiff: bool = False,
    known: Tensor | None = None,
) -> Tensor:
    """Integrate explicitly where that works, implicitly where it does not.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        z0: (N, n), inner coordinates.
        times: (N, T), time unit.
        inputs: (N, T, m).
        dense: points returned per sampling interval.
        stiff: whether it is known that explicit methods need too many steps.
        known: what of explicit rollouts could be had at once, if that was asked before.

    Returns:
        (N, (T - 1) * dense + 1, n + q), complete inner states; every `dense`-th point is a sample. NaN from where no
        method can go further. Algebraic variables that their equations do not determine at the start (index 2) have
        there the value that they come from just after it.
    """
    if model.algebraic_variables or stiff:
        return _implicitly(model, coordinates, z0, times, inputs, dense)
    with model.prepared():
        z = accurate(coordinates.field(model), z0, times, inputs, dense, known=known)
    lost = (~torch.isfinite(z).flatten(1).all(-1) & torch.isfinite(z0).all(-1)).nonzero().squeeze(-1)
    if len(lost):
        again = _implicitly(model, coordinates, z0[lost], times[lost], inputs[lost], dense)
        z[lost] = torch.where(torch.isfinite(again), again, z[lost])
    return z


def _implicitly(
    model: HybridModel, coordinates: Coordinates, z0: Tensor, times: Tensor, inputs: Tensor, dense: int
) -> Tensor:
    """(N, (T - 1) * dense + 1, n + q), complete inner states by Radau steps."""
    if times.shape[1] == 1:
        return torch.cat([z0, z0.new_full((len(z0), len(model.algebraic_variables)), torch.nan)], -1).unsqueeze(1)
    z, y = accurate_implicit(model, coordinates, z0, times, inputs, dense)
    return completed(model, coordinates, z, y, times, inputs)


def completed(
    model: HybridModel, coordinates: Coordinates, z: Tensor, y: Tensor, times: Tensor, inputs: Tensor
) -> Tensor:
    """Join what an implicit rollout gives; what it leaves out at the start is carried back from a short step.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        z: (N, D, n), inner coordinates.
        y: (N, D, q), algebraic variables; NaN at the start if their equations do not say them there.
        times: (N, T).
        inputs: (N, T, m).

    Returns:
        (N, D, n + q), complete inner states.
    """
    if times.shape[1] > 1 and bool(torch.isnan(y[:, 0]).any()):
        begun = _begun(model, coordinates, z[:, 0], times, inputs)
        y = torch.cat([torch.where(torch.isnan(y[:, 0]), begun, y[:, 0]).unsqueeze(1), y[:, 1:]], 1)
    return torch.cat([z, y], -1)


def _begun(model: HybridModel, coordinates: Coordinates, z0: Tensor, times: Tensor, inputs: Tensor) -> Tensor:
    """(N, q): algebraic variables at the start."""
    step, p = RadauStep(model, coordinates, 1), Flat.of(model).vector(model)
    h = BEGINNING * (times[:, 1] - times[:, 0])
    stages = step.solve_stages(p, z0, times[:, 0], h, inputs[:, 0])[:, 0]
    return interpolated(z0, stages, torch.zeros_like(h).unsqueeze(1))[:, 0, z0.shape[-1] :]
