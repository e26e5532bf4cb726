"""When two summands are the same: the order of factors and of summands in parentheses does not matter."""

from __future__ import annotations

import ast
from functools import lru_cache


@lru_cache(maxsize=8192)
def form(text: str) -> str:
    """A text that two expressions share if they differ in order alone; the text itself if it cannot be read."""
    try:
        return _form(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError):
        return text


def _form(node: ast.expr) -> str:
    match node:
        case ast.BinOp(op=ast.Mult() | ast.Div()):
            above, below = _factors(node, upside_down=False)
            return f"[{' * '.join(sorted(above))} / {' * '.join(sorted(below))}]"
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return f"({' '.join(sorted(_summands(node, '+')))})"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"{_form(left)}**{_form(right)}"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"-{_form(operand)}"
        case ast.Call(func=function, args=arguments, keywords=keywords):
            given = [*map(_form, arguments), *(f"{item.arg}={_form(item.value)}" for item in keywords)]
            return f"{ast.unparse(function)}({', '.join(given)})"
        case ast.Constant(value=int() | float() as value):
            return f"{float(value)!r}"
    return ast.unparse(node)


def _factors(node: ast.expr, upside_down: bool) -> tuple[list[str], list[str]]:
    """What is multiplied, and what it is divided by."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        left = _factors(node.left, upside_down)
        right = _factors(node.right, upside_down ^ isinstance(node.op, ast.Div))
        return left[0] + right[0], left[1] + right[1]
    own = [_form(node)]
    return ([], own) if upside_down else (own, [])


def _summands(node: ast.expr, sign: str) -> list[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other = {"+": "-", "-": "+"}[sign] if isinstance(node.op, ast.Sub) else sign
        return _summands(node.left, sign) + _summands(node.right, other)
    return [f"{sign}{_form(node)}"]
