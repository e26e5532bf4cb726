"""Fit a candidate from several starts at once and go on from the best."""

from __future__ import annotations

import torch

from archsearch.errors import NothingFoundError, RequestError
from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.many.fit import best_of, fit_many
from archsearch.training.many.members import Member
from archsearch.training.methods.fit import Fit, fit
from archsearch.training.methods.stages import Watch, unwatched


def fit_restarted(
    model: HybridModel,
    states: tuple[State, ...],
    samples: Samples,
    settings: FitSettings,
    generator: torch.Generator,
    watch: Watch = unwatched,
) -> Fit:
    """Fit a candidate, in place, from as many starts as the settings ask for; arguments as for `fit`.

    The starts are fitted as one batch, and the one of the most evidence is where the fit itself begins. A candidate
    that no batch can take, or of which no start led anywhere, is fitted from its own start.
    """
    prior_mean = model.raw.detach().clone()
    if settings.restarts > 1:
        first = int(torch.randint(2**31, (), generator=generator))
        members = [Member()] + [Member(first + i, first + i) for i in range(1, settings.restarts)]
        try:
            many = fit_many(model, states, samples, settings, members, watch)
            chosen = many.model(best_of(many))
        except (NothingFoundError, RequestError):
            chosen = model
        Flat.of(model).store(model, Flat.of(chosen).vector(chosen))
    return fit(model, states, samples, settings, generator, watch, prior_mean)
