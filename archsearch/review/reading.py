"""What a source says of itself, read from its syntax tree: parameters, methods, regularizers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from archsearch.candidate.check_literals import UNKNOWN, as_number, literal
from archsearch.candidate.net_declarations import declared_nets
from archsearch.candidate.unfold import unfold
from archsearch.hybrid import CandidateError, Net

PARAM_KEYS = ("value", "low", "high", "unit", "fixed")
EQUATIONS = ("rhs", "output")
"""The methods that give the derivatives, or the outputs of a static model."""


@dataclass(frozen=True)
class DeclaredParameter:
    """A parameter as its declaration has it; numbers that are not written out are NaN or missing."""

    name: str
    value: float
    low: float | None
    high: float | None
    unit: str
    fixed: bool


@lru_cache(maxsize=2048)
def class_body(source: str) -> tuple[ast.stmt, ...]:
    """The body of the class Candidate; nothing if there is none, or if the source is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Candidate"]
    return tuple(bodies[-1]) if bodies else ()


def parameters_of(source: str) -> dict[str, DeclaredParameter]:
    """The parameters that a source declares, in order."""
    return {name: _parameter(name, call) for name, call in _declared(source, "Param")}


def nets_of(source: str) -> dict[str, Net]:
    """The nets that a source declares, in order; none if a declaration cannot be read."""
    try:
        return declared_nets(source)
    except CandidateError:
        return {}


def methods_of(source: str) -> dict[str, ast.FunctionDef]:
    """The methods by name."""
    return {node.name: node for node in class_body(source) if isinstance(node, ast.FunctionDef)}


def main_method(source: str) -> str:
    """The method that gives the derivatives or the outputs; empty if there is none."""
    return next((name for name in EQUATIONS if name in methods_of(source)), "")


def is_plain(source: str, method: str) -> bool:
    """Whether a method, and every helper that it may call, gives values to names and then returns something."""
    methods = methods_of(source)
    return method in methods and all(_is_straight(methods[name]) for name in (method, *_helpers(source)))


def constants_of(source: str) -> dict[str, float]:
    """The numbers that a source gives names to in its class body."""
    found = {name: as_number(literal(value)) for name, value in _assigned(source)}
    return {name: value for name, value in found.items() if value is not None}


def idle_parameters(source: str) -> tuple[str, ...]:
    """The fitted parameters that no equation has: those of what a net stands in the place of."""
    main = main_method(source)
    trees: list[ast.AST] = [node for name, node in methods_of(source).items() if name not in (main, *_helpers(source))]
    trees += unfold(source, main).equations.values()
    used = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return tuple(name for name, item in parameters_of(source).items() if not item.fixed and name not in used)


def regularizers_of(source: str) -> dict[str, float]:
    """The weights of the regularizers that are not zero."""
    found = _table(source, "regularizers")
    weights = {str(name): as_number(weight) for name, weight in found.items()} if isinstance(found, dict) else {}
    return {name: weight for name, weight in weights.items() if weight}


def terms_of(source: str) -> dict[str, ast.expr]:
    """The named terms with their values, in the order of the text."""
    calls = [node for method in methods_of(source).values() for node in ast.walk(method) if isinstance(node, ast.Call)]
    found = {}
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        if ast.unparse(call.func) == "self.term" and len(call.args) == 2 and isinstance(call.args[0], ast.Constant):
            found[str(call.args[0].value)] = call.args[1]
    return found


def replaced_of(source: str) -> dict[str, str]:
    """The terms of the space in whose place another stands, with that other."""
    found = _table(source, "replaced")
    return {str(old): str(new) for old, new in found.items()} if isinstance(found, dict) else {}


def _helpers(source: str) -> list[str]:
    return [name for name in methods_of(source) if name.startswith("_")]


def _is_straight(method: ast.FunctionDef) -> bool:
    body = method.body[1:] if ast.get_docstring(method) is not None else method.body
    return bool(body) and isinstance(body[-1], ast.Return) and all(_is_readable(node) for node in body[:-1])


def _is_readable(node: ast.stmt) -> bool:
    """Whether a statement gives values to names and does nothing else."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return False
    target = node.targets[0]
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    return all(isinstance(item, ast.Name) for item in names)


def _table(source: str, name: str) -> object:
    values = [value for target, value in _assigned(source) if target == name]
    return literal(values[-1]) if values else None


def _declared(source: str, kind: str) -> Iterator[tuple[str, ast.Call]]:
    for name, value in _assigned(source):
        if isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] == kind:
            yield name, value


def _assigned(source: str) -> Iterator[tuple[str, ast.expr]]:
    for node in class_body(source):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.expr):
            yield target.id, value


def _parameter(name: str, call: ast.Call) -> DeclaredParameter:
    given = dict(zip(PARAM_KEYS, call.args, strict=False)) | {item.arg or "": item.value for item in call.keywords}
    values = {key: literal(node) for key, node in given.items()}
    known = {key: value for key, value in values.items() if value is not UNKNOWN}
    number = as_number(known.get("value"))
    return DeclaredParameter(
        name,
        float("nan") if number is None else number,
        as_number(known.get("low")),
        as_number(known.get("high")),
        str(known.get("unit", "1")),
        known.get("fixed") is True,
    )
