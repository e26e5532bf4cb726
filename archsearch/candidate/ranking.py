"""Which of two evaluations is better, and which of many to believe in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from archsearch.candidate.outcome import Evaluation

DIGITS = 4
MOST = 2.0
"""Of mean squares: an error that is larger by two fifths."""


def rank(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Smallest error first, failures last: by error to four significant digits, then fitted numbers, then number."""
    return sorted(evaluations, key=standing)


def standing(evaluation: Evaluation) -> tuple[float, int, int]:
    """The key that `rank` sorts by."""
    return _rounded(evaluation.error), size(evaluation), evaluation.number


def size(evaluation: Evaluation) -> int:
    """How many numbers were chosen: parameters and weights by the fit, constants by whoever wrote the source."""
    return evaluation.weights + len(evaluation.parameters) + evaluation.constants


def best(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The simplest model that the held-out data cannot tell from the one of smallest error; None if nothing fits.

    The smallest of many errors on few data is partly luck, and large models are luckier. Among the models whose error
    exceeds the smallest by no more than one standard error of the difference, the one with the fewest fitted numbers is
    chosen. The difference is taken in pairs, trajectory by trajectory or time by time: models err together. See
    `as_good_as`.

    Reference:
        The one-standard-error rule of Breiman et al. (1984), Classification and Regression Trees, sec. 3.4.3; there
        with the standard error of the smallest error, here of the paired difference.
    """
    ranked = [evaluation for evaluation in rank(evaluations) if evaluation.validation is not None]
    if not ranked:
        return None
    equals = [evaluation for evaluation in ranked if as_good_as(evaluation, ranked[0])]
    return min(equals, key=lambda evaluation: (size(evaluation), *standing(evaluation)))


def as_good_as(evaluation: Evaluation, first: Evaluation) -> bool:
    """Whether its excess over the first is within one standard error of their difference; ties in error always are.

    Nor may its mean square be more than `MOST` times the first's: a model that fails on one trajectory alone makes the
    standard error of the difference as large as its failure.
    """
    if _rounded(evaluation.error) <= _rounded(first.error):
        return True
    one, other = evaluation.validation, first.validation
    if one is None or other is None or len(one.squares) < 2 or one.counts != other.counts:
        return False
    excess = [a - b for a, b in zip(one.squares, other.squares, strict=True)]
    total = math.fsum(excess)
    return total <= _standard_error(excess, one.counts) and total <= (MOST - 1) * math.fsum(other.squares)


def _standard_error(values: Sequence[float], counts: Sequence[int]) -> float:
    """Of the sum over units of values to which so many observations contribute."""
    units, total, weight = len(values), math.fsum(values), sum(counts)
    spread = math.fsum((x - total * count / weight) ** 2 for x, count in zip(values, counts, strict=True))
    return math.sqrt(spread * units / (units - 1))


def _rounded(error: float) -> float:
    return float(f"{error:.{DIGITS - 1}e}") if math.isfinite(error) else math.inf
