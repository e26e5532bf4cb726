"""What distinguishes the fits of one batch, and where each of them starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

from archsearch.errors import RequestError
from archsearch.hybrid import HybridModel
from archsearch.training.data.task import Samples
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.squares.regularizers import ROWS

START_SPREAD = 0.5
"""Start parameters are drawn around those of the candidate with this share of the deviation of their prior: with the
whole of it, one in three would start where data rarely call it back."""


@dataclass(frozen=True, eq=False)
class Member:
    """One fit of a batch; what is left out is as in the candidate.

    Attributes:
        weights_seed: start weights of the nets are drawn anew from this seed.
        parameters_seed: start parameters are drawn around those of the candidate from this seed.
        regularizers: weights by name, in place of those of the candidate.
        precision: of the prior of the weights relative to 1 / fan-in, held; None: the evidence finds it.
        hidden: (N, T) or (N, T, n) bool, observations that this fit must not see.
    """

    weights_seed: int | None = None
    parameters_seed: int | None = None
    regularizers: Mapping[str, float] | None = None
    precision: float | None = None
    hidden: Tensor | None = None


class Rowed:
    """A frozen dataclass of tensors, or of dicts of tensors, whose first axis counts members."""

    def rows(self, index: Tensor) -> Self:
        """These members only."""
        return self._each(lambda own: own.index_select(0, index))

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        return self._each(lambda own: own.to(device))

    def put(self, index: Tensor, others: Self) -> Self:
        """The same with these members replaced."""
        own, new = vars(self), vars(others)
        return self._with({name: own[name].index_copy(0, index, new[name]) for name in own})

    def where(self, mask: Tensor, others: Self) -> Self:
        """The others where the mask (R,) holds; those of this elsewhere."""
        own, new = vars(self), vars(others)
        return self._with({name: chosen(mask, new[name], own[name]) for name in own})

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return self._with({field.name: _changed(getattr(self, field.name), change) for field in fields(self)})  # type: ignore[arg-type]  # every heir is a dataclass

    def _with(self, values: dict[str, Any]) -> Self:
        return replace(self, **values)  # type: ignore[type-var]  # every heir is a dataclass


def chosen(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`torch.where` for a mask (R,) over the first axis."""
    return torch.where(mask.reshape(-1, *[1] * (yes.dim() - 1)), yes, no)


def _changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, dict):
        return {name: change(array) for name, array in value.items()}
    return change(value) if isinstance(value, Tensor) else value


def start_of(member: Member, model: HybridModel, origin: Tensor, prior: float) -> Tensor:
    """(P,): raw parameters and weights that a member starts from.

    Args:
        member: with its seeds.
        model: where it starts if it has none.
        origin: (K,), raw parameters that the candidate was written with.
        prior: precision of their prior.
    """
    flat, p = Flat.of(model), Flat.of(model).vector(model)
    if member.weights_seed is not None:
        generator = torch.Generator().manual_seed(member.weights_seed)
        drawn = flat.vector(type(model)(model.states, model.inputs, generator=generator))
        p = torch.cat([p[: len(origin)], drawn[len(origin) :]])
    if member.parameters_seed is not None:
        generator = torch.Generator().manual_seed(member.parameters_seed)
        deviation = START_SPREAD / max(prior, 1.0) ** 0.5
        raw = origin + deviation * torch.randn(len(origin), generator=generator, dtype=origin.dtype)
        p = torch.cat([raw, p[len(origin) :]])
    return p


def regularizers_of(member: Member, model: HybridModel) -> dict[str, float]:
    """The weights of the regularizers of a member; a model without nets needs none."""
    wanted = model.regularizers if member.regularizers is None else member.regularizers
    unknown = sorted(set(wanted) - set(ROWS))
    if unknown:
        raise RequestError(f"There is no regularizer {unknown[0]!r}.", f"Regularizers are {', '.join(ROWS)}.")
    return {name: float(weight) for name, weight in wanted.items() if weight > 0} if model.nets() else {}


def masked(samples: Samples, hidden: Tensor | None) -> Samples:
    """The samples without hidden observations; what follows the last one that a trajectory shows is padding then."""
    if hidden is None:
        return samples
    hidden = hidden if hidden.dim() == 3 else hidden.unsqueeze(-1)
    if hidden.shape[:2] != samples.states.shape[:2] or hidden.shape[2] not in (1, samples.states.shape[2]):
        raise RequestError(
            f"Expected hidden observations of shape {tuple(samples.states.shape)} or without the last axis, "
            f"found {tuple(hidden.shape)}."
        )
    states = torch.where(hidden, torch.nan, samples.states)
    count = torch.arange(states.shape[1])
    last = torch.where(torch.isfinite(states).any(-1), count, 0).amax(1, keepdim=True)
    times = samples.times.gather(1, torch.minimum(count.expand(len(states), -1), last))
    return Samples(samples.ids, times, states, samples.inputs, samples.valid & (count <= last))
