"""Where the nets of a source stand, in words."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from archsearch.hybrid import Net
from archsearch.problem.space import SearchSpace
from archsearch.review.reading import methods_of
from archsearch.review.wording import listed

PLACES = {
    "add": "added to {}",
    "scale": "a factor of {}",
    "replace": "in the place of {}",
    "map": "on top of {}",
}


def targets_of(source: str, nets: Mapping[str, Net], space: SearchSpace) -> dict[str, str]:
    """What each net joins: a term, a parameter, `d hare/dt`, or as much as can be read of it; empty if nothing can."""
    return {name: _target(source, name, net, space) for name, net in nets.items()}


def place(net: Net, target: str) -> str:
    """`in the place of predation`."""
    return PLACES[net.role].format(target or "the physics")


def rates(states: tuple[str, ...], space: SearchSpace) -> str:
    """The left-hand sides of states, as they are told."""
    return listed([state if space.is_static else f"d {state}/dt" for state in states])


def _target(source: str, name: str, net: Net, space: SearchSpace) -> str:
    if net.role == "add" and net.outputs:
        return "every equation" if set(net.outputs) == set(space.state_names) else rates(net.outputs, space)
    slot = next((item for item in space.slots if item.name == name), None)
    if slot is not None and net.role in slot.roles:
        return f"all of {rates((slot.equation,), space)}" if slot.equation else str(slot.term or slot.parameter)
    return _joined(source, name, net.role)


def _joined(source: str, name: str, role: str) -> str:
    """What a net is told to stand for, or what it is multiplied with."""
    for method in methods_of(source).values():
        known = _meanings(method)
        for node in ast.walk(method):
            if isinstance(node, ast.Call) and _is_call_of(node, name):
                given = [item.value for item in node.keywords if item.arg in ("instead_of", "relative_to")]
                if given:
                    return _named(given[0], known)
            if role == "scale" and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                for factor, other in ((node.left, node.right), (node.right, node.left)):
                    if _is_call_of(factor, name):
                        return _named(other, known)
    return ""


def _is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == f"self.{name}"


def _meanings(method: ast.FunctionDef) -> dict[str, str]:
    """Local variables that are terms, with the names of those."""
    found = {}
    for node in ast.walk(method):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _is_call_of(node.value, "term"):
            assert isinstance(node.value, ast.Call)
            if node.value.args and isinstance(node.value.args[0], ast.Constant):
                found[node.targets[0].id] = str(node.value.args[0].value)
    return found


def _named(node: ast.expr, known: Mapping[str, str]) -> str:
    """An expression by its name if it has one."""
    if _is_call_of(node, "term") and isinstance(node, ast.Call) and isinstance(node.args[0], ast.Constant):
        return str(node.args[0].value)
    text = ast.unparse(node)
    return known.get(text, text.replace("self.", "").replace("x.", "").replace("u.", ""))
