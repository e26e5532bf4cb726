"""Rollouts of a model with one term closed: they tell what each term is worth."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.accurate import at_once
from archsearch.training.implicit import implicit_rollout
from archsearch.training.integrate import Coordinates, Field, rollout
from archsearch.training.reported import completed
from archsearch.training.task import Samples

RELATIVE = 1e-6
"""Tolerance: how bad a rollout is is told to four digits."""


@torch.no_grad()
def without_each(
    model: HybridModel,
    coordinates: Coordinates,
    z0: Tensor,
    samples: Samples,
    terms: Sequence[str],
    substeps: int,
    stiff: bool,
) -> dict[str, Tensor]:
    """What is measured along the rollouts (N, T, n) with one term closed, by its name.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        z0: (N, n), inner coordinates.
        samples: times and inputs of the trajectories.
        terms: which are closed, one by one.
        substeps: steps per interval where a rollout is not smooth enough to be solved at once.
        stiff: whether it is integrated implicitly.
    """
    if not terms:
        return {}
    with model.prepared():
        roll = _implicitly if stiff else _explicitly
        rolled = roll(model, coordinates, z0, samples, terms, substeps)
        return {
            name: model.with_gates({name: 0.0}).measured(samples.times, coordinates.complete(z), samples.inputs)
            for name, z in zip(terms, rolled, strict=True)
        }


def _implicitly(
    model: HybridModel, coordinates: Coordinates, z0: Tensor, samples: Samples, terms: Sequence[str], substeps: int
) -> list[Tensor]:
    """(N, T, n + q), complete inner states, for every term."""
    given = z0, samples.times, samples.inputs
    views = [model.with_gates({name: 0.0}) for name in terms]
    parts = [(view, implicit_rollout(view, coordinates, *given, substeps)) for view in views]
    return [completed(view, coordinates, *part, samples.times, samples.inputs) for view, part in parts]


def _explicitly(
    model: HybridModel, coordinates: Coordinates, z0: Tensor, samples: Samples, terms: Sequence[str], substeps: int
) -> Sequence[Tensor]:
    """(N, T, n), inner coordinates, for every term; not finite from where a model blows up without it.

    The rollouts differ in gates alone, so that all are one batch: gates travel with the inputs.
    """
    many, length = len(terms), samples.times.shape[1]
    gates = (1 - torch.eye(many).to(z0)).repeat_interleave(len(z0), 0)[:, None].expand(-1, length, -1)
    inputs = torch.cat([samples.inputs.repeat(many, 1, 1), gates], -1)
    field = coordinates.field_of(_gated(model, terms, samples.inputs.shape[-1]))
    starts, times = z0.repeat(many, 1), samples.times.repeat(many, 1)
    z = at_once(field, starts, times, inputs, 1, RELATIVE, (1,))
    rows = (~torch.isfinite(z).flatten(1).all(-1)).nonzero().squeeze(-1)
    if len(rows):
        z[rows] = _by_steps(field, starts[rows], times[rows], inputs[rows], substeps)
    return z.chunk(many)


def _by_steps(field: Field, z0: Tensor, times: Tensor, inputs: Tensor, substeps: int) -> Tensor:
    """(N, T, n), inner coordinates by fixed steps, as far as anything is finite."""
    found = z0[:, None].repeat(1, times.shape[1], 1) * torch.nan
    found[:, 0] = z0
    for k in range(times.shape[1] - 1):
        found[:, k + 1] = rollout(field, found[:, k], times[:, k : k + 2], inputs[:, k : k + 2], substeps)[:, 1]
        if not bool(torch.isfinite(found[:, k + 1]).any()):
            break
    return found


def _gated(model: HybridModel, terms: Sequence[str], width: int) -> Field:
    """The derivative of a model whose inputs are followed, after `width` of them, by a gate for each term."""

    def derivative(t: Tensor, x: Tensor, u: Tensor) -> Tensor:
        gates = dict(zip(terms, u[..., width:].unbind(-1), strict=True))
        return model.with_gates(gates).derivative(t, x, u[..., :width])

    return derivative
