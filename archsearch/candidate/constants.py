"""Numbers that stand in a source beside its declarations: whoever wrote them down has chosen them.

A table of constants in the code is worth as much as one in the weights, so it counts as much. What is structure does
not count: small whole numbers, one half and fractions of them where they are operands of what varies or indices, as in
`1 - x`, `x**2`, `0.5 * m`, `m**(2 / 3)`. What is computed from more of them, as in `(3 * 4 + 2) * x`, was chosen too.
True, False, None, ... and empty brackets are small numbers, but for what they tell a function (`keepdim=True`).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Iterator, Sequence
from typing import TypeGuard

from archsearch.candidate.chosen_letters import DISPLAYS, chosen_in_letters, is_docstring
from archsearch.candidate.declared_numbers import declarations, is_chosen
from archsearch.problem.space import SearchSpace

STRUCTURAL = frozenset((0, 1, 2, 3, 4, 0.5))
DIGITS = 17
"""Significant digits of a float64: a longer literal carries as many numbers as it has room for."""
OF_STRUCTURE = 12
"""Small numbers that a chosen one can be computed from: each, with what joins it to the next, carries four or five of
the 53 bits of a float64. So does each part of a formula."""
STRUCTURE = 60
"""Small numbers that a source may hold as structure; `x * 4 * 4 + x * 3` holds more than it seems."""
PARTS = 600
"""Names, operations, calls and brackets that a source may have beside those of the terms of its space: any number can
be computed from `x / x`. What the search writes has up to 270 in all."""
OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.Slice)
"""What a number that is structure stands in."""
OPERATORS = ast.operator | ast.unaryop | ast.expr_context


def count_constants(source: str, space: SearchSpace | None = None) -> int:
    """How many numbers a source holds that are neither declared nor structure; 0 if it is not Python.

    Args:
        source: of a candidate.
        space: what it is for: its fixed parameters, its names and the length of its terms were not chosen by whoever
            wrote the source. None if there is none; then whatever the source says counts as its own.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0
    nodes = list(ast.walk(tree))
    declared = declarations(tree, nodes)
    inside = {part for one in declared for part in ast.walk(one.value)}
    found = list(_constants(tree, nodes, inside))
    free = sum(len(_numbers(node)) for node, parent in found if _is_structure(node, parent))
    return (
        sum(_chosen(node, parent) for node, parent in found)
        + sum(max(0, _numbers_inside(one.value) - one.allowed) + is_chosen(one, space) for one in declared)
        + chosen_in_letters(nodes, inside, space)
        + _beyond(free, STRUCTURE)
        + _beyond(sum(_is_part(node) for node in nodes), PARTS + _parts_of(space))
    )


def without_remarks(source: str) -> str:
    """The same program without what is not counted: comments, docstrings, how it is laid out.

    Raises:
        ValueError: it is no Python, or nested too deeply to be written out.
    """
    try:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and is_docstring(node):
                node.value = ast.Constant("")
        return ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it cannot be read as Python: {error}") from error


def _constants(
    tree: ast.AST, nodes: Sequence[ast.AST], declared: Collection[ast.AST] = ()
) -> Iterator[tuple[ast.AST, ast.AST]]:
    """The whole of what is computed from numbers alone, with the node that it stands in, but for what is declared."""
    varying = _varying(tree, nodes)
    waiting: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
    while waiting:
        node, parent = waiting.pop()
        if node not in varying:
            yield node, parent
        elif node not in declared and not is_docstring(node):
            is_index = isinstance(node, ast.Tuple) and isinstance(parent, ast.Subscript) and parent.slice is node
            above = parent if is_index else node  # in x[..., 0] both are indices
            waiting += [(child, above) for child in ast.iter_child_nodes(node) if not isinstance(child, OPERATORS)]


def _varying(tree: ast.AST, nodes: Sequence[ast.AST]) -> set[ast.AST]:
    """The nodes that are not computed from numbers alone; without recursion, since a source may be nested deeply."""
    parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
    found = {tree}
    for node in nodes:
        above = node
        while above not in found and not (above is node and _may_be_of_numbers(node)):
            found.add(above)
            above = parents[above]
    return found


def _beyond(many: int, allowed: int) -> int:
    """How many numbers can be computed from so many small ones, or parts of formulas, more than are allowed."""
    return math.ceil(max(0, many - allowed) / OF_STRUCTURE)


def _is_part(node: ast.AST) -> bool:
    """Whether it is part of a formula: a name, an operation, a call, brackets."""
    return isinstance(node, ast.expr) and not isinstance(node, ast.Constant)


def _parts_of(space: SearchSpace | None) -> int:
    """How many parts the terms of a space can have: none is shorter than a letter."""
    tables = (space.terms, space.library) if space else ()
    return sum(len(term.expression) for table in tables for term in table)


def _numbers_inside(declaration: ast.AST) -> int:
    """How many numbers a declaration holds, but for what is true or not."""
    found = _constants(declaration, list(ast.walk(declaration)))
    return sum(len(_numbers(node)) for node, parent in found if not _is_told(node, parent))


def _is_number(node: ast.AST) -> TypeGuard[ast.expr]:
    """Whether it is a number, or counts like a small one: any constant but a text does, empty brackets and f""."""
    if isinstance(node, DISPLAYS | ast.JoinedStr):
        return not (node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else node.values)
    return isinstance(node, ast.Constant) and not isinstance(node.value, str | bytes)


def _may_be_of_numbers(node: ast.AST) -> bool:
    return _is_number(node) or isinstance(node, ast.BinOp | ast.UnaryOp | OPERATORS)


def _numbers(node: ast.AST) -> list[complex]:
    return [_value(part) for part in ast.walk(node) if _is_number(part)]


def _value(node: ast.expr) -> complex:
    value = getattr(node, "value", 0)
    return value if isinstance(value, int | float | complex) else 0


def _is_told(node: ast.AST, parent: ast.AST) -> bool:
    """Whether it is True, None or the like outside a table: what a function is told, a default, nothing."""
    is_constant = isinstance(node, ast.Constant) and type(node.value) in (int, float, complex)
    return _is_number(node) and not is_constant and not isinstance(parent, DISPLAYS)


def _is_structure(node: ast.AST, parent: ast.AST) -> bool:
    """Whether it is an operand or an index that need not have been chosen: a small number, or a fraction of two."""
    numbers, operations = _numbers(node), [part for part in ast.walk(node) if isinstance(part, ast.BinOp)]
    is_fraction = len(operations) == 1 and isinstance(operations[0].op, ast.Div)
    is_small = bool(numbers) and STRUCTURAL.issuperset(numbers) and (not operations or is_fraction)
    return _is_told(node, parent) or (is_small and isinstance(parent, OPERATIONS))


def _chosen(node: ast.AST, parent: ast.AST) -> int:
    """How many numbers it holds that somebody chose."""
    if _is_structure(node, parent):
        return 0
    numbers = _numbers(node)
    small = sum(number in STRUCTURAL for number in numbers)
    others = sum(math.ceil(_digits(number) / DIGITS) for number in numbers if number not in STRUCTURAL)
    return max(1, others + small // OF_STRUCTURE)


def _digits(value: complex) -> int:
    """Significant digits, at least."""
    return math.ceil(value.bit_length() * math.log10(2)) if isinstance(value, int) else DIGITS
