"""Numbers that stand in a source beside its declarations: whoever wrote them down has chosen them.

A table of constants in the code is worth as much as one in the weights, so it counts as much. What is structure does
not count: small whole numbers and one half where they are operands or indices, as in `1 - x`, `x**2`, `0.5 * m`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import TypeGuard

DECLARATIONS = ("Param", "Net")
GUESSES = "algebraic_variables"
STRUCTURAL = frozenset((0, 1, 2, 3, 4, 0.5))
DIGITS = 17
"""Significant digits of a float64: a longer literal carries as many numbers as it has room for."""
LETTERS = 8
"""Bytes of a float64."""
MOST_LETTERS = 64
"""Of a text that is a name; a longer one carries numbers, and so does one that is no name."""
NAMES = 1000
"""Letters that all names of a source may have together."""
OF_A_DECLARATION = 12
"""Numbers that the declaration of a parameter or a net may need: a start, bounds, widths, zeros."""


def count_constants(source: str) -> int:
    """How many numbers a source holds that are neither declared nor structure; 0 if it is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0
    found = list(_constants(tree, outside=True))
    names = sum(len(node.value) for node, _ in found if isinstance(node.value, str) and _is_name(node.value))
    declared = sum(max(0, _numbers_inside(node) - OF_A_DECLARATION) for node in ast.walk(tree) if _is_declaration(node))
    return sum(_numbers_in(node, parent) for node, parent in found) + _carried(max(0, names - NAMES)) + declared


def without_remarks(source: str) -> str:
    """The same program without what is not counted: comments, docstrings, how it is laid out.

    Raises:
        ValueError: it is no Python, or nested too deeply to be written out.
    """
    try:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if _is_docstring(node):
                node.value = ast.Constant("")
        return ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it cannot be read as Python: {error}") from error


def _constants(tree: ast.AST, outside: bool) -> Iterator[tuple[ast.Constant, ast.AST]]:
    """Every constant with the node that it stands in; docstrings are left out, and declarations if asked."""
    waiting: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
    while waiting:
        node, parent = waiting.pop()
        if isinstance(node, ast.Constant):
            yield node, parent
        elif not (outside and _is_declaration(node)) and not _is_docstring(node):
            waiting += [(child, node) for child in ast.iter_child_nodes(node)]


def _numbers_inside(declaration: ast.AST) -> int:
    """How many numbers a declaration holds; of its texts, names and units apart."""
    values = [node.value for node, _ in _constants(declaration, outside=False)]
    texts = (len(value) for value in values if isinstance(value, str | bytes))
    return sum(isinstance(value, int | float | complex) for value in values) + sum(
        _carried(letters) for letters in texts if letters > MOST_LETTERS
    )


def _is_name(text: str) -> bool:
    return text.isidentifier() and len(text) <= MOST_LETTERS


def _carried(letters: int) -> int:
    """How many numbers so many letters can carry."""
    return math.ceil(letters / LETTERS)


def _is_declaration(node: ast.AST) -> bool:
    """Whether it declares a parameter, a net, or where the search for algebraic variables starts."""
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == GUESSES for target in node.targets)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DECLARATIONS


def _is_docstring(node: ast.AST) -> TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _numbers_in(node: ast.Constant, parent: ast.AST) -> int:
    value = node.value
    if isinstance(value, bool) or value is None or value is Ellipsis:
        return 0
    if isinstance(value, str | bytes):
        return 0 if isinstance(value, str) and _is_name(value) else _carried(len(value))
    if value in STRUCTURAL and isinstance(parent, ast.BinOp | ast.UnaryOp | ast.Compare | ast.Subscript | ast.Slice):
        return 0
    return max(1, math.ceil(_digits(value) / DIGITS))


def _digits(value: complex) -> int:
    """Significant digits, at least."""
    return math.ceil(value.bit_length() * math.log10(2)) if isinstance(value, int) else DIGITS
