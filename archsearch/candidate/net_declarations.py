"""The nets that a source declares, read from its syntax tree: the source is never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from archsearch.hybrid import CandidateError, Net

NET_KEYS = ("inputs", "role", "hidden", "outputs", "positive", "bounded", "monotone", "zero_at", "activation")


def declared_nets(source: str) -> dict[str, Net]:
    """The nets of a candidate by name, in the order of declaration.

    Raises:
        CandidateError: the source is not Python, or a declaration does not consist of plain values.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise CandidateError(f"Line {error.lineno}: {error.msg}.", "Mend the syntax.") from None
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Candidate"]
    return {name: _net(name, call) for kind in classes for name, call in _calls(kind.body)}


def _calls(body: list[ast.stmt]) -> Iterator[tuple[str, ast.Call]]:
    """Name and declaration of each net in a class body."""
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Call):
            called = value.func
            if getattr(called, "id", getattr(called, "attr", "")) == "Net":
                yield target.id, value


def _net(name: str, call: ast.Call) -> Net:
    """The declared net."""
    given = [*zip(NET_KEYS, call.args, strict=False), *((item.arg or "", item.value) for item in call.keywords)]
    try:
        return Net(**{key: ast.literal_eval(value) for key, value in given})
    except (ValueError, TypeError):
        raise CandidateError(
            f"The declaration of the net {name!r} holds something else than plain values.",
            "Write its arguments as texts, numbers, and tuples and dicts of them.",
        ) from None
