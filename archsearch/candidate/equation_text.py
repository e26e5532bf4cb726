"""Everything that a candidate says, in LaTeX: a line per state, then what else its methods return; blocks to copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archsearch.candidate.equations import UNREADABLE, Piece, equations_of, returned_by
from archsearch.candidate.unfold import unfold
from archsearch.problem.latex import latex_name
from archsearch.problem.space import SearchSpace

LINES: Mapping[str, str] = {
    "algebraic": "0 = {value}",
    "observe": "y_{{{name}}} = {value}",
    "coefficients": "{name}(c) = {value}",
    "initial": "{name}(0) = {value}",
    "limits": r"{value} \geq 0",
}
"""How what a method returns is written: `y` is what is measured, `c` the context of a trajectory."""


def equations_latex(source: str, space: SearchSpace) -> dict[str, str]:
    """Name -> a line of LaTeX.

    The name of a state stands for its derivative, or its output if the model is static, without what was dropped from
    the physics as given. Other names begin with the method of the model language: `limits substrate`.
    """
    rate = r"\frac{{\partial {name}}}{{\partial t}}" if space.is_field else r"\frac{{d\,{name}}}{{dt}}"
    left = "{name}" if is_static(source) else rate
    lines = {}
    for state, pieces in equations_of(source, space).items():
        kept = [piece for piece in pieces if piece.change != "removed"]
        lines[state] = f"{left.format(name=latex_name(state))} = {_sum(kept)}"
    return lines | other_lines(source)


def latex_block(source: str, space: SearchSpace) -> str:
    """The equations as an environment of amsmath that stands by itself."""
    return _block("align*", source, space)


def markdown_block(source: str, space: SearchSpace) -> str:
    """The equations as display mathematics in Markdown, as most readers of it typeset them."""
    return f"$$\n{_block('aligned', source, space)}\n$$"


def _block(environment: str, source: str, space: SearchSpace) -> str:
    lines = " \\\\\n  ".join(aligned(line) for line in equations_latex(source, space).values())
    return f"\\begin{{{environment}}}\n  {lines}\n\\end{{{environment}}}"


def aligned(line: str) -> str:
    r"""An equation, or a limit, with the place marked at which it stands below the others."""
    sign = " = " if " = " in line else r" \geq "
    return line.replace(sign, f" &{sign.lstrip()}", 1)


def is_static(source: str) -> bool:
    """Whether a candidate maps inputs to outputs, without time."""
    return bool(unfold(source, "output").equations)


def other_lines(source: str) -> dict[str, str]:
    """Name -> a line of LaTeX for all that is no equation of a state; names begin with the method.

    What is no name stays unreadable: it might be read as a command.
    """
    return {
        f"{method} {name}": line.format(
            name=latex_name(name) if name.isidentifier() else UNREADABLE, value=_sum(pieces)
        )
        for method, line in LINES.items()
        for name, pieces in returned_by(source, method).items()
    }


def _symbol(name: str) -> str:
    return latex_name(name) if name.isidentifier() else UNREADABLE


def _sum(pieces: Sequence[Piece]) -> str:
    """`a - b + c`, 0 for nothing."""
    text = " ".join(f"{piece.sign} {piece.latex}" for piece in pieces)
    return text.removeprefix("+ ") or "0"
