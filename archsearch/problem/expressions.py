"""Terms and conditions as text, checked once and then read as torch source, numpy, LaTeX and units."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from archsearch.problem import latex, units
from archsearch.problem.latex import latex_name
from archsearch.problem.source import to_source
from archsearch.problem.syntax import Binary, ExpressionError, Node, build, children, names_in, read_tree
from archsearch.problem.trajectories import Bools, Floats
from archsearch.problem.values import Values, numpy_value

__all__ = ["Condition", "Expression", "ExpressionError", "latex_name", "parse", "parse_condition"]

Comparison = Literal[">=", "<=", ">", "<"]
COMPARISONS: dict[type[ast.cmpop], Comparison] = {ast.GtE: ">=", ast.LtE: "<=", ast.Gt: ">", ast.Lt: "<"}


@dataclass(frozen=True)
class Expression:
    """Checked arithmetic over names.

    Attributes:
        text: as it was written.
        tree: as it was read.
        names: all names that it uses; constants such as `pi` are none.
    """

    text: str
    tree: Node
    names: frozenset[str]

    def to_source(self, rename: Mapping[str, str]) -> str:
        """Python source over torch tensors; names become what `rename` says and stay as they are otherwise.

        An expression without names gives source that is a number, not a tensor.
        """
        return to_source(self.tree, rename)

    def to_latex(self, symbols: Mapping[str, str] | None = None) -> str:
        """LaTeX in the order of the text; `symbols` overrides how names are typeset."""
        return latex.to_latex(self.tree, symbols or {})

    def evaluate(self, values: Values) -> Floats:
        """The value by numpy, broadcast over the values; not finite where mathematics says so."""
        return numpy_value(self.tree, values)

    def unit(self, known: Mapping[str, units.Unit]) -> units.Unit:
        """The unit, given the units of the names (all of one registry).

        Raises:
            ExpressionError: unlike things are added, or a function is given something with a unit.
        """
        registry = next(iter(known.values()))._REGISTRY if known else units.registry()
        return units.unit_of(self.tree, known, registry)


@dataclass(frozen=True)
class Condition:
    """A comparison of two expressions, e.g. `S >= 0`.

    Attributes:
        text: as it was written.
        left: what stands left of the sign.
        op: the sign.
        right: what stands right of it.
    """

    text: str
    left: Expression
    op: Comparison
    right: Expression

    @property
    def names(self) -> frozenset[str]:
        """All names that it uses."""
        return self.left.names | self.right.names

    def violation(self, values: Values) -> Floats:
        """By how much the comparison fails, 0 where it holds, NaN where a side is."""
        gap = self.right.evaluate(values) - self.left.evaluate(values)
        return np.maximum(gap if self.op in (">=", ">") else -gap, 0.0)

    def holds(self, values: Values) -> Bools:
        """Where the comparison is true; a NaN makes it false."""
        left, right = self.left.evaluate(values), self.right.evaluate(values)
        compare = {">=": np.greater_equal, "<=": np.less_equal, ">": np.greater, "<": np.less}[self.op]
        return np.asarray(compare(left, right), dtype=np.bool_)

    def to_latex(self, symbols: Mapping[str, str] | None = None) -> str:
        """LaTeX in the order of the text."""
        sign = {">=": r"\geq", "<=": r"\leq"}.get(self.op, self.op)
        return f"{self.left.to_latex(symbols)} {sign} {self.right.to_latex(symbols)}"


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        ExpressionError: the text is not arithmetic over names, or a number in it is not finite.
    """
    return _expression(read_tree(text), text)


@lru_cache(maxsize=256)
def parse_condition(text: str) -> Condition:
    """Read a comparison of two expressions by one of >= <= > <.

    Raises:
        ExpressionError: the text is not such a comparison.
    """
    node = read_tree(text)
    if not isinstance(node, ast.Compare):
        raise ExpressionError(f"expected a comparison such as S >= 0, found '{text.strip()}'")
    if len(node.ops) != 1:
        raise ExpressionError(f"expected one comparison, found {len(node.ops)} in '{text.strip()}'; write each alone")
    op = COMPARISONS.get(type(node.ops[0]))
    if op is None:
        raise ExpressionError(f"expected one of >= <= > <, found '{text.strip()}'")
    left, right = (_expression(side, ast.unparse(side)) for side in (node.left, node.comparators[0]))
    return Condition(text, left, op, right)


def _expression(node: ast.expr, text: str) -> Expression:
    tree = build(node)
    _refuse_infinite(tree)
    return Expression(text.strip(), tree, names_in(tree))


def _refuse_infinite(node: Node) -> None:
    """Refuse numbers that mathematics does not have, such as 1/0 or log(0), wherever they stand."""
    for child in children(node):
        _refuse_infinite(child)
    by_zero = isinstance(node, Binary) and node.operator == "/" and _is_zero(node.right)
    if by_zero or (not names_in(node) and not np.isfinite(numpy_value(node, {}))):
        raise ExpressionError("expected finite numbers, found a division by zero or the like")


def _is_zero(node: Node) -> bool:
    return not names_in(node) and bool(numpy_value(node, {}) == 0)
