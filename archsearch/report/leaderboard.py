"""The leaderboard as values, the same for the terminal, the report and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import best
from archsearch.report.bans import marks_of

if TYPE_CHECKING:
    from archsearch.study.store import Study

BASELINES = {"physics": "physics as given", "net": "net alone", "physics_plus_net": "physics + net"}
"""How the baselines of a run are called, by their keys in `Study.baselines()`."""

CHOSEN = "★ "
"""Marks the best, see `candidate.ranking.best`."""
LEGEND = f"{CHOSEN}the best: the simplest model that the held-out data cannot tell from the one of least error"

HEADINGS = ("rank", "no.", "error", "model", "weights", "parameters", "seconds")
"""The column titles that go with `cells`."""


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes:
        rank: the place by error; None for a failure.
        chosen: whether it is the best, see `candidate.ranking.best`.
        number: the number of the candidate in its run.
        candidate: its id.
        claim: what it assumes, in one line.
        baseline: `physics`, `net` or `physics_plus_net` for a baseline, otherwise empty.
        status: `ok` or `failed`.
        error: nrmse over the validation data; None for a failure.
        train_error: nrmse over the training data.
        diverged: rollouts that were not finite.
        weights: the number of weights of its nets.
        parameters: the number of its physical parameters.
        seconds: what it took to evaluate.
        failure: kind and sentence, for a failure.
        author: who proposed it.
        mark: what stands against it, `banned by NAME`; usually empty.
    """

    rank: int | None
    chosen: bool
    number: int
    candidate: str
    claim: str
    baseline: str
    status: str
    error: float | None
    train_error: float | None
    diverged: int
    weights: int
    parameters: int
    seconds: float
    failure: str
    author: str = ""
    mark: str = ""

    @property
    def name(self) -> str:
        """The name of the baseline, or the claim, or the id where there is none."""
        return BASELINES.get(self.baseline) or self.claim or self.candidate


def four(value: float | None) -> str:
    """A number with four significant digits; a dash for none, `inf` for what diverged."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value) or value == 0:
        return str(value) if value else "0"
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e5 else f"{value:.3e}"


def aligned(value: float | None) -> str:
    """The same with zeros at the end, for columns of numbers and for what was fitted: 6.000 was not told to be 6."""
    text = four(value)
    return text if value is None or "e" in text or not text[-1].isdigit() else f"{value:#.4g}".rstrip(".")


def leaderboard(
    ranked: Sequence[Evaluation],
    baselines: Mapping[str, Evaluation],
    top: int | None = None,
) -> tuple[Row, ...]:
    """The first `top` rows of a ranking, and below them the best and every baseline: the comparison is always there.

    Args:
        ranked: evaluations, best first, failures last.
        baselines: by key, as `Study.baselines()` has them.
        top: how many rows besides the baselines; None for all.
    """
    keys = {evaluation.number: key for key, evaluation in baselines.items()}
    chosen = best(ranked)
    rows = [
        _row(place, evaluation, keys.get(evaluation.number, ""), evaluation is chosen)
        for place, evaluation in enumerate(ranked, 1)
    ]
    shown = (row for place, row in enumerate(rows, 1) if top is None or place <= top or row.baseline or row.chosen)
    return tuple(shown)


def rows_of(study: Study, top: int | None = 15) -> tuple[Row, ...]:
    """The leaderboard of a run."""
    rows = leaderboard(study.ranked(), baselines_of(study), top)
    return marked(rows, marks_of(study, numbers=frozenset(row.number for row in rows)))


def marked(rows: Sequence[Row], marks: Mapping[int, str]) -> tuple[Row, ...]:
    """The rows with what stands against them, by number; see `bans.marks_of`."""
    return tuple(replace(row, mark=marks.get(row.number, "")) for row in rows)


def baselines_of(study: Study) -> dict[str, Evaluation]:
    """The evaluated baselines of a run by key."""
    return {str(key): evaluation for key, evaluation in study.baselines().items()}


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, in the order of `HEADINGS`."""
    error = row.failure if row.error is None else four(row.error)
    place = "-" if row.rank is None else f"{CHOSEN if row.chosen else ''}{row.rank}"
    name = f"{row.name} [{row.mark}]" if row.mark else row.name
    return (place, str(row.number), error, name, str(row.weights), str(row.parameters), f"{row.seconds:.0f}")


def _row(place: int, evaluation: Evaluation, baseline: str, chosen: bool) -> Row:
    """The row of one evaluation."""
    failure = evaluation.failure
    validation = evaluation.validation
    return Row(
        rank=place if validation is not None else None,
        chosen=chosen,
        number=evaluation.number,
        candidate=evaluation.candidate,
        claim=evaluation.claim,
        baseline=baseline,
        status=evaluation.status,
        error=validation.nrmse if validation is not None else None,
        train_error=evaluation.train.nrmse if evaluation.train is not None else None,
        diverged=validation.diverged if validation is not None else 0,
        weights=evaluation.weights,
        parameters=len(evaluation.parameters),
        seconds=evaluation.seconds,
        failure=f"{failure.kind}: {failure.message.splitlines()[0]}" if failure is not None else "",
        author=evaluation.author,
    )
