"""The rollouts of a training problem, on its own grid and to tight tolerances."""

from __future__ import annotations

import torch

from archsearch.training.implicit.adaptive import accurate_implicit
from archsearch.training.reported.accurate import RELATIVE, accurate
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.schemes import Path


def training_error(loss: Loss) -> float:
    """Mean square error on the training grid, in variances of the data."""
    return loss.error(loss.measured(on_grid(loss)), loss.samples.valid)


@torch.no_grad()
def on_grid(loss: Loss) -> Path:
    """The rollouts of the training data on the training grid."""
    return loss.scheme().rolled(loss.initial.value(), loss.samples.times, loss.samples.inputs)


@torch.no_grad()
def exactly(loss: Loss, relative: float = RELATIVE) -> Path:
    """The same by an adaptive method to tight tolerances, independent of the training grid."""
    samples, start = loss.samples, loss.initial.value()
    if loss.implicit:
        z, algebraic = accurate_implicit(loss.model, loss.coordinates, start, samples.times, samples.inputs, 1)
        return Path(z, None, algebraic)
    with loss.model.prepared():
        return Path(accurate(loss.field(), start, samples.times, samples.inputs, 1, relative))
