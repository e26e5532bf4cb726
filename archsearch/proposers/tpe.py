"""Sampling genomes with Optuna's tree-structured Parzen estimator."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import create_trial

from archsearch.candidate.genes import Value
from archsearch.proposers.moves import Choose, Genes, GeneSpace, Tried, default

WARM = 5
"""With fewer evaluations than this, the sampler draws uniformly."""


def samples(space: GeneSpace, tried: Sequence[Tried], seed: int, allowed: GeneSpace | None = None) -> Iterator[Genes]:
    """Genomes that resemble the good ones of those tried, without end.

    What counts is the place in the ranking, failures being equally last, so neither a huge error nor a failure distorts
    the picture.

    Args:
        space: where those that were tried come from.
        tried: what is learned from.
        seed: draws.
        allowed: what a person has left of the space (default: all of it). A decision that is not left falls to the
            default; the sampler knows categories that never change.

    Reference: Bergstra, Bardenet, Bengio, Kegl: Algorithms for hyper-parameter optimization (NeurIPS 2011), in Optuna's
    multivariate form with groups for conditional genes.
    """
    study = _study(seed)
    for place, item in zip(_places(tried), tried, strict=True):
        distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(space.values[name]) for name in item.genes
        }
        study.add_trial(create_trial(value=place, params=dict(item.genes), distributions=distributions))
    while True:
        trial = study.ask()
        yield (allowed or space).walk(_suggest(trial, space))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _suggest(trial: optuna.Trial, space: GeneSpace) -> Choose:
    def choose(name: str, values: tuple[Value, ...]) -> Value:
        suggested = trial.suggest_categorical(name, space.values[name])
        return values[values.index(suggested)] if suggested in values else default(name, values)

    return choose


def _study(seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=WARM)
    return optuna.create_study(sampler=sampler, direction="minimize")


def _places(tried: Sequence[Tried]) -> list[float]:
    """The place of each in the ranking; failures all share the last."""
    standings = sorted(item.standing for item in tried if item.fits)
    last = len(tried)
    return [float(standings.index(item.standing) if item.fits else last) for item in tried]
