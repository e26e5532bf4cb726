"""What the class of a candidate declares, where numbers are starts, bounds and widths; and which of them are chosen."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from archsearch.candidate.check_literals import literal
from archsearch.problem.space import SearchSpace

CLASS = "Candidate"
HYBRID = "archsearch.hybrid"
ALLOWED = {"Param": 3, "Net": 12}
"""Numbers that a declaration may need: a start and two bounds; widths, a range, zeros."""
TABLES = {"algebraic_variables": 12, "dropped": 0, "replaced": 0}
"""The same for the tables of a class: where the search for algebraic variables starts, names of terms."""
WORDS = ("HybridModel", *ALLOWED)
_FINDERS = "getattr setattr delattr vars globals locals type super eval exec compile __import__"
FINDERS = frozenset(_FINDERS.split())
"""Functions of Python that find a class without its name; the static check refuses them."""
FIXED = 4
"""The place of `fixed` among the arguments of Param."""


@dataclass(frozen=True)
class Declaration:
    """What the class body says of one name.

    Attributes:
        name: the name.
        value: the call of Param or Net, or the table.
        allowed: how many numbers it may hold.
    """

    name: str
    value: ast.expr
    allowed: int


def declarations(tree: ast.Module, nodes: Sequence[ast.AST]) -> list[Declaration]:
    """What is declared directly in the body of the class, each name once.

    Nothing is where the words of the language mean something else, or the class can be read: its numbers may then be a
    table.

    Args:
        tree: the source.
        nodes: all that is in it.
    """
    bound = Counter(name for node in nodes for name in _bound(node))
    finders = {CLASS, *(name for name in FINDERS if not bound[name])}
    if bound[CLASS] != 1 or any(bound[name] for name in WORDS) or any(_may_read(node, finders) for node in nodes):
        return []
    body = _body(tree)
    times = Counter(name for node in body for name in _bound_by(node))
    found = [_declaration(node) for node in body]
    return [one for one in found if one is not None and times[one.name] == 1]


def is_chosen(declared: Declaration, space: SearchSpace | None) -> bool:
    """Whether it is a fixed parameter, other than the space gives it."""
    call = declared.value
    if not isinstance(call, ast.Call) or not _is_fixed(call):
        return False
    given = {item.name: item.value for item in space.parameters} if space else {}
    values = [*call.args[:1], *(item.value for item in call.keywords if item.arg == "value")]
    return declared.name not in given or not values or literal(values[0]) != given[declared.name]


def _body(tree: ast.Module) -> list[ast.stmt]:
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == CLASS]
    return [part for node in found if not node.decorator_list and not node.keywords for part in node.body]


def _declaration(node: ast.stmt) -> Declaration | None:
    names = _bound_by(node)
    if len(names) != 1 or not isinstance(node, ast.Assign | ast.AnnAssign):
        return None
    name, value = names[0], node.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in ALLOWED:
        return Declaration(name, value, ALLOWED[value.func.id])
    is_table = name in TABLES and isinstance(value, ast.Dict | ast.Tuple | ast.List)
    return Declaration(name, value, TABLES[name]) if is_table and value else None


def _bound_by(node: ast.stmt) -> list[str]:
    """The names that a statement of a body binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    return [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)]


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds wherever it stands, but for what it imports from the model language."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Import | ast.ImportFrom):
        is_language = isinstance(node, ast.ImportFrom) and node.module == HYBRID
        yield from (alias.asname or alias.name for alias in node.names if alias.asname or not is_language)


def _may_read(node: ast.AST, finders: Collection[str]) -> bool:
    """Whether it names the class or what could find it."""
    if isinstance(node, ast.Attribute):
        return node.attr.startswith("__")
    return isinstance(node, ast.Name) and node.id in finders


def _is_fixed(call: ast.Call) -> bool:
    """Whether it is a parameter that may not be fitted; so is one whose arguments are not written out."""
    given = [*call.args[FIXED:], *(item.value for item in call.keywords if item.arg in ("fixed", None))]
    given += [item for item in call.args if isinstance(item, ast.Starred)]
    return (
        isinstance(call.func, ast.Name)
        and call.func.id == "Param"
        and any(literal(item) is not False for item in given)
    )
