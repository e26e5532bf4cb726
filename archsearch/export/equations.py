"""The equations of a candidate, one line of LaTeX per state."""

from __future__ import annotations

from collections.abc import Sequence

from archsearch.candidate.equations import equations_of
from archsearch.problem.latex import latex_name
from archsearch.problem.space import SearchSpace


def equations_latex(source: str, space: SearchSpace) -> dict[str, str]:
    """State -> `d state / dt = ...`, without what was dropped from the physics as given."""
    lines = {}
    for state, pieces in equations_of(source, space).items():
        kept = [(piece.sign, piece.latex) for piece in pieces if piece.change != "removed"]
        lines[state] = rf"\frac{{d\,{latex_name(state)}}}{{dt}} = {_sum(kept)}"
    return lines


def _sum(pieces: Sequence[tuple[str, str]]) -> str:
    """`a - b + c`, 0 for nothing."""
    text = " ".join(f"{sign} {latex}" for sign, latex in pieces)
    return text.removeprefix("+ ") or "0"
