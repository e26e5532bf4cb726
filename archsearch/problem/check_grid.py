"""What is wrong with the grid of a space file, and with what a problem on a grid cannot have."""

from __future__ import annotations

from collections.abc import Iterator

from archsearch.problem.expressions import ExpressionError, parse, parse_condition
from archsearch.problem.space import Bounds, SearchSpace
from archsearch.problem.syntax import ON_A_GRID, Node, functions_in

MOST_AXES = 3
WHY = "where the states are fields on a grid"


def findings(space: SearchSpace) -> list[str]:
    """Everything that is wrong with the grid; without one, that an expression asks for it."""
    found = [*_expressions(space), *_conditions(space)]
    if not space.is_field:
        return [*_no_axes(space), *found]
    return [*_grid(space), *_problem(space), *_states(space), *found]


def _no_axes(space: SearchSpace) -> Iterator[str]:
    if space.grid.boundary is not None:
        yield "axes: expected [[axes]] with at least one name beside [grid], found none"


def _grid(space: SearchSpace) -> Iterator[str]:
    if space.grid.boundary is None:
        yield 'grid.boundary: expected "periodic", "neumann" (no flux) or "dirichlet" beside [[axes]], found none'
    if len(space.axes) > MOST_AXES:
        yield f"axes: expected at most {MOST_AXES}, found {len(space.axes)}"
    first = space.axes[0]
    for axis in space.axes[1:]:
        if axis.unit != first.unit:
            yield f"axes.{axis.name}.unit: expected '{first.unit}' as for '{first.name}', found '{axis.unit}'"


def _problem(space: SearchSpace) -> Iterator[str]:
    """What the fit of a field cannot do."""
    if space.is_static:
        yield f"problem.kind: expected \"process\" {WHY}, found 'static'"
    if space.split.by == "region":
        yield f'split.by: expected "trajectory" or "time" {WHY}, found \'region\''
    if space.split.start == "warmup":
        yield f'split.start: expected "first" or "continue" {WHY}, found \'warmup\''


def _states(space: SearchSpace) -> Iterator[str]:
    for state in space.states:
        if not state.observed:
            yield f"states.{state.name}.observed: expected true {WHY}, found false"
        if isinstance(state.initial, Bounds):
            yield f'states.{state.name}.initial: expected "estimate", "first" or a number {WHY}, found bounds'


def _expressions(space: SearchSpace) -> Iterator[str]:
    """Differences along the grid need one, and something that varies along it."""
    quantities = {term.name for term in space.terms if not term.equations}
    for where, items in (("terms", space.terms), ("library", space.library)):
        for item in items:
            for function, argument in _differences(item.expression):
                key = f"{where}.{item.name}.expression"
                if not space.is_field:
                    yield f"{key}: expected [grid] and [[axes]] for {function}(...), found none"
                elif not argument & {*space.state_names, *quantities}:
                    yield f"{key}: expected states in {function}(...), found {', '.join(sorted(argument)) or 'none'}"


def _conditions(space: SearchSpace) -> Iterator[str]:
    """Conditions are read point by point."""
    texts = {f"constraints.{item.name}.expression": item.expression for item in space.constraints}
    texts |= {f"split.{key}": getattr(space.split, key) or "" for key in ("validation_where", "test_where")}
    for key, text in texts.items():
        try:
            condition = parse_condition(text)
        except ExpressionError:
            continue  # told of already, where meaning is checked
        for function in {name for side in (condition.left, condition.right) for name, _ in _of(side.tree)}:
            yield f"{key}: expected a condition on the values at a point, found {function}(...)"


def _differences(text: str) -> list[tuple[str, frozenset[str]]]:
    """The functions of an expression that look at other points of the grid, with the names in their argument."""
    try:
        return _of(parse(text).tree)
    except ExpressionError:
        return []


def _of(tree: Node) -> list[tuple[str, frozenset[str]]]:
    return [(name, names) for name, names in functions_in(tree) if name in ON_A_GRID]
