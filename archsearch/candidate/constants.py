"""Numbers that stand in a source beside its declarations: whoever wrote them down has chosen them.

A table of constants in the code is worth as much as one in the weights, so it counts as much. What is structure does
not count: small whole numbers and one half where they are operands or indices, as in `1 - x`, `x**2`, `0.5 * m`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

DECLARATIONS = ("Param", "Net")
GUESSES = "algebraic_variables"
STRUCTURAL = frozenset((0, 1, 2, 3, 4, 0.5))
DIGITS = 17
"""Significant digits of a float64: a longer literal carries as many numbers as it has room for."""
LETTERS = 8
"""Bytes of a float64."""
MOST_LETTERS = 64
"""Of a text that is a name or a unit; a longer one carries numbers."""


def count_constants(source: str) -> int:
    """How many numbers a source holds that are neither declared nor structure; 0 if it is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0
    return sum(_numbers_in(node, parent) for node, parent in _constants(tree))


def _constants(tree: ast.AST) -> Iterator[tuple[ast.Constant, ast.AST]]:
    """Every constant with the node that it stands in, docstrings and declarations left out."""
    waiting: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
    while waiting:
        node, parent = waiting.pop()
        if isinstance(node, ast.Constant):
            yield node, parent
        elif not _is_declaration(node) and not _is_docstring(node):
            waiting += [(child, node) for child in ast.iter_child_nodes(node)]


def _is_declaration(node: ast.AST) -> bool:
    """Whether it declares a parameter, a net, or where the search for algebraic variables starts."""
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == GUESSES for target in node.targets)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DECLARATIONS


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _numbers_in(node: ast.Constant, parent: ast.AST) -> int:
    value = node.value
    if isinstance(value, bool) or value is None or value is Ellipsis:
        return 0
    if isinstance(value, str | bytes):
        return 0 if len(value) <= MOST_LETTERS else math.ceil(len(value) / LETTERS)
    if value in STRUCTURAL and isinstance(parent, ast.BinOp | ast.UnaryOp | ast.Compare | ast.Subscript | ast.Slice):
        return 0
    return max(1, math.ceil(_digits(value) / DIGITS))


def _digits(value: complex) -> int:
    """Significant digits, at least."""
    return math.ceil(value.bit_length() * math.log10(2)) if isinstance(value, int) else DIGITS
