"""Moves in the closed space of genomes: walk it, change one thing, cross two, list them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np

from archsearch.candidate.genes import EMPTY, Value, choices
from archsearch.problem.space import SearchSpace
from archsearch.proposers.memory import NO_WISHES, Wishes
from archsearch.proposers.restriction import Restriction

Genes = dict[str, Value]
Choose = Callable[[str, tuple[Value, ...]], Value]


BASELINES_ONLY: Mapping[str, tuple[Value, ...]] = {"physics": (True,), "everywhere": (False,)}
"""Genes that vary between the baselines and nowhere else."""
MOST_COMPARED = 500
"""So many genomes of a restricted space are looked at for the one nearest to a genome outside of it."""


@dataclass(frozen=True)
class Tried:
    """A genome with the standing that its evaluation has in the ranking (smaller is better)."""

    genes: Genes
    standing: tuple[float, int, int]
    candidate: str

    @property
    def fits(self) -> bool:
        """Whether it has a score at all."""
        return math.isfinite(self.standing[0])


class GeneSpace:
    """The closed space: which values each gene may take, and which genes matter given the others.

    Where a space has slots, nets stand in them: a net that replaces all physics or is added to every equation is a
    baseline to be beaten, not an architecture to be found.

    Args:
        space: the search space.
        wishes: what a person bans and pins; every genome of this space honours it.

    Attributes:
        values: the allowed values of each gene, in the order in which genes are decided.
    """

    def __init__(self, space: SearchSpace, wishes: Wishes = NO_WISHES) -> None:
        fixed = BASELINES_ONLY if space.slots else {}
        known = choices(space)
        self._restriction = Restriction(space, wishes)
        self.values = self._restriction.narrowed({name: fixed.get(name, known[name].values) for name in known})
        self._choices = {name: replace(choice, values=self.values[name]) for name, choice in known.items()}
        self._neighbours: dict[tuple[tuple[str, Value], ...], list[Genes]] = {}

    @cached_property
    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return next(self.all(), None) is None

    def walk(self, choose: Choose) -> Genes:
        """Decide gene after gene, leaving out those that do not matter given the ones before."""
        genes: Genes = {}
        for name, choice in self._choices.items():
            if choice.active(genes):
                genes[name] = choose(name, choice.left(genes))
        return genes

    def holds(self, genes: Mapping[str, Value]) -> bool:
        """Whether these genes are a point of the space."""
        known = all(genes[name] in self.values.get(name, ()) for name in genes)
        return known and self.walk(_keeping(genes)) == dict(genes)

    def allows(self, genes: Mapping[str, Value]) -> bool:
        """Whether genes that `walk` decided on are what a person wants; those of an unrestricted space always are."""
        known = all(value in self.values.get(name, ()) for name, value in genes.items())
        return known and self._restriction.allows_physics(genes) and self._restriction.fills_slots(genes)

    def nearest(self, genes: Genes) -> Genes:
        """The genome itself if a person allows it, else one that does and differs in few decisions.

        Args:
            genes: a point of the space without bans and pins; this one must not be empty.
        """
        found = self.walk(_keeping(genes))
        if self.allows(found):
            return found
        return min(islice(self.all(), MOST_COMPARED), key=lambda other: len(genes.items() ^ other.items()))

    def changed(self, genes: Genes, changes: Mapping[str, Value]) -> Genes:
        """The genome with some genes changed; genes that begin to matter take their default."""
        return self.walk(_keeping({**genes, **changes}))

    def without_nets(self, genes: Genes) -> Genes:
        """The same physics with no net in it; a net alone has none, and stays as it is."""
        slots = {name: EMPTY for name in genes if name.startswith("slot.") and name.count(".") == 1}
        return self.changed(genes, slots | {"everywhere": False}) if genes["physics"] else genes

    def neighbours(self, genes: Genes) -> list[Genes]:
        """All genomes that differ in one decision; none if a person has left no choice."""
        key = tuple(genes.items())
        if key not in self._neighbours:
            changed = (
                (name, value, self.changed(genes, {name: value}))
                for name, current in genes.items()
                for value in self.values[name]
                if value != current
            )
            found = (other for name, value, other in changed if other[name] == value)
            self._neighbours[key] = [other for other in found if self.allows(other)]
        return self._neighbours[key]

    def crossed(self, one: Genes, other: Genes, generator: np.random.Generator) -> Genes:
        """A child that has each gene from either parent."""

        def choose(name: str, values: tuple[Value, ...]) -> Value:
            offers = [parent[name] for parent in (one, other) if parent.get(name) in values]
            return offers[int(generator.integers(len(offers)))] if offers else default(name, values)

        return self.walk(choose)

    def uniform(self, generator: np.random.Generator) -> Genes:
        """A genome whose every decision is drawn with equal chances."""
        return self.walk(lambda name, values: values[int(generator.integers(len(values)))])

    def all(self) -> Iterator[Genes]:
        """All genomes, in a fixed order."""
        yield from self._completions({}, list(self._choices))

    def _completions(self, genes: Genes, names: Sequence[str]) -> Iterator[Genes]:
        """All that these genes can become by deciding on the named ones; what can come to nothing is left early."""
        if not names:
            yield genes
            return
        if names[0] == "everywhere" and not self._restriction.allows_physics(genes):
            return
        choice = self._choices[names[0]]
        if not choice.active(genes):
            if names[0] not in self._restriction.slots:
                yield from self._completions(genes, names[1:])
            return
        for value in choice.left(genes):
            yield from self._completions({**genes, names[0]: value}, names[1:])


def _keeping(genes: Mapping[str, Value]) -> Choose:
    """Chooses what genes say where that is left, else the default."""

    def choose(name: str, values: tuple[Value, ...]) -> Value:
        value = genes.get(name)
        return value if value is not None and value in values else default(name, values)

    return choose


def default(name: str, values: tuple[Value, ...]) -> Value:
    """The value that a gene has where nothing speaks for another: the first; of net sizes the second, a small one."""
    return values[1] if name.endswith(".hidden") and len(values) > 1 else values[0]
