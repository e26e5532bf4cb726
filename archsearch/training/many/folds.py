"""Cross-validation in one batch: every fold with every weight of a regularizer at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from archsearch.errors import NothingFoundError, RequestError
from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.many.fit import Many, fit_many
from archsearch.training.many.members import Member
from archsearch.training.methods.stages import Watch, unwatched

PIECES = 2
"""Trajectories too few to be left out whole are hidden in pieces: each fold hides so many of each of them."""


@dataclass(frozen=True)
class Choice:
    """The weight of a regularizer that cross-validation chose, and why.

    Attributes:
        name: of the regularizer.
        weights: (W,), those that were tried, ascending.
        errors: (W, K), mean square error on what each fold hid, in variances of all data; infinite where a fit failed.
        mean: (W,), over the folds.
        standard_error: (W,), of that mean; the folds are taken for independent, which they nearly are.
        best: index of the least mean.
        chosen: index of the largest weight within one standard error of the best.
        fits: all fits, weight by weight, fold by fold.
    """

    name: str
    weights: tuple[float, ...]
    errors: Tensor
    mean: Tensor
    standard_error: Tensor
    best: int
    chosen: int
    fits: Many

    @property
    def weight(self) -> float:
        """The weight that was chosen."""
        return self.weights[self.chosen]


def folds_of(samples: Samples, count: int, generator: torch.Generator) -> list[Tensor]:
    """(N, T) bool each: `count` sets of observations to hide, which together are all but the first of each trajectory.

    Whole trajectories if there are at least as many as folds, drawn at random: what is asked is mostly how a model does
    on a new one. The first sample of a trajectory is never hidden, because a rollout needs something to start from.
    With fewer trajectories, contiguous pieces of each: neighbouring samples say the same, so single ones would be told
    by their neighbours.

    Args:
        samples: the observations.
        count: how many folds, at least 2.
        generator: draws which trajectories go together.

    Reference:
        Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, sec. 7.10; pieces as in Bergmeir &
        Benitez (2012), Inf. Sci. 191:192, "blocked" cross-validation.
    """
    many, length = samples.times.shape
    if count < 2:
        raise RequestError(f"Expected at least 2 folds, found {count}.", "Five are usual.")
    if many >= count:
        fold = (torch.randperm(many, generator=generator) % count).unsqueeze(1).expand(many, length)
    else:
        pieces = count * PIECES
        if length - 1 < pieces:
            raise RequestError(f"{length} samples cannot be cut into {pieces} pieces.", "Ask for fewer folds.")
        piece = torch.arange(length - 1) * pieces // (length - 1) % count
        fold = torch.cat([piece.new_full((1,), -1), piece]).expand(many, length)
    later = torch.arange(length) > 0
    return [(fold == k) & later for k in range(count)]


def cross_validated(
    model: HybridModel,
    states: tuple[State, ...],
    samples: Samples,
    settings: FitSettings,
    name: str,
    weights: Sequence[float],
    folds: Sequence[Tensor],
    member: Member | None = None,
    watch: Watch = unwatched,
) -> Choice:
    """Choose the weight of one regularizer: all folds with all weights in one batch.

    The largest weight counts that is within one standard error of the best: among models that the data can hardly tell
    apart, the one in which the physics says most. Weights of other regularizers stay as they are. Each fold smooths,
    scales and fits without what it hides, noise and prior of the weights included.

    Args:
        model: the candidate, initialised; it is left as it is. Fit it anew, on everything, with the weight chosen.
        states: what is known of its states.
        samples: the observations.
        settings: as for a single fit.
        name: of the regularizer.
        weights: to be tried; 0 is a good first one.
        folds: (N, T) or (N, T, n) bool, what each of them hides; `folds_of` makes some.
        member: what else the fits have in common.
        watch: called after every iteration.

    Reference:
        The one-standard-error rule: Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees,
        sec. 3.4.3.
    """
    if len(folds) < 2 or not weights:
        raise RequestError("Cross-validation needs two folds and one weight at least.", "Five folds are usual.")
    ordered, base = tuple(sorted(set(weights))), member or Member()
    others = dict(model.regularizers if base.regularizers is None else base.regularizers)
    members = [
        replace(base, regularizers=others | {name: weight}, hidden=fold)
        for weight, fold in itertools.product(ordered, folds)
    ]
    fits = fit_many(model, states, samples, settings, members, watch)
    errors = torch.nan_to_num(fits.ends.hidden_error, nan=torch.inf).reshape(len(ordered), len(folds))
    mean, standard_error = errors.mean(1), errors.std(1) / len(folds) ** 0.5
    if not bool(torch.isfinite(mean).any()):
        raise NothingFoundError("With no weight did all folds have a finite rollout.", "Try others, or fewer folds.")
    best = int(mean.argmin())
    near = (mean <= mean[best] + standard_error[best]).nonzero()
    return Choice(name, ordered, errors, mean, standard_error, best, int(near.max()), fits)
