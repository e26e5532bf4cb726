"""The family of the candidates of a run: which was made from which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from archsearch.candidate.outcome import Evaluation
from archsearch.study.proposals import Proposal

MOST_NODES = 80
"""A tree of more cannot be read; the ones of least error and their ancestors are kept."""


@dataclass(frozen=True)
class Node:
    """A candidate with those that were made from it.

    Attributes:
        number: of the proposal.
        claim: what it assumes.
        author: who proposed it.
        error: its validation nrmse; infinite for a failure, None if it was not evaluated.
        others: numbers of further parents.
        children: the proposals that were made from it.
    """

    number: int
    claim: str
    author: str
    error: float | None
    others: tuple[int, ...]
    children: tuple[Node, ...]


def lineage(proposals: Mapping[int, Proposal], evaluations: Mapping[int, Evaluation]) -> tuple[Node, ...]:
    """The trees of all candidates that have a parent or a child; the best and their ancestors if there are many."""
    parents = _parents(proposals)
    related = {number for number, above in parents.items() if above} | {p for above in parents.values() for p in above}
    order = sorted(related, key=lambda number: (_error(evaluations.get(number)), number))
    shown: set[int] = set()
    for number in order:
        family = _with_ancestors(number, parents)
        if len(shown | family) <= MOST_NODES:
            shown |= family
    children: dict[int | None, list[int]] = defaultdict(list)
    for number in sorted(shown):
        children[next(iter(parents[number]), None)].append(number)

    def node(number: int) -> Node:
        candidate, evaluation = proposals[number].candidate, evaluations.get(number)
        below = tuple(node(child) for child in children[number])
        error = None if evaluation is None else evaluation.error
        return Node(number, candidate.claim, candidate.author, error, tuple(parents[number][1:]), below)

    return tuple(node(number) for number in children[None])


def _parents(proposals: Mapping[int, Proposal]) -> dict[int, list[int]]:
    """The numbers of each proposal's parents: earlier proposals only, so that no family is a circle."""
    by_id: dict[str, int] = {}
    for number in sorted(proposals):
        by_id.setdefault(proposals[number].candidate.id, number)
    return {
        number: [by_id[key] for key in proposal.candidate.parents if key in by_id and by_id[key] < number]
        for number, proposal in proposals.items()
    }


def _with_ancestors(number: int, parents: Mapping[int, list[int]]) -> set[int]:
    """A proposal and its line of first parents."""
    found = {number}
    while parents[number]:
        number = parents[number][0]
        found.add(number)
    return found


def _error(evaluation: Evaluation | None) -> float:
    return float("inf") if evaluation is None else evaluation.error
