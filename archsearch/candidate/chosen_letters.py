"""Numbers that the texts and names of a source can carry, beyond what an honest one needs."""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Iterator, Sequence
from functools import cache

from archsearch.candidate.check_declarations import PARAM_KEYS
from archsearch.candidate.check_nets import NET_KEYS
from archsearch.candidate.finding import (
    ACTIVATIONS,
    BUILTINS,
    DIFFERENCES,
    MODULES,
    REGULARIZERS,
    ROLES,
    SIGNATURES,
    TERM,
    VOCABULARY,
)
from archsearch.problem.naming import ATTRIBUTES, all_names
from archsearch.problem.space import SearchSpace

LETTERS = 8
"""Bytes of a float64."""
MOST_LETTERS = 64
"""Of a text that is a name or a unit; a longer one carries numbers, and so does one that is neither."""
NAMES = 300
"""Letters that the names of a source may have together, each name once, but for those that the language or the space
gives. What the search writes has up to 80 of its own."""
DISPLAYS = ast.Tuple | ast.List | ast.Set | ast.Dict


def chosen_in_letters(nodes: Sequence[ast.AST], declared: Collection[ast.AST], space: SearchSpace | None) -> int:
    """How many numbers the texts and names of a source can carry.

    Args:
        nodes: all that is in the source.
        declared: what is in its declarations, whose texts are names and units.
        space: what names are not the author's, None if that is not known.
    """
    known, naming, listed = _known(space), set(_naming(nodes)), set(_listed(nodes))
    words: set[str | bytes] = set(_identifiers(nodes))
    chosen = letters = 0
    for node, text in _texts(nodes):
        if not _is_name(text, node in declared) or not (node in declared or node in naming or node in listed):
            chosen += _carried(len(text))
        elif node in declared or node in naming:
            words.add(text)
        else:
            letters += max(1, len(text))
    letters += sum(len(word) for word in words - known)
    return chosen + _carried(max(0, letters - NAMES))


def is_docstring(node: ast.AST) -> bool:
    """Whether it is a statement that says something and does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_name(text: str | bytes, is_declared: bool) -> bool:
    return len(text) <= MOST_LETTERS and (is_declared or (isinstance(text, str) and text.isidentifier()))


def _carried(letters: int) -> int:
    return math.ceil(letters / LETTERS)


def _texts(nodes: Sequence[ast.AST]) -> Iterator[tuple[ast.AST, str | bytes]]:
    remarks = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and node not in remarks:
            yield node, node.value


def _naming(nodes: Sequence[ast.AST]) -> Iterator[ast.AST | None]:
    """Where a text names something: a term, a boundary, a key, an index."""
    for node in nodes:
        if isinstance(node, ast.Dict):
            yield from node.keys
        elif isinstance(node, ast.Subscript):
            yield node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == TERM:
            yield from (*node.args[:1], *(item.value for item in node.keywords))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DIFFERENCES:
            yield from (*node.args, *(item.value for item in node.keywords))


def _listed(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """What stands in a display, keys apart: in which order is a choice, even among the names of a space."""
    for node in nodes:
        if isinstance(node, DISPLAYS):
            yield from node.values if isinstance(node, ast.Dict) else node.elts


def _identifiers(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """All that is written in a source as it is, not as a text: names of variables, attributes, arguments, modules."""
    for node in nodes:
        if not isinstance(node, ast.Constant):
            for _, value in ast.iter_fields(node):
                yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))


def _known(space: SearchSpace | None) -> frozenset[str]:
    if space is None:
        return _language()
    return _language() | {name for _, name, _ in all_names(space)} | {item.unit for item in space.parameters}


@cache
def _language() -> frozenset[str]:
    tables = (VOCABULARY, MODULES, ROLES, ACTIVATIONS, REGULARIZERS, PARAM_KEYS, NET_KEYS, SIGNATURES, BUILTINS)
    others = ("Candidate", "instead_of", "relative_to", "periodic", "neumann", "dirichlet", "annotations")
    return ATTRIBUTES.union(*tables, others)
