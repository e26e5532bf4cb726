"""The equations of the best model as MathML, with what changed against the physics as given."""

from __future__ import annotations

import re
from dataclasses import dataclass

from latex2mathml.converter import convert

from archsearch.candidate.equation_text import is_static, other_lines
from archsearch.candidate.equations import Piece, equations_of
from archsearch.problem.latex import latex_name
from archsearch.problem.space import SearchSpace

CHANGES = {
    "kept": "as given",
    "added": "added by the search",
    "replaced": "put in the place of the physics as given",
    "scaled": "the physics as given, scaled by a net",
    "removed": "left out by the search",
}
"""What became of a piece of an equation, in words."""


@dataclass(frozen=True)
class Part:
    """One summand of an equation, as the page shows it.

    Attributes:
        mathml: sign and expression.
        change: a key of `CHANGES`, also the CSS class.
        kind: `term` or `net`.
        note: what a reader gets to know on pointing at it.
    """

    mathml: str
    change: str
    kind: str
    note: str


@dataclass(frozen=True)
class Equation:
    """The derivative of one state.

    Attributes:
        state: its name.
        left: MathML of the left-hand side with the equals sign.
        parts: the summands in order, removed ones included.
    """

    state: str
    left: str
    parts: tuple[Part, ...]


def equations(source: str, space: SearchSpace) -> tuple[Equation, ...]:
    """The equations of a candidate, one for each state."""
    rate = r"\frac{\partial %s}{\partial t} =" if space.is_field else r"\frac{d\,%s}{dt} ="
    left = "%s =" if is_static(source) else rate
    return tuple(
        Equation(state, mathml(left % latex_name(state)), _parts(pieces))
        for state, pieces in equations_of(source, space).items()
    )


def further_lines(source: str) -> tuple[str, ...]:
    """MathML of what the other methods of a candidate return: what is measured, initial states, limits."""
    return tuple(mathml(line) for line in other_lines(source).values())


def mathml(latex: str) -> str:
    """A formula as MathML; nothing in it can be read as markup."""
    plain = latex.replace("&", " ").replace("<", r"\lt ").replace(">", r"\gt ").replace(r"\,", r"\;")
    found = convert(plain).replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    return re.sub(r'(?:<mi mathvariant="normal">[^<]+</mi>)+', _word, found)


def _word(letters: re.Match[str]) -> str:
    """Letters that stand side by side as the one name that they are."""
    text = "".join(re.findall(r">([^<]+)</mi>", letters.group(0)))
    return f'<mi mathvariant="normal">{text}</mi>'


def _parts(pieces: list[Piece]) -> tuple[Part, ...]:
    """The summands; the first that is not removed goes without its plus."""
    first = next((place for place, piece in enumerate(pieces) if piece.change != "removed"), -1)
    return tuple(_part(piece, leading=place == first) for place, piece in enumerate(pieces))


def _part(piece: Piece, *, leading: bool) -> Part:
    """One summand."""
    sign = "" if leading and piece.sign == "+" else piece.sign
    note = f"{piece.kind} {piece.name}: {CHANGES.get(piece.change, piece.change)}"
    return Part(mathml(f"{sign} {piece.latex}".strip()), piece.change, piece.kind, note)
