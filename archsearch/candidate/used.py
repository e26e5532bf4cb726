"""Which terms and nets a source uses, read from its syntax tree: the source is never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from archsearch.candidate.finding import TERM
from archsearch.candidate.net_declarations import declared_nets
from archsearch.hybrid import CandidateError, Net

REPLACING = ("replace", "map")
"""Roles of nets that leave nothing of what they stand on."""
DEEPEST = 8
"""Local names that are followed one after the other."""


@dataclass(frozen=True)
class Used:
    """What a source says that it is made of.

    Attributes:
        terms: the names that it gives to `self.term`.
        dropped: the terms that it names as left out.
        replaced: the terms that it names as replaced, and by what.
        nets: the nets that it declares.
        places: what each net stands on as far as that can be read: the name of a term, a parameter or a state.
    """

    terms: frozenset[str] = frozenset()
    dropped: tuple[str, ...] = ()
    replaced: Mapping[str, str] = field(default_factory=dict)
    nets: Mapping[str, Net] = field(default_factory=dict)
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def in_place_of(self, name: str) -> list[str]:
        """The nets that leave nothing of a term, a parameter or a state."""
        return [net for net, places in self.places.items() if name in places and self.nets[net].role in REPLACING]


@lru_cache(maxsize=1024)
def used_in(source: str) -> Used:
    """What a source is made of; nothing if it is not Python or has no class Candidate."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Used()
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Candidate"]
    body = [item for node in classes for item in node.body]
    nets = _nets(source)
    return Used(
        terms=frozenset(name for node in body for name in _terms(node)),
        dropped=_names(_table(body, "dropped")),
        replaced=_pairs(_table(body, "replaced")),
        nets=nets,
        places={name: frozenset(_places(name, net, body)) for name, net in nets.items()},
    )


def _nets(source: str) -> dict[str, Net]:
    try:
        return declared_nets(source)
    except CandidateError:  # the static check says what is wrong with it
        return {}


def _terms(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        name = _term_of(part)
        if name is not None:
            yield name


def _term_of(node: ast.AST) -> str | None:
    """The name in `self.term("name", ...)`; None for anything else."""
    if isinstance(node, ast.Call) and _own(node.func) == TERM and node.args and isinstance(node.args[0], ast.Constant):
        return str(node.args[0].value)
    return None


def _own(node: ast.AST) -> str:
    """The name in `self.name`; empty for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return ""


def _table(body: list[ast.stmt], name: str) -> Any:
    """What the class body assigns to a name of the model language; None if it is not there, or no plain value."""
    for node in body:
        if isinstance(node, ast.Assign) and any(
            isinstance(item, ast.Name) and item.id == name for item in node.targets
        ):
            try:
                return ast.literal_eval(node.value)
            except (ValueError, TypeError):  # the static check says what is wrong with it
                return None
    return None


def _names(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, tuple | list) else ()


def _pairs(value: Any) -> dict[str, str]:
    return {str(old): str(new) for old, new in value.items()} if isinstance(value, dict) else {}


def _places(name: str, net: Net, body: list[ast.stmt]) -> Iterator[str]:
    """What a net stands on: what it replaces, corrects or scales; else the states in whose derivatives it stands."""
    yield from net.outputs
    for method in (node for node in body if isinstance(node, ast.FunctionDef)):
        local = _local_values(method)
        near = {found for part in ast.walk(method) for found in _joined(part, name, local)}
        yield from near or _returned_with(method, name)


def _local_values(method: ast.FunctionDef) -> dict[str, ast.expr]:
    return {
        target.id: node.value
        for node in ast.walk(method)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _joined(node: ast.AST, name: str, local: Mapping[str, ast.expr]) -> Iterator[str]:
    """The terms and parameters that a call of the net is joined to at this node."""
    partners: list[ast.expr] = []
    if isinstance(node, ast.Call) and _own(node.func) == name:
        partners = [item.value for item in node.keywords if item.arg in ("instead_of", "relative_to")]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        sides = (node.left, node.right)
        called = [isinstance(side, ast.Call) and _own(side.func) == name for side in sides]
        partners = [side for side, is_net in zip(sides, called, strict=True) if any(called) and not is_net]
    yield from (place for partner in partners if (place := _named(partner, local)) is not None)


def _named(node: ast.expr, local: Mapping[str, ast.expr], depth: int = 0) -> str | None:
    """The term or parameter that an expression is, through local names; None if it is made of several things."""
    if isinstance(node, ast.Name) and node.id in local and depth < DEEPEST:
        return _named(local[node.id], local, depth + 1)
    return _term_of(node) or _own(node) or None


def _returned_with(method: ast.FunctionDef, name: str) -> Iterator[str]:
    """The states beside whose derivatives a call of the net is written."""
    for node in ast.walk(method):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                calls = (part for part in ast.walk(value) if isinstance(part, ast.Call) and _own(part.func) == name)
                if isinstance(key, ast.Constant) and any(calls):
                    yield str(key.value)
