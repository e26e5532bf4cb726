"""What can be read off the syntax tree of a candidate: names, declarations, what is read and what is not."""

from __future__ import annotations

import ast
from collections.abc import Iterable


def assignments(body: list[ast.stmt]) -> Iterable[tuple[str, ast.expr]]:
    """Names and values that a class body assigns."""
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def calls(value: ast.expr, name: str) -> bool:
    """Whether an expression is a call of `name` or of `module.name`."""
    if not isinstance(value, ast.Call):
        return False
    return getattr(value.func, "id", getattr(value.func, "attr", "")) == name


def fixed(value: ast.expr) -> bool:
    """Whether a parameter is a constant."""
    node = _argument(value, "fixed")
    return isinstance(node, ast.Constant) and node.value is True


def constant(value: ast.expr) -> tuple[str, str]:
    """Value, as an expression, and unit of a parameter as declared."""
    number, unit = _argument(value, "value"), _argument(value, "unit")
    text = unit.value if isinstance(unit, ast.Constant) else "1"
    return (ast.unparse(number) if number is not None else "float('nan')"), str(text)


def _argument(value: ast.expr, name: str) -> ast.expr | None:
    """One argument of the declaration of a parameter."""
    assert isinstance(value, ast.Call)
    place = ("value", "low", "high", "unit", "fixed").index(name)
    named = next((item.value for item in value.keywords if item.arg == name), None)
    return named if named is not None else (value.args[place] if place < len(value.args) else None)


def bound(tree: ast.AST) -> set[str]:
    """Every name that some function or module-level statement binds."""
    found: set[str] = set()
    members = {id(node) for kind in ast.walk(tree) if isinstance(kind, ast.ClassDef) for node in kind.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.FunctionDef) and id(node) not in members:
            found.add(node.name)
    return found | _stored(tree, members)


def _stored(tree: ast.AST, members: set[int]) -> set[str]:
    """The names that are assigned anywhere but directly in a class body."""
    direct = {
        id(part) for node in ast.walk(tree) if id(node) in members and isinstance(node, ast.Assign | ast.AnnAssign)
        for part in ast.walk(node)
    }  # fmt: skip
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return {node.id for node in names if id(node) not in direct}


def defines(node: ast.stmt, name: str) -> bool:
    """Whether a module-level statement binds a name for the whole module."""
    if isinstance(node, ast.FunctionDef):
        return node.name == name
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node)) and not isinstance(
        node, ast.Expr
    )


def is_docstring(node: ast.stmt) -> bool:
    """Whether a statement is nothing but a text."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def drop_unused(function: ast.FunctionDef) -> None:
    """Leave out assignments that nothing reads: what a net stands in the place of is not computed."""
    while True:
        read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        kept = [node for node in function.body if not _unread(node, read)]
        if len(kept) == len(function.body):
            return
        function.body = kept


def _unread(node: ast.stmt, read: set[str]) -> bool:
    """Whether a statement only assigns a name that nothing reads."""
    if not isinstance(node, ast.Assign):
        return False
    return all(isinstance(target, ast.Name) and target.id not in read for target in node.targets)
