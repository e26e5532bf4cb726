"""Integrate a hybrid model to tight tolerances, for every number that is reported.

All trajectories are solved at once where they are smooth enough for that; the others step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchdiffeq import odeint

from archsearch.training.flow.integrate import Field, dense_inputs, dense_times, interval_field
from archsearch.training.reported.at_once import MOST_STATES, integrate_at_once
from archsearch.training.reported.exponential import exponential_rollout

RELATIVE = 1e-10
"""Tolerance of every number that is reported; the absolute one is a hundredth of it, times the size of the states."""
MOST_STEPS = 20_000
GUESSES = (1, 4, 16)
"""Substeps of the rollouts from which trajectories are solved at once, the next where one was too rough."""
MOST_GUESSED = 512
"""Steps of such a rollout: with more of them a step-by-step method is not much slower."""


def accurate(
    field: Field,
    z0: Tensor,
    times: Tensor,
    inputs: Tensor,
    dense: int,
    relative: float = RELATIVE,
    known: Tensor | None = None,
) -> Tensor:
    """Integrate to tight tolerances, for every number that is reported.

    Args:
        field: vector field.
        z0: (N, n), inner coordinates.
        times: (N, T), time unit.
        inputs: (N, T, m).
        dense: points returned per sampling interval.
        relative: tolerance.
        known: what `at_once` gave, if it was asked before.

    Returns:
        (N, (T - 1) * dense + 1, n), inner coordinates; every `dense`-th point is a sample. NaN from where a trajectory
        cannot be integrated further.
    """
    found = at_once(field, z0, times, inputs, (dense,), relative)[0] if known is None else known
    rows = (~torch.isfinite(found).flatten(1).all(-1)).nonzero().squeeze(-1)
    if len(rows):
        found[rows] = step_by_step(field, z0[rows], times[rows], inputs[rows], dense, relative)
    return found


def at_once(
    field: Field,
    z0: Tensor,
    times: Tensor,
    inputs: Tensor,
    dense: Sequence[int],
    relative: float = RELATIVE,
) -> list[Tensor]:
    """What of `accurate` can be had in few evaluations, for each of some numbers of points per sampling interval.

    NaN for every trajectory of which it cannot.
    """
    samples = times.shape[1]
    found = [z0.new_full((len(z0), (samples - 1) * each + 1, z0.shape[1]), torch.nan) for each in dense]
    rows = torch.isfinite(z0).all(-1).nonzero().squeeze(-1)
    if z0.shape[1] > MOST_STATES or samples == 1:
        return found
    absolute = _absolute(z0, relative)
    for substeps in GUESSES:
        if not len(rows) or (substeps > 1 and (samples - 1) * substeps > MOST_GUESSED):
            break
        given = times[rows], inputs[rows]
        finer = dense_times(given[0], substeps), dense_inputs(given[1], substeps)
        guess = exponential_rollout(field, z0[rows], *finer, absolute / relative)
        solved = integrate_at_once(field, guess, *given, dense, relative, absolute)
        for states, some in zip(found, solved, strict=True):
            states[rows] = some
        rows = rows[torch.isnan(solved[0][:, 0, 0])]
    return found


def _absolute(z0: Tensor, relative: float) -> float:
    """The tolerance of states that are almost zero."""
    return 1e-2 * relative * float(z0[torch.isfinite(z0)].abs().mean().nan_to_num(0.0).clamp(min=1e-3))


def step_by_step(field: Field, z0: Tensor, times: Tensor, inputs: Tensor, dense: int, relative: float) -> Tensor:
    """The same by an adaptive method (Dormand & Prince 1980), whatever the trajectories are like; as `accurate`."""
    together = _accurate(field, z0, times, inputs, dense, relative)
    if together is not None:
        return together
    alone = [_alone(field, z0[i : i + 1], times[i : i + 1], inputs[i : i + 1], dense, relative) for i in range(len(z0))]
    return torch.cat(alone)


def _alone(field: Field, z0: Tensor, times: Tensor, inputs: Tensor, dense: int, relative: float) -> Tensor:
    """One trajectory; NaN from the first interval that cannot be integrated."""
    pieces, z = [z0.unsqueeze(1)], z0
    for k in range(times.shape[1] - 1):
        piece = _accurate(field, z, times[:, k : k + 2], inputs[:, k : k + 2], dense, relative)
        if piece is None:
            missing = (times.shape[1] - 1 - k) * dense
            pieces.append(z0.new_full((1, missing, z0.shape[1]), torch.nan))
            break
        pieces.append(piece[:, 1:])
        z = piece[:, -1]
    return torch.cat(pieces, 1)


def _accurate(field: Field, z0: Tensor, times: Tensor, inputs: Tensor, dense: int, relative: float) -> Tensor | None:
    """All trajectories at once; None if the solver gives up on any of them."""
    points = torch.linspace(0, 1, dense + 1, dtype=z0.dtype, device=z0.device)
    tolerances = {"rtol": relative, "atol": _absolute(z0, relative), "options": {"max_num_steps": MOST_STEPS}}
    if dense == 1 and not inputs.shape[-1] and bool((times == times[0]).all() & (times[0].diff() > 0).all()):
        return _in_one(field, z0, times[0], tolerances)
    pieces = [z0.unsqueeze(0)]
    for k in range(times.shape[1] - 1):
        right = interval_field(field, times[:, k], times[:, k + 1] - times[:, k], inputs[:, k])
        try:
            piece = odeint(right, pieces[-1][-1], points, **tolerances)
        except AssertionError:  # how torchdiffeq says that the step underflowed or that there were too many
            return None
        if not bool(torch.isfinite(piece).all()):
            return None
        pieces.append(piece[1:])
    return torch.cat(pieces).transpose(0, 1)


def _in_one(field: Field, z0: Tensor, times: Tensor, tolerances: dict[str, Any]) -> Tensor | None:
    """Trajectories with common times (T,) and nothing that jumps, without a new start at every sample."""
    nothing = z0.new_zeros(len(z0), 0)
    try:
        z: Tensor = odeint(lambda t, z: field(t.expand(len(z)), z, nothing), z0, times, **tolerances)
    except AssertionError:  # as above
        return None
    return z.transpose(0, 1) if bool(torch.isfinite(z).all()) else None
