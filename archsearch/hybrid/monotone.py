"""Nets that never turn: weights of one sign, and inputs that are seen from where the net is zero."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def signed(index: int, weight: Tensor, signs: tuple[float, ...]) -> Tensor:
    """(out, in): the weights of a layer of a monotone net as they act.

    Positive in later layers, of the given sign along monotone inputs in the first one. Free weights of 0 make a layer
    give the mean of what enters it, so that the prior around 0 stands for a gentle net and not for a saturated one.

    Args:
        index: which layer.
        weight: (out, in), free.
        signs: +1, -1, or 0 for an input along which the net is free.
    """
    wide = weight.shape[-1]
    size = functional.softplus(math.sqrt(wide) * weight) / (math.log(2) * wide)
    if index:
        return size
    columns = [weight[:, at] if sign == 0 else sign * size[:, at] for at, sign in enumerate(signs)]
    return torch.stack(columns, -1)


def from_zero(joined: Tensor, standard: Tensor, std: Tensor, column: int, at: float) -> tuple[Tensor, Tensor]:
    """What a perceptron sees here, and what it would see at the zero of one input: (..., inputs) each.

    That input is seen as its distance from the zero, on a scale that is linear nearby and logarithmic far away: laws
    that begin at zero often change fastest there, and rates saturate within a small part of the range of the data.

    Args:
        joined: (..., inputs), natural units.
        standard: (..., inputs), standardised.
        std: (inputs,), spreads.
        column: which input.
        at: its zero, natural units.
    """
    away = torch.asinh((joined[..., column : column + 1] - at) / std[column])
    before, after = standard[..., :column], standard[..., column + 1 :]
    return torch.cat([before, away, after], -1), torch.cat([before, torch.zeros_like(away), after], -1)
