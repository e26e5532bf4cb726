"""The equations of a candidate, piece by piece, beside the physics as given."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.candidate.unfold import TERM, NetCall, Unfolded, unfold
from archsearch.problem.expressions import ExpressionError, latex_name, parse
from archsearch.problem.space import SearchSpace, Sign
from archsearch.problem.syntax import ON_A_GRID

Change = Literal["kept", "added", "replaced", "scaled", "removed"]
CHANGES: dict[str, Change] = {"add": "added", "scale": "scaled", "replace": "replaced", "map": "replaced"}
UNREADABLE = r"\cdots"


@dataclass(frozen=True)
class Piece:
    """One summand of a derivative, or of an output.

    Attributes:
        sign: in front of it.
        latex: what it is.
        kind: `net` if a net has a part in it.
        name: the term, or the net where it stands alone or scales a term.
        change: against the physics as given; `removed` pieces are of the physics alone.
        text: what it is in plain text, nets as `NN_name(what, it, sees)`.
        nets: the nets that have a part in it.
        terms: the named terms in it, outer ones first.
    """

    sign: Sign
    latex: str
    kind: Literal["term", "net"]
    name: str
    change: Change
    text: str = ""
    nets: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Summand:
    """A piece, with its LaTeX without the nets that scale it."""

    piece: Piece
    unscaled: str


def equations_of(source: str, space: SearchSpace) -> dict[str, list[Piece]]:
    """The summands of every derivative, then those of the physics as given that it has no more.

    Reads the syntax tree: variables and helper methods are put in, what is no plain arithmetic is shown as dots.
    """
    found = _equations(source, space.state_names)
    given = _equations(render(Genome(), space), space.state_names) if space.terms else {}
    return {state: _compared(found[state], given.get(state, []), space) for state in space.state_names}


def returned_by(source: str, method: str) -> dict[str, list[Piece]]:
    """The summands of everything that a method of the model language returns, by name; nothing if it is not written.

    There is nothing to compare them with, so their change means nothing.
    """
    return {name: [item.piece for item in found] for name, found in _equations(source, (), method).items()}


def _equations(source: str, states: tuple[str, ...], method: str = "") -> dict[str, list[_Summand]]:
    unfolded = unfold(source, method)
    found: dict[str, list[_Summand]] = {state: [] for state in states}
    for state, expression in unfolded.equations.items():
        summands = _summands(expression, "+")
        found[state] = [_summand(sign, node, unfolded) for sign, node in summands if not _is_zero(node)]
    return found


def _compared(found: list[_Summand], given: list[_Summand], space: SearchSpace) -> list[Piece]:
    """The pieces of a candidate with what changed, then what is gone."""
    before = {item.piece.name: item.piece for item in given}
    replacing = {item.name for item in space.library if item.replaces}
    pieces = [_changed(item.piece, before.get(item.piece.name), item.piece.name in replacing) for item in found]
    staying = {piece.name for piece in pieces if piece.change == "kept"}
    scaled = {item.unscaled for item in found if item.piece.change == "scaled"}
    gone = [item.piece for item in given if item.piece.name not in staying and item.piece.latex not in scaled]
    return pieces + [replace(piece, change="removed") for piece in gone]


def _changed(piece: Piece, before: Piece | None, replaces: bool) -> Piece:
    if piece.change == "scaled" or (before is None and not replaces):
        return piece
    same = before is not None and (piece.sign, piece.latex) == (before.sign, before.latex)
    return replace(piece, change="kept" if same else "replaced")


def _summands(node: ast.expr, sign: Sign) -> Iterator[tuple[Sign, ast.expr]]:
    other: Sign = "-" if sign == "+" else "+"
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from _summands(left, sign)
            yield from _summands(right, sign)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield from _summands(left, sign)
            yield from _summands(right, other)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield from _summands(operand, other)
        case _:
            yield sign, node


def _is_zero(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return text in ("0", "0.0") or text.startswith("torch.zeros_like(")


def _summand(sign: Sign, node: ast.expr, unfolded: Unfolded) -> _Summand:
    scaling = {key for key, call in unfolded.nets.items() if call.role == "scale"}
    bare = _Without(scaling).visit(ast.parse(ast.unparse(node), mode="eval").body)
    return _Summand(_piece(sign, node, unfolded), _latex(bare, unfolded.nets, []))


def _piece(sign: Sign, node: ast.expr, unfolded: Unfolded) -> Piece:
    """A summand; its change is what can be said without looking at the physics as given."""
    terms, calls = _terms_in(node), _nets_in(node, unfolded)
    latex, text = _latex(node, unfolded.nets, terms), _plain_text(node, unfolded.nets)
    names = tuple(dict.fromkeys(call.name for call in calls))
    if not calls:
        return Piece(sign, latex, "term", terms[0] if terms else "", "added", text, names, tuple(terms))
    roles = {call.role for call in calls}
    if not terms:
        return Piece(sign, latex, "net", calls[0].name, CHANGES[calls[0].role], text, names)
    whole = isinstance(node, ast.Call)
    name = terms[0] if whole else calls[0].name
    change: Change = "scaled" if roles == {"scale"} else "replaced"
    return Piece(sign, latex, "net", name, change, text, names, tuple(terms))


def _terms_in(node: ast.expr) -> list[str]:
    """The names of the terms in a summand, outer ones first."""
    calls = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    names = [func.id for func in calls if isinstance(func, ast.Name)]
    return [name.removeprefix(TERM) for name in names if name.startswith(TERM)]


def _nets_in(node: ast.expr, unfolded: Unfolded) -> list[NetCall]:
    return [unfolded.nets[key] for key in _symbols_in(node, unfolded.nets)]


def _latex(node: ast.expr, nets: Mapping[str, NetCall], terms: list[str]) -> str:
    symbols = {key: _net_symbol(nets[key], nets) for key in _symbols_in(node, nets)}
    try:
        return parse(expression_text(node)).to_latex(symbols)
    except ExpressionError:
        return latex_name(terms[0]) if terms else UNREADABLE


def _net_symbol(call: NetCall, nets: Mapping[str, NetCall]) -> str:
    """`NN` with the name of the net below it and what it sees in parentheses."""
    below = ", ".join(
        rf"\mathrm{{{name}}}".replace("_", r"\_") for name in (call.name, call.output) if name.isidentifier()
    )
    seen = [_latex(argument, nets, []) for argument in call.arguments]
    return rf"\mathrm{{NN}}_{{{below}}}({', '.join(seen)})"


def _symbols_in(node: ast.expr, nets: Mapping[str, NetCall]) -> list[str]:
    """The symbols of nets in an expression, each as often as it stands there."""
    names = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
    return [name for name in names if name in nets]


def _plain_text(node: ast.expr, nets: Mapping[str, NetCall]) -> str:
    """A summand as it would be typed, with nets by their names."""
    texts = {key: _net_text(nets[key], nets) for key in _symbols_in(node, nets)}
    return re.sub(r"\bnet__\d+\b", lambda found: texts.get(found[0], found[0]), expression_text(node))


def _net_text(call: NetCall, nets: Mapping[str, NetCall]) -> str:
    """`NN_` and the name of the net, with what it sees in parentheses."""
    output = f"[{call.output}]" if call.output else ""
    seen = [_plain_text(item, nets) for item in call.arguments]
    return f"NN_{call.name}{output}({', '.join(seen)})"


def expression_text(node: ast.expr) -> str:
    """The text of a summand as a space file would have it."""
    copy = ast.parse(ast.unparse(node), mode="eval").body
    return ast.unparse(_Plain().visit(copy))


class _Without(ast.NodeTransformer):
    """Products without the factors of these names."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:  # the name that ast looks for
        left, right = self.visit(node.left), self.visit(node.right)
        for factor, rest in ((left, right), (right, left)):
            if isinstance(node.op, ast.Mult) and isinstance(factor, ast.Name) and factor.id in self.names:
                return cast(ast.expr, rest)
        return ast.BinOp(left, node.op, right)


class _Plain(ast.NodeTransformer):
    """From the model language to the language of expressions."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:  # the name that ast looks for
        return ast.Name(id=node.attr, ctx=ast.Load())

    def visit_Constant(self, node: ast.Constant) -> ast.expr:  # the name that ast looks for
        return ast.Name(id="pi", ctx=ast.Load()) if node.value == math.pi else node

    def visit_Call(self, node: ast.Call) -> ast.expr:  # the name that ast looks for
        arguments = [self.visit(item) for item in node.args]
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name.startswith(TERM):
            return cast(ast.expr, arguments[0])
        if name in ON_A_GRID:
            arguments = arguments[:1]  # spacing and boundary are those of the grid
        if name == "square":
            return ast.BinOp(arguments[0], ast.Pow(), ast.Constant(2))
        if name == "pow" and len(arguments) == 2:
            return ast.BinOp(arguments[0], ast.Pow(), arguments[1])
        if name == "clamp" and len(node.keywords) == 1:
            name = {"min": "maximum", "max": "minimum"}.get(node.keywords[0].arg or "", name)
            arguments.append(self.visit(node.keywords[0].value))
        return ast.Call(ast.Name(name, ast.Load()), arguments, [])
