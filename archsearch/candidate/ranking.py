"""Which of two evaluations is better: the smaller error, and the simpler model where errors tie."""

from __future__ import annotations

import math
from collections.abc import Iterable

from archsearch.candidate.outcome import Evaluation

DIGITS = 4


def rank(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Best first, failures last: by error to four significant digits, then fitted numbers, then who came first."""
    return sorted(evaluations, key=standing)


def standing(evaluation: Evaluation) -> tuple[float, int, int]:
    """The key that `rank` sorts by."""
    size = evaluation.weights + len(evaluation.parameters)
    return _rounded(evaluation.error), size, evaluation.number


def _rounded(error: float) -> float:
    return float(f"{error:.{DIGITS - 1}e}") if math.isfinite(error) else math.inf
