"""Compute trees with numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from archsearch.problem.syntax import ON_A_GRID, Binary, Call, ExpressionError, Name, Negative, Node, Number
from archsearch.problem.trajectories import Floats

Values = Mapping[str, float | Floats]

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.float_power,
}


def numpy_value(node: Node, values: Values) -> Floats:
    """The value of a tree; not finite where mathematics says so, without a warning."""
    with np.errstate(all="ignore"):
        return np.asarray(_value(node, values), dtype=np.float64)


def _value(node: Node, values: Values) -> Any:
    match node:
        case Number(value):
            return value
        case Name(name):
            return np.asarray(values[name], dtype=np.float64)
        case Negative(operand):
            return -_value(operand, values)
        case Binary(operator, left, right):
            return OPERATIONS[operator](_value(left, values), _value(right, values))
        case Call(function) if function in ON_A_GRID:
            raise ExpressionError(f"{function}(...) is no function of the values at one point")
        case Call(function, arguments):
            return getattr(np, function)(*(_value(argument, values) for argument in arguments))
