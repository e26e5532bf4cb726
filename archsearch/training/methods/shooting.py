"""Train by full rollouts: torchdiffeq forwards, back-propagation through the solver, L-BFGS; stop early.

The plainest and slowest of the trainers: it needs nothing of a candidate but a gradient, so it is what remains when the
others fail. Back-propagation through the solver, because the adjoint method is several times slower on short rollouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from archsearch.training.algebra.minimise import GoOn, Minimum, minimise
from archsearch.training.methods.stages import Journal
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.rollouts import on_grid

FEW_TRAJECTORIES = 5
FEW_SAMPLES = 20
"""With fewer trajectories and fewer samples than these, nothing is kept aside."""


def match_intervals(loss: Loss, journal: Journal) -> None:
    """Fit single intervals between smoothed states, in place: cheap, and blind to how errors add up."""
    unknowns: list[Tensor] = list(loss.model.parameters())
    steps = loss.settings.matching_steps
    journal.run("shooting: intervals", lambda watch: minimise(loss.matching, unknowns, steps, watch))


def shoot(loss: Loss, journal: Journal, generator: torch.Generator) -> None:
    """Fit full rollouts, in place.

    With enough data and a net, some is kept aside: the number of iterations that serves it best is then repeated on
    all data. A model without nets is fitted to convergence.

    Args:
        loss: the training problem, at a start that can be rolled out.
        journal: of the fit.
        generator: draws which trajectories are kept aside.
    """
    unknowns = [*loss.model.parameters(), *loss.initial.unknowns()]
    aside = _keep_aside(loss, generator) if loss.model.nets() else None
    steps = loss.settings.rollout_steps
    if aside is not None:
        steps = _best_steps(loss, journal, unknowns, aside)
    journal.run("shooting: rollouts", lambda watch: minimise(loss.rollout, unknowns, steps, watch))


def _keep_aside(loss: Loss, generator: torch.Generator) -> Tensor | None:
    """(N, T) samples to judge by: whole trajectories if there are several, else the ends; None if data are few."""
    valid, share = loss.samples.valid, loss.settings.inner_validation
    many, longest = valid.shape
    if share == 0.0 or (many < FEW_TRAJECTORIES and longest < FEW_SAMPLES):
        return None
    if many >= FEW_TRAJECTORIES:
        aside = torch.zeros_like(valid)
        aside[torch.randperm(many, generator=generator)[: max(1, round(many * share))]] = True
        return aside & valid
    lengths = valid.sum(1, keepdim=True)
    return (torch.arange(longest, device=valid.device) >= (lengths * (1 - share)).round()) & valid


def _best_steps(loss: Loss, journal: Journal, unknowns: list[Tensor], aside: Tensor) -> int:
    """How many iterations serve the samples kept aside best; leaves the unknowns where they were."""
    rest = replace(loss, samples=loss.samples.hide(aside))
    least, best = _judge(loss, aside), 0

    def early(watch: GoOn) -> Minimum:
        def go_on(done: int, value: float) -> bool:
            nonlocal least, best
            error = _judge(loss, aside)
            if error < least:
                least, best = error, done
            return done - best < loss.settings.patience and watch(done, value)

        reached = minimise(rest.rollout, unknowns, loss.settings.rollout_steps, go_on)
        return replace(reached, loss=least)

    with _undone(unknowns):
        journal.run("shooting: early stop", early)
    return best


def _judge(loss: Loss, where: Tensor) -> float:
    """Mean square error of the rollout at these samples; infinite if it is not finite."""
    error = loss.error(loss.measured(on_grid(loss)), where)
    return error if error == error else float("inf")


@contextmanager
def _undone(tensors: list[Tensor]) -> Iterator[None]:
    """Whatever happens to these tensors inside is undone at the end."""
    kept = [tensor.detach().clone() for tensor in tensors]
    yield
    with torch.no_grad():
        for tensor, value in zip(tensors, kept, strict=True):
            tensor.copy_(value)
