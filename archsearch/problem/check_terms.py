"""What is wrong with the terms, the library, the slots and the constraints of a space file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from archsearch.errors import did_you_mean
from archsearch.problem import naming
from archsearch.problem.expressions import ExpressionError, parse, parse_condition
from archsearch.problem.naming import Known
from archsearch.problem.space import LibraryTerm, SearchSpace, Slot, Term

ROLES = {"equation": ("add",), "term": ("add", "scale", "replace"), "parameter": ("replace", "scale")}
"""The roles that a net may have, by what it stands on."""


def findings(space: SearchSpace, known: Known) -> list[str]:
    """Everything that is wrong with terms, library, slots and constraints."""
    return [*_terms(space, known), *_library(space, known), *_slots(space, known), *_constraints(space, known)]


def names_in(expression: str) -> frozenset[str]:
    """The names that an expression uses; none if it cannot be read."""
    try:
        return parse(expression).names
    except ExpressionError:
        return frozenset()


def _terms(space: SearchSpace, known: Known) -> Iterator[str]:
    declared: list[str] = []
    for term in space.terms:
        key = f"terms.{term.name}"
        yield from _equations(key, term, known)
        yield from _expression(key, term, known)
        for name in sorted(names_in(term.expression)):
            if known.kinds.get(name) == "quantity" and name not in declared:
                found = "itself" if name == term.name else f"'{name}', which is declared further down; move it up"
                yield f"{key}.expression: expected quantities declared above, found {found}"
        declared.append(term.name)


def _expression(key: str, term: Term | LibraryTerm, known: Known) -> Iterator[str]:
    """The expression can be read and uses names of states, inputs, parameters and quantities only."""
    try:
        names = parse(term.expression).names - {naming.TIME}
    except ExpressionError as error:
        yield f"{key}.expression: {error.message}"
        return
    for name in sorted(names):
        wrong = known.unfit(name, "state", "input", "parameter", "quantity")
        if wrong:
            remedy = "; only terms without equations are used by name" if known.kinds.get(name) == "term" else ""
            yield f"{key}.expression: {wrong}{remedy}"


def _equations(key: str, term: Term | LibraryTerm, known: Known) -> Iterator[str]:
    for name in term.equations:
        wrong = known.unfit(name, "state")
        if wrong:
            yield f"{key}.equations: {wrong}"


def _library(space: SearchSpace, known: Known) -> Iterator[str]:
    for term in space.library:
        key = f"library.{term.name}"
        yield from _equations(key, term, known)
        yield from _expression(key, term, known)
        if term.replaces is not None:
            yield from _replacement(key, term, space, known)
        elif not term.equations:
            yield f'{key}: expected equations = {{state = "+"}} or replaces = "term", found neither'


def _replacement(key: str, term: LibraryTerm, space: SearchSpace, known: Known) -> Iterator[str]:
    """What it replaces is a suspect term, and what it uses is there when that term is computed."""
    wrong = known.unfit(str(term.replaces), "term", "quantity")
    if wrong:
        yield f"{key}.replaces: {wrong}"
    replaced = next((other for other in space.terms if other.name == term.replaces), None)
    if replaced is None:
        return
    if replaced.trust == "trusted":
        yield f"{key}.replaces: expected a suspect term, found '{replaced.name}', which is trusted"
    if term.equations and term.equations != replaced.equations:
        yield f"{key}.equations: expected none, or those of '{replaced.name}', which it replaces, found others"
    above = [other.name for other in space.terms[: space.terms.index(replaced)]]
    for name in sorted(names_in(term.expression)):
        if known.kinds.get(name) == "quantity" and name not in above:
            yield f"{key}.expression: expected quantities declared above '{replaced.name}', found '{name}'"


def _slots(space: SearchSpace, known: Known) -> Iterator[str]:
    taken: dict[tuple[str, str], str] = {}
    for slot in space.slots:
        places = [(kind, str(getattr(slot, kind))) for kind in ROLES if getattr(slot, kind) is not None]
        yield from (f"slots.{slot.name}{finding}" for finding in _slot(slot, places, known))
        for kind, name in places:
            if kind != "equation" and (kind, name) in taken:
                other = taken[kind, name]
                yield f"slots.{slot.name}.{kind}: expected a place of its own, found '{name}', where '{other}' stands"
            taken.setdefault((kind, name), slot.name)


def _slot(slot: Slot, places: list[tuple[str, str]], known: Known) -> Iterator[str]:
    if len(places) != 1:
        found = " and ".join(kind for kind, _ in places) or "none"
        yield f": expected exactly one of equation, term, parameter, found {found}"
    for kind, name in places:
        wrong = known.unfit(name, *{"equation": ("state",), "term": ("term", "quantity")}.get(kind, (kind,)))
        if wrong:
            yield f".{kind}: {wrong}"
    yield from _roles(slot, places)
    yield from _inputs(slot, known)
    yield from _structure(slot)


def _roles(slot: Slot, places: list[tuple[str, str]]) -> Iterator[str]:
    if not slot.roles:
        yield ".roles: expected at least one of add, scale, replace, found none"
    if len(set(slot.roles)) < len(slot.roles):
        yield f".roles: expected each role once, found {', '.join(slot.roles)}"
    if len(places) == 1:
        kind, allowed = places[0][0], ROLES[places[0][0]]
        for role in dict.fromkeys(slot.roles):
            if role not in allowed and "roles" in slot.model_fields_set:
                yield f".roles: expected {' or '.join(allowed)} for a slot on {_a(kind)}, found '{role}'"


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _inputs(slot: Slot, known: Known) -> Iterator[str]:
    if not slot.inputs:
        yield ".inputs: expected the names of what the net may see, found none"
    for name in dict.fromkeys(slot.inputs):
        wrong = known.unfit(name, "state", "input")
        if wrong:
            yield f".inputs: {wrong}"
        if slot.inputs.count(name) > 1:
            yield f".inputs: expected each name once, found '{name}' {slot.inputs.count(name)} times"


def _structure(slot: Slot) -> Iterator[str]:
    structure = slot.structure
    for key, names in (("monotone", structure.monotone), ("zero_at", structure.zero_at)):
        for name in names:
            if name not in slot.inputs:
                seen = ", ".join(slot.inputs)
                close = did_you_mean(name, slot.inputs)
                yield f".structure.{key}: expected inputs of this slot ({seen}), found '{name}'{close}"
    if structure.bounded is not None:
        yield from _bounded(structure.bounded, structure.positive)
    for name, value in structure.zero_at.items():
        if not math.isfinite(value):
            yield f".structure.zero_at: expected a finite number, found {name} = {value}"


def _bounded(bounds: tuple[float, float], positive: bool) -> Iterator[str]:
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        yield f".structure.bounded: expected two finite numbers, the lower first, found [{low:g}, {high:g}]"
    elif positive and low < 0:
        yield f".structure.bounded: expected a lower bound of at least 0 with positive = true, found {low:g}"


def _constraints(space: SearchSpace, known: Known) -> Iterator[str]:
    for constraint in space.constraints:
        key = f"constraints.{constraint.name}.expression"
        yield from (f"{key}: {wrong}" for wrong in condition_findings(constraint.expression, known))


def condition_findings(text: str, known: Known) -> Iterator[str]:
    """What is wrong with a condition on states and inputs."""
    try:
        names = parse_condition(text).names
    except ExpressionError as error:
        yield error.message
        return
    yield from filter(None, (known.unfit(name, "state", "input") for name in sorted(names)))


def unused(space: SearchSpace) -> Iterator[str]:
    """A quantity that nothing uses was most likely meant to stand in an equation."""
    expressions: Iterable[Term | LibraryTerm] = (*space.terms, *space.library)
    used = frozenset[str]().union(*(names_in(term.expression) for term in expressions))
    for term in space.terms:
        if not term.equations and term.name not in used:
            yield f'terms.{term.name}: expected equations = {{state = "+"}} or a term that uses its name, found neither'
