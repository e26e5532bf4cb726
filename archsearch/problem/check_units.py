"""What is wrong with the units of a space file: each term of an equation is its state per time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archsearch.problem import naming
from archsearch.problem.expressions import Condition, ExpressionError, parse, parse_condition
from archsearch.problem.space import LibraryTerm, SearchSpace, Term
from archsearch.problem.syntax import ON_A_GRID, functions_in
from archsearch.problem.units import Unit, compare, is_known, parse_unit, same


def findings(space: SearchSpace) -> list[str]:
    """Everything that is wrong with units; nothing if the space uses none."""
    declared = _declared(space)
    if all(text == "1" for text in declared.values()) and not space.problem.counting_units:
        return []
    counting = [*_counting(space.problem.counting_units)]
    if counting:
        return counting
    units: dict[str, Unit] = {}
    unreadable = []
    for key, text in declared.items():
        try:
            units[key] = parse_unit(text, space.problem.counting_units)
        except ExpressionError as error:
            unreadable.append(f"{key}: {error.message}")
    return unreadable + list(_uses(space, units))


def _declared(space: SearchSpace) -> dict[str, str]:
    """Every unit of the file, by its key."""
    found = {"problem.time_unit": space.problem.time_unit}
    for where, items in (
        ("axes", space.axes),
        ("states", space.states),
        ("inputs", space.inputs),
        ("parameters", space.parameters),
    ):
        found |= {f"{where}.{item.name}.unit": item.unit for item in items}
    return found


def _counting(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if not name.isidentifier() or not name.isascii():
            yield f"problem.counting_units: expected names of plain letters, found '{name}'"
        elif is_known(name):
            yield f"problem.counting_units: expected names of things that are counted, found '{name}', a unit already"


def _uses(space: SearchSpace, units: Mapping[str, Unit]) -> Iterator[str]:
    """What is wrong where units meet: in terms, in the library and in conditions."""
    known = {key.split(".")[1]: unit for key, unit in units.items() if key.count(".") == 2}
    time = units.get("problem.time_unit")
    if time is not None:
        known[naming.TIME] = time
    length = units.get(f"axes.{space.axes[0].name}.unit") if space.is_field else None
    if length is not None:
        known["laplacian"] = length**2
    rates = _rates(space, units, time)
    for term in space.terms:
        yield from _term(f"terms.{term.name}", term, known, rates)
    for extra in space.library:
        yield from _term(f"library.{extra.name}", extra, known, rates)
    for key, condition in _conditions(space):
        yield from (f"{key}: {wrong}" for wrong in _condition(condition, known))


def _rates(space: SearchSpace, units: Mapping[str, Unit], time: Unit | None) -> dict[str, tuple[Unit, str]]:
    """The unit of what stands in the equation of each state, and what that is: of its rate, or without time its own."""
    own = {name: units.get(f"states.{name}.unit") for name in space.state_names}
    if space.is_static:
        return {name: (unit, f"the unit of {name}") for name, unit in own.items() if unit is not None}
    return {
        name: (unit / time, f"the unit of {name} per time")
        for name, unit in own.items()
        if unit is not None and time is not None
    }


def _term(
    key: str, term: Term | LibraryTerm, known: dict[str, Unit], rates: Mapping[str, tuple[Unit, str]]
) -> Iterator[str]:
    """One term against the equations that it stands in; the unit of a quantity becomes known to what follows.

    Args:
        key: of the term.
        term: which.
        known: units by name.
        rates: unit of what stands in the equation of each state, and what that is.
    """
    try:
        expression = parse(term.expression)
        used = expression.names | {name for name, _ in functions_in(expression.tree) if name in ON_A_GRID}
        if not used <= known.keys():
            return
        unit = expression.unit(known)
    except ExpressionError as error:
        if term.expression and _readable(term.expression):
            yield f"{key}.expression: {error.message}"
        return
    if isinstance(term, Term):
        known[term.name] = unit
    if isinstance(term, LibraryTerm) and term.replaces in known and not same(unit, known[term.replaces]):
        yield f"{key}.expression: {compare(unit, known[term.replaces])} (the unit of {term.replaces})"
    for state in term.equations:
        if state in rates and not same(unit, rates[state][0]):
            yield f"{key}.expression: {compare(unit, rates[state][0])} ({rates[state][1]})"


def _readable(text: str) -> bool:
    try:
        parse(text)
    except ExpressionError:
        return False
    return True


def _conditions(space: SearchSpace) -> Iterator[tuple[str, Condition]]:
    """Every condition of the file that can be read, by its key."""
    texts = {f"constraints.{item.name}.expression": item.expression for item in space.constraints}
    texts |= {f"split.{key}": getattr(space.split, key) or "" for key in ("validation_where", "test_where")}
    for key, text in texts.items():
        try:
            yield key, parse_condition(text)
        except ExpressionError:
            continue  # told of already, where meaning is checked


def _condition(condition: Condition, known: Mapping[str, Unit]) -> Iterator[str]:
    """Both sides of a condition are alike; a bare number is taken in the unit of the other side."""
    if not condition.names <= known.keys() or not (condition.left.names and condition.right.names):
        return
    try:
        left, right = condition.left.unit(known), condition.right.unit(known)
    except ExpressionError as error:
        yield error.message
        return
    if not same(right, left):
        yield compare(right, left)
