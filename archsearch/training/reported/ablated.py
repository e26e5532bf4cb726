"""Rollouts of a model with one term closed: they tell what each term is worth."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import Coordinates, Field
from archsearch.training.implicit.rollout import implicit_rollout
from archsearch.training.reported.in_range import InRange
from archsearch.training.reported.solved import completed

SENSIBLE = 1e9
"""How many times larger than in the whole model a state may become before a rollout is given up: far more than the
error from which on it is called not integrable."""


@torch.no_grad()
def without_each(
    model: HybridModel,
    coordinates: Coordinates,
    z0: Tensor,
    samples: Samples,
    terms: Sequence[str],
    substeps: int,
    stiff: bool,
    whole: Tensor,
) -> dict[str, Tensor]:
    """What is measured along the rollouts (N, T, n) with one term closed, by its name; how bad it is, to four digits.

    Args:
        model: the candidate.
        coordinates: the inner coordinates.
        z0: (N, n), inner coordinates.
        samples: times and inputs of the trajectories.
        terms: which are closed, one by one.
        substeps: steps per interval where a rollout is not smooth enough to be solved at once.
        stiff: whether it is integrated implicitly.
        whole: (N, D, n + q), natural units: the rollouts with all terms. A rollout that leaves their range, or that
            cannot be integrated further, is not finite from there.
    """
    if not terms:
        return {}
    with model.prepared():
        rolled: Sequence[Tensor]
        if stiff:
            rolled = _implicitly(model, coordinates, z0, samples, terms, substeps)
        else:
            most = SENSIBLE * _largest(whole[..., : z0.shape[1]])
            rolled = _explicitly(model, coordinates, z0, samples, terms, substeps, most)
        return {
            name: model.with_gates({name: 0.0}).measured(samples.times, coordinates.complete(z), samples.inputs)
            for name, z in zip(terms, rolled, strict=True)
        }


def _largest(states: Tensor) -> Tensor:
    """(n,): the largest value of each state (N, D, n), of all states for one that is always 0; infinite without any."""
    each = states.nan_to_num(0.0, 0.0, 0.0).abs().amax((0, 1))
    most = torch.where(each > 0, each, each.max())
    return torch.where(most > 0, most, torch.inf)


def _implicitly(
    model: HybridModel, coordinates: Coordinates, z0: Tensor, samples: Samples, terms: Sequence[str], substeps: int
) -> list[Tensor]:
    """(N, T, n + q), complete inner states, for every term."""
    given = z0, samples.times, samples.inputs
    views = [model.with_gates({name: 0.0}) for name in terms]
    parts = [(view, implicit_rollout(view, coordinates, *given, substeps)) for view in views]
    return [completed(view, coordinates, *part, samples.times, samples.inputs) for view, part in parts]


def _explicitly(
    model: HybridModel,
    coordinates: Coordinates,
    z0: Tensor,
    samples: Samples,
    terms: Sequence[str],
    substeps: int,
    most: Tensor,
) -> Sequence[Tensor]:
    """(N, T, n), inner coordinates, for every term.

    The rollouts differ in gates alone, so that all are one batch: gates travel with the inputs.
    """
    many, length = len(terms), samples.times.shape[1]
    gates = (1 - torch.eye(many).to(z0)).repeat_interleave(len(z0), 0)[:, None].expand(-1, length, -1)
    inputs = torch.cat([samples.inputs.repeat(many, 1, 1), gates], -1)
    field = coordinates.field_of(_gated(model, terms, samples.inputs.shape[-1]))
    given = z0.repeat(many, 1), samples.times.repeat(many, 1), inputs
    return InRange(field, coordinates, most).rolled(*given, substeps).chunk(many)


def _gated(model: HybridModel, terms: Sequence[str], width: int) -> Field:
    """The derivative of a model whose inputs are followed, after `width` of them, by a gate for each term."""

    def derivative(t: Tensor, x: Tensor, u: Tensor) -> Tensor:
        gates = dict(zip(terms, u[..., width:].unbind(-1), strict=True))
        return model.with_gates(gates).derivative(t, x, u[..., :width])

    return derivative
