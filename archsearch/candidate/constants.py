"""Numbers that stand in a source beside its declarations: whoever wrote them down has chosen them.

A table of constants in the code is worth as much as one in the weights, so it counts as much. What is structure does
not count: small whole numbers, one half and fractions of them where they are operands of what varies or indices, as in
`1 - x`, `x**2`, `0.5 * m`, `m**(2 / 3)`. What is computed from more of them, as in `(3 * 4 + 2) * x`, was chosen too.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import Any, TypeGuard

DECLARATIONS = ("Param", "Net")
GUESSES = "algebraic_variables"
STRUCTURAL = frozenset((0, 1, 2, 3, 4, 0.5))
DIGITS = 17
"""Significant digits of a float64: a longer literal carries as many numbers as it has room for."""
OF_STRUCTURE = 12
"""Small numbers that a chosen one can be computed from: each, with what joins it to the next, carries four or five of
the 53 bits of a float64."""
STRUCTURE = 60
"""Small numbers that a source may hold as structure; `x * 4 * 4 + x * 3` holds more than it seems."""
OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.Slice)
"""What a number that is structure stands in."""
OPERATORS = ast.operator | ast.unaryop
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
    names = sum(len(text) for node, _ in found if (text := _text(node)) is not None and _is_name(text))
    free = sum(len(_numbers(node)) for node, parent in found if _is_structure(node, parent))
    declared = sum(max(0, _numbers_inside(node) - OF_A_DECLARATION) for node in ast.walk(tree) if _is_declaration(node))
    beyond = _carried(max(0, names - NAMES)) + math.ceil(max(0, free - STRUCTURE) / OF_STRUCTURE)
    return sum(_chosen(node, parent) for node, parent in found) + beyond + declared


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


def _constants(tree: ast.AST, outside: bool) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Every text, and the whole of what is computed from numbers alone, with the node that it stands in.

    Docstrings are left out, and declarations if asked.
    """
    varying = _varying(tree)
    waiting: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
    while waiting:
        node, parent = waiting.pop()
        if _text(node) is not None or node not in varying:
            yield node, parent
        elif not (outside and _is_declaration(node)) and not _is_docstring(node):
            waiting += [(child, node) for child in ast.iter_child_nodes(node) if not isinstance(child, OPERATORS)]


def _varying(tree: ast.AST) -> set[ast.AST]:
    """The nodes that are not computed from numbers alone; without recursion, since a source may be nested deeply."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = {tree}
    for node in ast.walk(tree):
        above = node
        while above not in found and not (above is node and _may_be_of_numbers(node)):
            found.add(above)
            above = parents[above]
    return found


def _numbers_inside(declaration: ast.AST) -> int:
    """How many numbers a declaration holds; of its texts, names and units apart."""
    found = [node for node, _ in _constants(declaration, outside=False)]
    letters = [len(text) for node in found if (text := _text(node)) is not None]
    return sum(len(_numbers(node)) for node in found) + sum(_carried(many) for many in letters if many > MOST_LETTERS)


def _is_name(text: str | bytes) -> bool:
    return isinstance(text, str) and text.isidentifier() and len(text) <= MOST_LETTERS


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


def _text(node: ast.AST) -> str | bytes | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) else None


def _is_number(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float, complex)


def _may_be_of_numbers(node: ast.AST) -> bool:
    return _is_number(node) or isinstance(node, ast.BinOp | ast.UnaryOp | OPERATORS)


def _numbers(node: ast.AST) -> list[Any]:
    return [part.value for part in ast.walk(node) if _is_number(part)]


def _is_structure(node: ast.AST, parent: ast.AST) -> bool:
    """Whether it is an operand or an index that need not have been chosen: a small number, or a fraction of two."""
    numbers, operations = _numbers(node), [part for part in ast.walk(node) if isinstance(part, ast.BinOp)]
    is_fraction = len(operations) == 1 and isinstance(operations[0].op, ast.Div)
    is_small = bool(numbers) and STRUCTURAL.issuperset(numbers)
    return is_small and (not operations or is_fraction) and isinstance(parent, OPERATIONS)


def _chosen(node: ast.AST, parent: ast.AST) -> int:
    """How many numbers it holds that somebody chose."""
    text = _text(node)
    if text is not None:
        return 0 if _is_name(text) else _carried(len(text))
    if _is_structure(node, parent):
        return 0
    numbers = _numbers(node)
    small = sum(number in STRUCTURAL for number in numbers)
    others = sum(math.ceil(_digits(number) / DIGITS) for number in numbers if number not in STRUCTURAL)
    return max(1, others + small // OF_STRUCTURE)


def _digits(value: complex) -> int:
    """Significant digits, at least."""
    return math.ceil(value.bit_length() * math.log10(2)) if isinstance(value, int) else DIGITS
