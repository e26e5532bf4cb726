"""What a candidate is made of, as a weighted set: how far two candidates are apart is what they do not share."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

from archsearch.candidate.check_literals import UNKNOWN, literal
from archsearch.candidate.net_declarations import NET_KEYS
from archsearch.review.reading import class_body

TERM, NET, ROLE, SMALL = 1.0, 1.0, 0.5, 0.25
"""How much it matters which terms there are, where nets stand, how they join, and what they see or their size."""


@lru_cache(maxsize=8192)
def features_of(source: str) -> Mapping[str, float]:
    """The features of a source with their weights.

    Terms by name, and by the names that their formulas use; nets by the state or slot that they stand in, role, inputs
    and size; parameters; regularizers. The syntax tree is walked once, since a run may have a thousand sources.
    """
    found: dict[str, float] = {}
    for node in class_body(source):
        if isinstance(node, ast.FunctionDef):
            found |= _of_method(node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found |= _of_declaration(node.targets[0].id, node.value)
    return found


def _of_method(method: ast.FunctionDef) -> dict[str, float]:
    """The terms that a method names."""
    found: dict[str, float] = {}
    for node in ast.walk(method):
        is_term = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "term"
        if is_term and isinstance(node, ast.Call) and len(node.args) == 2 and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value)
            found |= {f"term {name}": TERM, f"formula {name} {_names(node.args[1])}": SMALL}
    return found


def _of_declaration(name: str, value: ast.expr) -> dict[str, float]:
    if name == "regularizers":
        return {f"regularizers {ast.unparse(value)}": SMALL}
    kind = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    if kind == "Net" and isinstance(value, ast.Call):
        return _of_net(name, value)
    return {f"parameter {name}": SMALL} if kind == "Param" else {}


def _of_net(name: str, call: ast.Call) -> dict[str, float]:
    given = dict(zip(NET_KEYS, call.args, strict=False)) | {item.arg or "": item.value for item in call.keywords}
    inputs, outputs = _words(given.get("inputs")), _words(given.get("outputs"))
    role = str(literal(given["role"])) if "role" in given else "add"
    place = " and ".join(outputs) or name
    size = ast.unparse(given["hidden"]) if "hidden" in given else ""
    sees = {f"net at {place} sees {item}": SMALL for item in inputs}
    return {f"net at {place}": NET, f"a net with role {role}": ROLE, f"net at {place} of {size}": SMALL} | sees


def _words(node: ast.expr | None) -> tuple[str, ...]:
    value = literal(node) if node is not None else ()
    return () if value is UNKNOWN or not isinstance(value, tuple | list) else tuple(str(item) for item in value)


def _names(value: ast.expr) -> str:
    """The names in a formula, in alphabetical order: the same for any order of factors."""
    return " ".join(sorted({part.attr for part in ast.walk(value) if isinstance(part, ast.Attribute)}))
