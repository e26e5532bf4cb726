"""What a genome means in a space: the quantities that are computed, in order, and the nets with their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from archsearch.candidate.genome import Genome, NetGene
from archsearch.problem.expressions import Expression, parse
from archsearch.problem.space import LibraryTerm, Parameter, SearchSpace, Sign, Slot, Structure, Term

Change = Literal["kept", "replaced", "added"]


@dataclass(frozen=True)
class Quantity:
    """One named piece of physics.

    Attributes:
        name: how later expressions call it.
        term: the term of the space or of the library that it is.
        expression: its formula.
        equations: the states in whose derivatives it stands, with sign.
        change: what it is beside the physics as given.
    """

    name: str
    term: str
    expression: Expression
    equations: Mapping[str, Sign]
    change: Change


@dataclass(frozen=True)
class Placed:
    """A net in a slot."""

    slot: Slot
    gene: NetGene

    @property
    def structure(self) -> Structure:
        """What is known about the net, as far as it sees the inputs concerned."""
        known, seen = self.slot.structure, self.gene.inputs
        return known.model_copy(
            update={
                "monotone": {name: sign for name, sign in known.monotone.items() if name in seen},
                "zero_at": {name: value for name, value in known.zero_at.items() if name in seen},
            }
        )


@dataclass(frozen=True)
class Plan:
    """A genome, read in its space; what has no effect is left out.

    Attributes:
        quantities: in an order in which each uses only what came before.
        dropped: terms of the space that are not used.
        replaced: terms of the space in whose place a library term stands.
        parameters: those that are used, in the order of the space.
        placed: the nets in slots, in the order of the space.
        everywhere: the additive net in all equations.
    """

    quantities: tuple[Quantity, ...]
    dropped: tuple[str, ...]
    replaced: Mapping[str, str]
    parameters: tuple[Parameter, ...]
    placed: tuple[Placed, ...]
    everywhere: NetGene | None

    @property
    def has_net(self) -> bool:
        """Whether any net stands anywhere."""
        return bool(self.placed) or self.everywhere is not None


def plan(genome: Genome, space: SearchSpace) -> Plan:
    """Read a genome in its space."""
    wanted = _needed(_quantities(genome, space))
    quantities = _in_order(wanted)
    used = frozenset[str]().union(*(item.expression.names for item in quantities))
    kept = {item.name for item in quantities}
    placed = () if not genome.physics else tuple(_placed(genome, space, used, quantities))
    return Plan(
        quantities=quantities,
        dropped=tuple(term.name for term in space.terms if term.name not in kept),
        replaced={item.name: item.term for item in quantities if item.change == "replaced"},
        parameters=tuple(parameter for parameter in space.parameters if parameter.name in used),
        placed=placed,
        everywhere=genome.everywhere,
    )


@lru_cache(maxsize=256)
def referenced(space_terms: tuple[str, ...], texts: tuple[str, ...]) -> frozenset[str]:
    """The terms whose names other expressions use, and that can therefore not be dropped."""
    return frozenset(space_terms) & frozenset[str]().union(*(parse(text).names for text in texts))


def droppable(term: Term, space: SearchSpace) -> bool:
    """Whether a term may be left out: it stands in an equation, and nothing else is made from it."""
    texts = (*(item.expression for item in space.terms), *(item.expression for item in space.library))
    names = tuple(item.name for item in space.terms)
    return bool(term.equations) and term.name not in referenced(names, texts)


def replacements(term: Term, space: SearchSpace) -> tuple[LibraryTerm, ...]:
    """The library terms that may stand in the place of a term."""
    return tuple(item for item in space.library if item.replaces == term.name)


def additions(space: SearchSpace) -> tuple[LibraryTerm, ...]:
    """The library terms that may be added to equations."""
    return tuple(item for item in space.library if item.replaces is None and item.equations)


def _quantities(genome: Genome, space: SearchSpace) -> list[Quantity]:
    if not genome.physics:
        return []
    library = {item.name: item for item in space.library}
    chosen = {term.name: genome.terms.get(term.name, "given") for term in space.terms}
    terms = [_of_term(term, chosen[term.name], library) for term in space.terms if chosen[term.name] != "dropped"]
    auxiliary = [item for item in space.library if item.replaces is None and not item.equations]
    added = [library[name] for name in library if name in genome.added] + auxiliary
    return terms + [_of_library(item) for item in added]


def _of_term(term: Term, choice: str, library: Mapping[str, LibraryTerm]) -> Quantity:
    if choice == "given":
        return Quantity(term.name, term.name, parse(term.expression), term.equations, "kept")
    other = library[choice]
    equations = other.equations or term.equations
    return Quantity(term.name, other.name, parse(other.expression), equations, "replaced")


def _of_library(item: LibraryTerm) -> Quantity:
    return Quantity(item.name, item.name, parse(item.expression), item.equations, "added")


def _needed(quantities: list[Quantity]) -> list[Quantity]:
    """Those that stand in an equation, and those that they are made from."""
    by_name = {item.name: item for item in quantities}
    needed: set[str] = set()
    waiting = [item.name for item in quantities if item.equations]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [other for other in by_name[name].expression.names if other in by_name]
    return [item for item in quantities if item.name in needed]


def _in_order(quantities: list[Quantity]) -> tuple[Quantity, ...]:
    """As given, but each after what it uses."""
    done: list[Quantity] = []
    names = {item.name for item in quantities}
    waiting = list(quantities)
    while waiting:
        ready = {item.name for item in done}
        following = next((item for item in waiting if item.expression.names & names <= ready), waiting[0])
        done.append(following)
        waiting.remove(following)
    return tuple(done)


def _placed(genome: Genome, space: SearchSpace, used: frozenset[str], quantities: Sequence[Quantity]) -> list[Placed]:
    """The filled slots whose place is part of the model; where an equation is empty there is nothing but adding."""
    placed = []
    kept = {item.name for item in quantities}
    with_physics = {state for item in quantities for state in item.equations}
    for slot in space.slots:
        gene = genome.slots.get(slot.name)
        if gene is None or (slot.term and slot.term not in kept) or (slot.parameter and slot.parameter not in used):
            continue
        alone = slot.equation is not None and slot.equation not in with_physics
        placed.append(Placed(slot, replace(gene, role="add") if alone else gene))
    return placed
