"""The equations of a candidate beside those of its parent, summand by summand; and the sources, line by line."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher, unified_diff

from archsearch.candidate.equations import UNREADABLE, Piece, returned_by
from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.problem.latex import latex_name
from archsearch.problem.space import SearchSpace
from archsearch.review.card import Change, EquationDiff, EquationPiece
from archsearch.review.forms import form
from archsearch.review.reading import EQUATIONS, is_plain, main_method, methods_of

OTHERS: Mapping[str, tuple[str, str]] = {
    "observe": ("y_{{{latex}}}", "measured {name}"),
    "algebraic": ("0", "0"),
    "coefficients": ("{latex}(c)", "{name}(c)"),
    "initial": ("{latex}(0)", "{name}(0)"),
    "limits": ("0", "0"),
}
"""Other methods of the model language, with the left-hand sides of what they return in LaTeX and in plain text."""


def given_source(space: SearchSpace) -> str:
    """The physics as given, as a source; empty if the space has no terms."""
    return render(Genome(), space) if space.terms else ""


def equation_diffs(source: str, parent: str, space: SearchSpace) -> tuple[EquationDiff, ...]:
    """The equations of a source beside those of its parent, those of the states first.

    Where a method does more than assign and return, it is no list of summands: then the lines of both are compared.

    Args:
        source: the candidate.
        parent: what it is compared with; empty for nothing.
        space: that both are for.
    """
    diffs = [*_main(source, parent, space)]
    for method in OTHERS:
        if method in methods_of(source) or method in methods_of(parent):
            diffs += _of_method(source, parent, method)
    return tuple(diffs)


def code_diff(source: str, parent: str, names: tuple[str, str]) -> str:
    """The sources in the unified format, the parent's first; empty if there is no parent or no difference."""
    if not parent:
        return ""
    lines = unified_diff(parent.splitlines(), source.splitlines(), *names, lineterm="", n=2)
    return "\n".join(lines)


def _main(source: str, parent: str, space: SearchSpace) -> Iterator[EquationDiff]:
    """The derivatives or outputs of all states."""
    found, before = _equations(source, space), _equations(parent, space)
    if found is None or before is None:
        yield _line_diff(_lines(source, EQUATIONS), _lines(parent, EQUATIONS), "equations")
        return
    static = "output" in methods_of(source)
    rate = r"\frac{\partial %s}{\partial t}" if space.is_field else r"\frac{d\,%s}{dt}"
    for state in space.state_names:
        latex, text = latex_name(state), state
        if not static:
            latex, text = rate % latex, f"d {state}/dt"
        yield EquationDiff(
            state=state,
            left_latex=latex,
            left_text=text,
            pieces=_compared(found.get(state, []), before.get(state, [])),
        )


def _equations(source: str, space: SearchSpace) -> dict[str, list[Piece]] | None:
    """The summands of every state; None if the source is no plain list of equations."""
    if not source:
        return {}
    method = main_method(source)
    if not is_plain(source, method):
        return None
    found = returned_by(source, method)
    return found if set(found) >= set(space.state_names) else None


def _of_method(source: str, parent: str, method: str) -> Iterator[EquationDiff]:
    """What else a candidate returns."""
    if not all(is_plain(text, method) for text in (source, parent) if method in methods_of(text)):
        yield _line_diff(_lines(source, (method,)), _lines(parent, (method,)), method)
        return
    found, before = (returned_by(text, method) if text else {} for text in (source, parent))
    latex, text = OTHERS[method]
    for name in dict.fromkeys([*found, *before]):
        yield EquationDiff(
            state=f"{method} {name}",
            left_latex=latex.format(latex=latex_name(name)),
            left_text=text.format(name=name),
            relation="<=" if method == "limits" else "=",
            pieces=_compared(found.get(name, []), before.get(name, [])),
        )


def _compared(found: Sequence[Piece], before: Sequence[Piece]) -> tuple[EquationPiece, ...]:
    """Kept and added summands in their order, then those that are gone."""
    left = Counter(_key(piece) for piece in before)
    pieces = []
    for piece in found:
        kept = left[_key(piece)] > 0
        left[_key(piece)] -= kept
        pieces.append(_shown(piece, "kept" if kept else "added"))
    gone = []
    for piece in reversed(before):  # of equal summands the last ones are gone
        if left[_key(piece)] > 0:
            left[_key(piece)] -= 1
            gone.append(_shown(piece, "removed"))
    return (*pieces, *reversed(gone))


def _key(piece: Piece) -> tuple[str, str]:
    return piece.sign, form(piece.text)


def _shown(piece: Piece, change: Change) -> EquationPiece:
    latex = _verbatim(piece.text) if UNREADABLE in piece.latex else piece.latex
    return EquationPiece(change=change, sign=piece.sign, latex=latex, text=piece.text, kind=piece.kind, name=piece.name)


# ---- what cannot be split -------------------------------------------------------------------------------------------


def _lines(source: str, methods: Sequence[str]) -> list[str]:
    """The code of these methods and of all helpers, without comments and descriptions."""
    found = [node for name, node in methods_of(source).items() if name in methods or name.startswith("_")]
    return [line.rstrip() for node in found for line in _code(node).splitlines()]


def _code(method: ast.FunctionDef) -> str:
    body = method.body[1:] if ast.get_docstring(method) is not None else method.body
    return "\n".join(ast.unparse(node) for node in body)


def _line_diff(found: list[str], before: list[str], name: str) -> EquationDiff:
    """Lines of code as pieces, each in its place."""
    pieces: list[EquationPiece] = []
    for _, i, j, k, n in SequenceMatcher(None, before, found, autojunk=False).get_opcodes():
        if before[i:j] == found[k:n]:
            pieces += [_line(text, "kept") for text in found[k:n]]
        else:
            pieces += [_line(text, "removed") for text in before[i:j]]
            pieces += [_line(text, "added") for text in found[k:n]]
    return EquationDiff(state=name, left_latex=_verbatim(name), left_text=name, pieces=tuple(pieces), split=False)


def _line(text: str, change: Change) -> EquationPiece:
    return EquationPiece(change=change, sign="+", latex=_verbatim(text), text=text, kind="term")


def _verbatim(text: str) -> str:
    """Code in LaTeX, as it is written."""
    escaped = "".join(f"\\{letter}" if letter in r"_{}%&#$" else letter for letter in text.replace("\\", "/"))
    return rf"\text{{{escaped}}}"
