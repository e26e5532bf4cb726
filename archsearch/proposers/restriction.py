"""What bans and pins leave of the closed space of genomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from archsearch.candidate.genes import EMPTY, Value, quantities_of
from archsearch.problem.space import SearchSpace
from archsearch.proposers.memory import Wishes


@dataclass(frozen=True)
class Restriction:
    """Bans and pins, read gene by gene.

    Most of what a person bans or pins is a value of one gene, and is left out or the only one left. Two things are not:
    whether a quantity that stands in no equation is used depends on what is made from it, and whether a slot on a
    parameter is there depends on the terms; so whole genomes are looked at for these.

    Args:
        space: what is searched.
        wishes: of a person.
    """

    space: SearchSpace
    wishes: Wishes

    def narrowed(self, values: Mapping[str, tuple[Value, ...]]) -> dict[str, tuple[Value, ...]]:
        """The values that each gene may still take; none where nothing is left."""
        found = {name: tuple(value for value in some if self._may_be(name, value)) for name, some in values.items()}
        for term in (term for term in self.space.terms if not term.equations and f"term.{term.name}" in values):
            found[f"term.{term.name}"] = found[f"term.{term.name}"] or values[f"term.{term.name}"]  # it may be unused
        fixed = {term.name for term in self.space.terms if term.equations and f"term.{term.name}" not in values}
        without = any(name.startswith("term.") and not some for name, some in found.items())
        if without or fixed & set(self.wishes.bans):
            found["physics"] = tuple(value for value in found["physics"] if not value)
        return found

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """The genes of slots that have to be filled."""
        return tuple(f"slot.{slot.name}" for slot in self.space.slots if slot.name in self.wishes.pins)

    def allows_physics(self, genes: Mapping[str, Value]) -> bool:
        """Whether the terms of a genome, as far as it says them, are those that a person wants."""
        if not self._watched:
            return True
        used = quantities_of(genes, self.space)
        banned = any(name in used for name in self.wishes.bans)
        return not banned and all(name in used for name in self.wishes.pins if name in self._watched)

    def fills_slots(self, genes: Mapping[str, Value]) -> bool:
        """Whether all slots that have to be filled are."""
        return all(genes.get(name, EMPTY) != EMPTY for name in self.slots)

    @cached_property
    def _watched(self) -> frozenset[str]:
        """Banned or pinned names that no single gene decides on."""
        told = {*self.wishes.bans, *self.wishes.pins}
        terms = {term.name for term in self.space.terms if not term.equations}
        library = {item.name for item in self.space.library if item.replaces in terms}
        library |= {item.name for item in self.space.library if item.replaces is None and not item.equations}
        return frozenset(told & (terms | library))

    def _may_be(self, name: str, value: Value) -> bool:
        kind, _, rest = name.partition(".")
        if kind == "physics":
            return bool(value) or not self.wishes.pins
        if kind == "everywhere":
            return not (value is True and self.slots)
        if kind == "term":
            return self._term_may_be(rest, value)
        if kind == "add":
            return rest not in (self.wishes.pins if value is False else self.wishes.bans)
        if kind == "slot" and "." not in rest:
            return self._slot_may_be(rest, value)
        return True

    def _slot_may_be(self, name: str, value: Value) -> bool:
        """Whether a slot may be filled so; a net in the place of a pinned term would leave nothing of it."""
        slot = next(slot for slot in self.space.slots if slot.name == name)
        if value == EMPTY:
            return name not in self.wishes.pins
        replaces_pinned = value == "replace" and slot.term in self.wishes.pins and name not in self.wishes.pins
        return name not in self.wishes.bans and not replaces_pinned

    def _term_may_be(self, term: str, value: Value) -> bool:
        """Whether what becomes of a suspect term is neither banned, nor in the way of what is pinned."""
        used = term if value == "given" else str(value)
        rivals = {term, *(item.name for item in self.space.library if item.replaces == term)}
        pinned = rivals & set(self.wishes.pins)
        if used in self.wishes.bans or (pinned and pinned != {used}):
            return False
        slots = [slot for slot in self.space.slots if slot.term == term and slot.name in self.wishes.pins]
        if value == "dropped":
            return not slots
        return value == "given" or all(slot.roles != ("replace",) for slot in slots)
