"""Which candidate was made from which: a tree, cut down to what a page can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archsearch.candidate.candidate import Candidate

MOST_NODES = 60
"""Of a larger tree only the lines of the best models and of persons are shown."""


@dataclass(frozen=True)
class Entry:
    """What a tree needs to know of a proposal.

    Attributes:
        number: its place in the search.
        candidate: what was proposed.
        error: in words: a number, `failed`, `refused`, `waiting`.
        rank: the smaller the better; failures and what was not evaluated last.
        by_person: whether its author is a person.
    """

    number: int
    candidate: Candidate
    error: str
    rank: int
    by_person: bool


@dataclass(frozen=True)
class Node:
    """A candidate with those that were made from it.

    Attributes:
        entry: the candidate.
        others: numbers of its further parents.
        on_line: whether it is the best model or an ancestor of it.
        children: in the order of proposal.
        left_out: how many candidates below it are not shown.
    """

    entry: Entry
    others: tuple[int, ...]
    on_line: bool
    children: tuple[Node, ...]
    left_out: int


@dataclass(frozen=True)
class Lineage:
    """The trees of a run.

    Attributes:
        roots: candidates without a parent that have children.
        alone: how many have neither parent nor child.
    """

    roots: tuple[Node, ...]
    alone: int


def lineage(entries: Sequence[Entry], best: int | None) -> Lineage:
    """The trees of a run.

    Args:
        entries: every proposal, by number.
        best: the number of the best model.
    """
    numbers = {entry.candidate.id: entry.number for entry in entries}
    parents = {entry.number: _parents(entry, numbers) for entry in entries}
    children: dict[int, list[Entry]] = {entry.number: [] for entry in entries}
    for entry in entries:
        for parent in parents[entry.number][:1]:
            children[parent].append(entry)
    line = _ancestors(best, parents)
    shown = _shown(entries, parents, line)
    growing = _Growing(parents, children, line, shown)
    roots = [entry for entry in entries if not parents[entry.number] and children[entry.number]]
    alone = sum(not parents[entry.number] and not children[entry.number] for entry in entries)
    return Lineage(tuple(growing.node(entry) for entry in roots if entry.number in shown), alone)


@dataclass(frozen=True)
class _Growing:
    parents: Mapping[int, tuple[int, ...]]
    children: Mapping[int, Sequence[Entry]]
    line: frozenset[int]
    shown: frozenset[int]

    def node(self, entry: Entry) -> Node:
        """A candidate with everything below it that is shown."""
        below = self.children[entry.number]
        kept = tuple(self.node(child) for child in below if child.number in self.shown)
        hidden = sum(self.size(child) for child in below if child.number not in self.shown)
        others = self.parents[entry.number][1:]
        return Node(entry, others, entry.number in self.line, kept, hidden)

    def size(self, entry: Entry) -> int:
        """How many candidates a branch has."""
        count, waiting = 0, [entry]
        while waiting:
            count += 1
            waiting += self.children[waiting.pop().number]
        return count


def _parents(entry: Entry, numbers: Mapping[str, int]) -> tuple[int, ...]:
    """Numbers of the parents that are known and came before."""
    found = (numbers.get(parent) for parent in entry.candidate.parents)
    return tuple(number for number in found if number is not None and number < entry.number)


def _ancestors(number: int | None, parents: Mapping[int, tuple[int, ...]]) -> frozenset[int]:
    """A candidate and all that it goes back to through first parents."""
    found: set[int] = set()
    while number is not None:
        found.add(number)
        number = next(iter(parents.get(number, ())), None)
    return frozenset(found)


def _shown(entries: Sequence[Entry], parents: Mapping[int, tuple[int, ...]], line: frozenset[int]) -> frozenset[int]:
    """All of a small tree; of a large one the best models and what persons proposed, with their ancestors."""
    if sum(bool(parents[entry.number]) for entry in entries) <= MOST_NODES:
        return frozenset(entry.number for entry in entries)
    wanted = sorted(entries, key=lambda entry: (not entry.by_person, entry.rank, entry.number))
    found = set(line)
    for entry in wanted:
        more = _ancestors(entry.number, parents)
        if len(found | more) <= MOST_NODES:
            found |= more
    return frozenset(found)
