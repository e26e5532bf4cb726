"""The text of a term as a checked tree: a whitelist of arithmetic, functions and names, and nothing is ever run."""

from __future__ import annotations

import ast
import math
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from archsearch.errors import ArchsearchError, did_you_mean

FUNCTIONS = {
    "exp": 1,
    "log": 1,
    "sqrt": 1,
    "sin": 1,
    "cos": 1,
    "tan": 1,
    "tanh": 1,
    "sinh": 1,
    "cosh": 1,
    "abs": 1,
    "sign": 1,
    "minimum": 2,
    "maximum": 2,
    "laplacian": 1,
}
"""The functions of a term, with their number of arguments."""

ON_A_GRID = frozenset({"laplacian"})
"""Those that look at the neighbours of a point: for states that are fields on a grid."""

CONSTANTS = {"pi": math.pi}
OTHER_SPELLINGS = {"ln": "log", "min": "minimum", "max": "maximum", "pow": "**", "arctan": "tanh"}
LONGEST, DEEPEST = 2000, 100

Operator = Literal["+", "-", "*", "/", "**"]


class ExpressionError(ArchsearchError):
    """The text of a term, a condition or a unit cannot be used; says what was expected and found."""


@dataclass(frozen=True)
class Number:
    """A number as it was written, or a named constant."""

    value: float
    text: str


@dataclass(frozen=True)
class Name:
    """The name of a state, an input, a parameter or a quantity."""

    id: str


@dataclass(frozen=True)
class Negative:
    """A minus sign before something."""

    operand: Node


@dataclass(frozen=True)
class Binary:
    """Two things joined by an operator."""

    operator: Operator
    left: Node
    right: Node


@dataclass(frozen=True)
class Call:
    """A function of one or two things."""

    function: str
    arguments: tuple[Node, ...]


Node = Number | Name | Negative | Binary | Call

OPERATORS: dict[type[ast.operator], Operator] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
REFUSED_OPERATORS: dict[type[ast.operator], str] = {
    ast.BitXor: "found '^'; write ** for a power",
    ast.FloorDiv: "found '//'; write / for a quotient",
    ast.Mod: "found '%', which terms do not have",
    ast.MatMult: "found '@'; write * for a product",
}


def children(node: Node) -> tuple[Node, ...]:
    """The parts that a node joins."""
    match node:
        case Negative(operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Call(_, arguments):
            return arguments
        case _:
            return ()


def names_in(node: Node) -> frozenset[str]:
    """All names that a tree uses."""
    own = frozenset({node.id}) if isinstance(node, Name) else frozenset[str]()
    return own.union(*(names_in(child) for child in children(node)))


def functions_in(node: Node) -> list[tuple[str, frozenset[str]]]:
    """The functions that a tree calls, outer ones first, each with the names in its arguments."""
    own = [(node.function, names_in(node))] if isinstance(node, Call) else []
    return own + [item for child in children(node) for item in functions_in(child)]


def read_tree(text: str) -> ast.expr:
    """The Python syntax tree of a text, not yet checked.

    Raises:
        ExpressionError: the text is empty, too long or not an expression.
    """
    stripped = text.strip()
    if not stripped:
        raise ExpressionError("expected an expression such as rate * x, found nothing")
    if len(stripped) > LONGEST:
        raise ExpressionError(f"expected at most {LONGEST} characters, found {len(stripped)}; make terms of its parts")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of odd literals, which are refused below anyway
            return ast.parse(stripped, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        found = f"found '{_short(text)}'{_hint(text)}"
        raise ExpressionError(f"expected an expression such as rate * x, {found}") from error


def build(node: ast.expr, depth: int = 0) -> Node:
    """Turn a Python syntax tree into ours, refusing everything that is not on the list."""
    if depth > DEEPEST:
        raise ExpressionError(f"expected at most {DEEPEST} levels of parentheses, found more; make terms of its parts")
    match node:
        case ast.Constant():
            return _number(node)
        case ast.Name(id=name):
            return _name(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Negative(build(operand, depth + 1))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return build(operand, depth + 1)
        case ast.BinOp():
            return _binary(node, depth)
        case ast.Call():
            return _call(node, depth)
    raise ExpressionError(_refusal(node))


def _number(node: ast.Constant) -> Number:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError(f"expected a number, found {_short(ast.unparse(node))}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ExpressionError("expected a number below 1e308, found a larger one")
    return Number(number, repr(value))


def _name(name: str) -> Node:
    if name in CONSTANTS:
        return Number(CONSTANTS[name], name)
    if name in FUNCTIONS:
        raise ExpressionError(f"expected {name}(...), found the function '{name}' without its argument")
    if not name.isascii():
        raise ExpressionError(f"expected names of plain letters, digits and _, found '{name}'{_hint(name)}")
    return Name(name)


def _binary(node: ast.BinOp, depth: int) -> Binary:
    operator = OPERATORS.get(type(node.op))
    if operator is None:
        found = REFUSED_OPERATORS.get(type(node.op), f"found '{_short(ast.unparse(node))}'")
        raise ExpressionError(f"expected one of + - * / **, {found}")
    return Binary(operator, build(node.left, depth + 1), build(node.right, depth + 1))


def _call(node: ast.Call, depth: int) -> Call:
    if not isinstance(node.func, ast.Name):
        written = ast.unparse(node.func)
        raise ExpressionError(
            f"expected a function by its bare name, found '{_short(written)}'{_bare(written.rpartition('.')[2])}"
        )
    name = node.func.id
    if name not in FUNCTIONS:
        raise ExpressionError(f"expected one of the functions {', '.join(FUNCTIONS)}, found '{name}'{_bare(name)}")
    if node.keywords or len(node.args) != FUNCTIONS[name]:
        found = len(node.args) + len(node.keywords)
        raise ExpressionError(f"expected {FUNCTIONS[name]} argument(s) in {name}(...), found {found}")
    arguments = tuple(build(argument, depth + 1) for argument in node.args)
    if name in ON_A_GRID and not any(names_in(argument) for argument in arguments):
        raise ExpressionError(f"expected a state in {name}(...), found a number")
    return Call(name, arguments)


def _bare(name: str) -> str:
    """A suggestion for a function that is not on the list."""
    if name in OTHER_SPELLINGS:
        return f"; did you mean '{OTHER_SPELLINGS[name]}'?"
    return f"; did you mean '{name}'?" if name in FUNCTIONS else did_you_mean(name, FUNCTIONS)


def _refusal(node: ast.expr) -> str:
    found = _short(ast.unparse(node))
    if isinstance(node, ast.Compare):
        return f"expected arithmetic, found the comparison '{found}'; comparisons stand in [[constraints]] and regions"
    return f"expected numbers, names, + - * / ** and functions, found '{found}'"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _hint(text: str) -> str:
    """What may be meant by a text that is not an expression."""
    if "=" in text:
        return "; write the right-hand side alone, without ="
    if "·" in text or "\N{MULTIPLICATION SIGN}" in text:
        return "; write * for a product"
    if any(a.isdigit() and (b.isalpha() or b == "(") for a, b in pairwise(text)):
        return "; write 2 * x, not 2x"
    if text.count("(") != text.count(")"):
        return "; count the parentheses"
    return ""
