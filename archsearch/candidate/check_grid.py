"""Static rules for models of fields: what they cannot have, and that their differences are those of the grid."""

from __future__ import annotations

import ast
import math

from archsearch.candidate.check_declarations import Declared
from archsearch.candidate.check_literals import UNKNOWN, as_number, literal
from archsearch.candidate.finding import DIFFERENCES, NOT_ON_A_GRID, Findings
from archsearch.problem.space import SearchSpace

SAME = 1e-6
"""Relative difference below which two spacings are one."""


def check_grid(declared: Declared, space: SearchSpace, findings: Findings) -> None:
    """Note what is wrong with a candidate because its states are fields, or because they are not.

    Args:
        declared: what the class body declares.
        space: what the candidate is for.
        findings: where findings go.
    """
    for name, method in declared.methods.items():
        if space.is_field and name in NOT_ON_A_GRID:
            found = f"the states are fields on a grid, where there is no {name}"
            findings.add(method, found, f"Delete {name}: what is measured are the states, from the first frame on")
        for node in ast.walk(method):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DIFFERENCES:
                _difference(node, node.func.id, space, findings)


def _difference(call: ast.Call, name: str, space: SearchSpace, findings: Findings) -> None:
    """One call of an operator."""
    if not space.is_field:
        findings.add(call, f"'{name}' needs a grid, and this space has none", "Name its axes in the space file")
        return
    place = DIFFERENCES[name]
    spacing, boundary = (_argument(call, place + i, key) for i, key in enumerate(("spacing", "boundary")))
    expected = f"{space.spacing!r}, {space.grid.boundary!r}".replace("'", '"')
    if spacing is not None and not _is(literal(spacing), space.spacing):
        found = f"the spacing {ast.unparse(spacing)} is not that of the grid"
        findings.add(spacing, found, f"Write {expected} as the last arguments of {name}")
    said = "periodic" if boundary is None else literal(boundary)
    if space.grid.boundary is not None and said not in (UNKNOWN, space.grid.boundary):
        found = f"the boundary {said!r} is not that of the grid"
        findings.add(boundary or call, found, f"Write {expected} as the last arguments of {name}")


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    named = next((item.value for item in call.keywords if item.arg == name), None)
    return call.args[place] if len(call.args) > place else named


def _is(spacing: object, expected: tuple[float, ...]) -> bool:
    """Whether a spacing is as expected; one that is computed, or not known without the data, is not compared."""
    if spacing is UNKNOWN or not expected:
        return True
    numbers = [as_number(item) for item in spacing] if isinstance(spacing, tuple | list) else []
    return len(numbers) == len(expected) and all(
        number is not None and math.isclose(number, step, rel_tol=SAME)
        for number, step in zip(numbers, expected, strict=True)
    )
