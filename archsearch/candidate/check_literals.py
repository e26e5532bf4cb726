"""Values that a declaration writes out, read without running it."""

from __future__ import annotations

import ast
import math
from typing import Any

from archsearch.candidate.finding import Findings

UNKNOWN = object()
"""Stands for a value that is not a literal, after that was noted."""


def literal(node: ast.expr) -> Any:
    """The value that an expression writes out, `UNKNOWN` if it is computed."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN


def as_number(value: Any) -> float | None:
    """A value as a number, None if it is none or not finite."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e300 and math.isfinite(value) else None


def literal_arguments(call: ast.Call, keys: tuple[str, ...], findings: Findings) -> dict[str, tuple[Any, ast.expr]]:
    """The literal arguments of a declaration by name; anything else is noted and left out."""
    given: list[tuple[str | None, ast.expr]] = list(zip(keys, call.args, strict=False))
    if len(call.args) > len(keys) or any(isinstance(item, ast.Starred) for item in call.args):
        findings.add(call, "too many arguments", f"The arguments are {', '.join(keys)}")
    given += [(item.arg, item.value) for item in call.keywords]
    found: dict[str, tuple[Any, ast.expr]] = {}
    for key, node in given:
        value = literal(node)
        if key not in keys:
            findings.unknown(node, "argument", key or "**", keys)
        elif key in found:
            findings.add(node, f"'{key}' is given twice", "Give it once")
        elif value is UNKNOWN:
            findings.add(node, f"'{key}' is not a literal: {ast.unparse(node)}", "Write the value out")
            found[key] = (UNKNOWN, node)
        else:
            found[key] = (value, node)
    return found
