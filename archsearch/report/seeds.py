"""The same problem searched with other seeds: how far the comparison hangs on chance in training and in searching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from archsearch.candidate.outcome import Evaluation
from archsearch.errors import RequestError
from archsearch.report.leaderboard import BASELINES, baselines_of, four
from archsearch.report.wording import listed, percent

if TYPE_CHECKING:
    from archsearch.study.store import Study

TRAINED_ONCE = "Each candidate was trained once, so the spread over random seeds is not known."
LEAST_SEEDS = 3
"""With fewer, a range is told and no interval."""


@dataclass(frozen=True)
class Repeat:
    """One search of the same problem.

    Attributes:
        run: its id.
        seed: of its random numbers.
        proposer: who proposed in it.
        evaluated: how many candidates it evaluated.
        least: nrmse of its own best model; None if nothing fits.
        same: nrmse of the very candidate that this report is about; None if it was not tried there.
        baselines: nrmse of its baselines, by key.
    """

    run: str
    seed: int
    proposer: str
    evaluated: int
    least: float | None
    same: float | None
    baselines: dict[str, float]


def repeats(study: Study, beside: Sequence[Study], best: Evaluation) -> tuple[Repeat, ...]:
    """This run and the others, by seed.

    Raises:
        RequestError: another run is about other data or another space, so that its errors mean something else.
    """
    for other in beside:
        if other.record.problem.fingerprint != study.record.problem.fingerprint:
            message = f"{other.id}: expected the same space and data as {study.id}, found others."
            raise RequestError(message, "Leave it out: errors on other data cannot be compared.")
    ordered = sorted((study, *beside), key=lambda item: (item.settings.seed, item.id))
    return tuple(_repeat(item, best) for item in ordered)


def about_seeds(found: Sequence[Repeat]) -> tuple[str, ...]:
    """What other seeds say, in sentences; without them that nobody asked."""
    if len({item.seed for item in found}) < 2:
        return (TRAINED_ONCE,)
    sentences = [
        _spread("The very same model, trained again", [(item.same, item.baselines) for item in found]),
        _spread("The best of each search", [(item.least, item.baselines) for item in found]),
    ]
    return tuple(text for text in sentences if text)


def _spread(what: str, errors: Sequence[tuple[float | None, dict[str, float]]]) -> str:
    """The reduction of the error against each baseline over seeds; empty with fewer than two."""
    told = []
    for key, name in BASELINES.items():
        pairs = [(own, others[key]) for own, others in errors if own is not None and key in others]
        if len(pairs) >= 2:
            told.append(f"{_reductions(pairs)} against the {name}")
    count = sum(own is not None for own, _ in errors)
    return f"{what}, over {count} seeds: the error is reduced by {listed(told)}." if told else ""


def _reductions(pairs: Sequence[tuple[float, float]]) -> str:
    """A range over two seeds, from three on the mean with its 95 % interval (Student's t)."""
    found = np.array([1 - own / other for own, other in pairs])
    if len(found) < LEAST_SEEDS or float(found.std()) == 0.0:
        ends = dict.fromkeys((percent(float(found.min())), percent(float(found.max()))))
        return " to ".join(ends)
    half = float(stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found)))
    middle = float(found.mean())
    return f"{percent(middle)} (95\u00a0% interval {percent(middle - half)} to {percent(middle + half)})"


def _repeat(study: Study, best: Evaluation) -> Repeat:
    evaluations = study.evaluations()
    same = [item for item in evaluations if item.candidate == best.candidate and item.validation is not None]
    own = study.best()
    scored = {key: item for key, item in baselines_of(study).items() if item.validation is not None}
    return Repeat(
        run=study.id,
        seed=study.settings.seed,
        proposer=study.settings.proposer,
        evaluated=len(evaluations),
        least=own.error if own is not None else None,
        same=same[0].error if same else None,
        baselines={key: item.error for key, item in scored.items()},
    )


def row_of(item: Repeat) -> tuple[str, ...]:
    """A repeat as text: run, seed, proposer, evaluated, same model, best, baselines in their order."""
    errors = (item.same, item.least, *(item.baselines.get(key) for key in BASELINES))
    return (item.run, str(item.seed), item.proposer, str(item.evaluated), *map(four, errors))
