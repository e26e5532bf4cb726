"""Write trees as Python source over torch tensors, grouped exactly as the text was."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from archsearch.problem.syntax import ON_A_GRID, Binary, Call, Name, Negative, Node, Number, children, names_in
from archsearch.problem.values import numpy_value

SUM, PRODUCT, NEGATIVE, POWER, ATOM = 1, 2, 3, 4, 5
LEVELS = {"+": (SUM, SUM, PRODUCT), "-": (SUM, SUM, PRODUCT), "*": (PRODUCT, PRODUCT, NEGATIVE)}
LEVELS |= {"/": (PRODUCT, PRODUCT, NEGATIVE), "**": (POWER, ATOM, NEGATIVE)}
"""Per operator: how tightly it binds, and how tightly its left and its right side must."""


def to_source(node: Node, rename: Mapping[str, str]) -> str:
    """The torch source of a tree; names become what `rename` says, which must be tensors.

    Under `laplacian` it says what follows the field in a call: the spacing and the boundary, as source.
    """
    return _write(node, rename)[0]


def _write(node: Node, rename: Mapping[str, str]) -> tuple[str, int]:
    """The source of a node, with how tightly it binds."""
    if _must_fold(node):
        return _literal(float(numpy_value(node, {})))
    match node:
        case Number(value, text):
            return _literal(value) if text == "pi" else (text, ATOM)
        case Name(name):
            source = rename.get(name, name)
            return source, _level_of(source)
        case Negative(operand):
            return f"-{_inside(operand, NEGATIVE, rename)}", NEGATIVE
        case Call(function, arguments):
            return _call(function, arguments, rename), ATOM
        case Binary(operator, left, right):
            own, before, after = LEVELS[operator]
            return _join(operator, _inside(left, before, rename), _inside(right, after, rename)), own


def _join(operator: str, left: str, right: str) -> str:
    """The two sides with their operator, spaced as formatters do: a simple power is closed up."""
    simple = operator == "**" and " " not in left and " " not in right
    return f"{left}{operator}{right}" if simple else f"{left} {operator} {right}"


def _inside(node: Node, least: int, rename: Mapping[str, str]) -> str:
    text, level = _write(node, rename)
    return text if level >= least else f"({text})"


def _must_fold(node: Node) -> bool:
    """Whether a node is a number that torch cannot compute: its functions take no bare numbers."""
    return not names_in(node) and _has_call_or_power(node)


def _has_call_or_power(node: Node) -> bool:
    own = isinstance(node, Call) or (isinstance(node, Binary) and node.operator == "**")
    return own or any(_has_call_or_power(child) for child in children(node))


def _literal(value: float) -> tuple[str, int]:
    return repr(value), ATOM if value >= 0 else NEGATIVE


def _call(function: str, arguments: tuple[Node, ...], rename: Mapping[str, str]) -> str:
    """A call; torch.minimum and torch.maximum refuse numbers, so one tensor and one number become a clamp."""
    written = [_inside(argument, SUM, rename) for argument in arguments]
    if function in ON_A_GRID:
        return f"{function}({', '.join([*written, *filter(None, [rename.get(function)])])})"
    constant = [not names_in(argument) for argument in arguments]
    if len(arguments) == 2 and any(constant):
        tensor, limit = (written[1], written[0]) if constant[0] else (written[0], written[1])
        return f"torch.clamp({tensor}, {'max' if function == 'minimum' else 'min'}={limit})"
    return f"torch.{function}({', '.join(written)})"


def _level_of(source: str) -> int:
    """How tightly a replacement for a name binds: names, attributes and calls like a name, all else like a sum."""
    node = ast.parse(source, mode="eval").body
    return ATOM if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant) else SUM
