"""Which of two evaluations is better, and which of many to believe in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from archsearch.candidate.outcome import Evaluation

DIGITS = 4


def rank(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Smallest error first, failures last: by error to four significant digits, then fitted numbers, then number."""
    return sorted(evaluations, key=standing)


def standing(evaluation: Evaluation) -> tuple[float, int, int]:
    """The key that `rank` sorts by."""
    return _rounded(evaluation.error), size(evaluation), evaluation.number


def size(evaluation: Evaluation) -> int:
    """How many numbers were fitted: parameters and weights."""
    return evaluation.weights + len(evaluation.parameters)


def best(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The simplest model whose error is within one standard error of the smallest; None if nothing fits.

    The smallest of many errors on few data is partly luck, and the larger models are luckier. The rule chooses the
    model with the fewest fitted numbers among those that the held-out data cannot tell from the first.

    Reference:
        The one-standard-error rule of Breiman et al. (1984), Classification and Regression Trees, sec. 3.4.3.
    """
    ranked = [evaluation for evaluation in rank(evaluations) if evaluation.validation is not None]
    if not ranked:
        return None
    return min(_as_good_as(ranked), key=lambda evaluation: (size(evaluation), *standing(evaluation)))


def _as_good_as(ranked: Sequence[Evaluation]) -> list[Evaluation]:
    """Those that the held-out data cannot tell from the first."""
    first = ranked[0]
    assert first.validation is not None
    limit = first.error + (first.validation.std_error or 0.0)
    return [evaluation for evaluation in ranked if evaluation.error <= limit]


def _rounded(error: float) -> float:
    return float(f"{error:.{DIGITS - 1}e}") if math.isfinite(error) else math.inf
