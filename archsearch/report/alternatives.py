"""The models that the held-out data cannot tell from the best one."""

from __future__ import annotations

from collections.abc import Sequence

from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import as_good_as

MOST_SHOWN = 12


def equals_of(ranked: Sequence[Evaluation], best: Evaluation) -> tuple[Evaluation, ...]:
    """The others that are within one standard error of the least error, as the best is; smallest error first.

    Args:
        ranked: all evaluations, smallest error first.
        best: the one that was chosen among them.
    """
    scored = [item for item in ranked if item.validation is not None]
    return tuple(item for item in scored if item.number != best.number and as_good_as(item, scored[0]))


def front(evaluations: Sequence[Evaluation], size_of: dict[int, int]) -> tuple[Evaluation, ...]:
    """The Pareto front: each model that no smaller one, or none of its size, betters; the smallest first.

    Args:
        evaluations: any, failures included.
        size_of: number to how many numbers were chosen.
    """
    found: list[Evaluation] = []
    scored = [item for item in evaluations if item.validation is not None]
    for item in sorted(scored, key=lambda item: (size_of[item.number], item.error, item.number)):
        if not found or item.error < found[-1].error:
            found.append(item)
    return tuple(found)
