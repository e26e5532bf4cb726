"""When two candidates have the same equations: whatever their parameters, nets, terms and variables are called."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, final

from archsearch.candidate.net_declarations import declared_nets
from archsearch.candidate.unfold import TERM, Unfolded, unfold
from archsearch.hybrid import CandidateError
from archsearch.proposers.residues import Residues, UnknownError, residue

if TYPE_CHECKING:
    import sympy

METHODS = ("", "observe", "initial", "coefficients", "algebraic", "limits")
"""Those that say what a model computes; the first stands for `rhs` or `output`."""
PI = "$$pi"
NUMBERS = {"zeros_like": "0", "ones_like": "1"}
POWERS = {"square": "2", "sqrt": "1/2", "reciprocal": "-1"}
LARGEST = 120
"""Operations of an expression up to which fractions are reduced; beyond, that could take minutes."""


class UnreadableError(Exception):
    """The equations are not plain arithmetic, so nothing can be said of them."""


UNREADABLE = (UnreadableError, CandidateError, SyntaxError, RecursionError, ValueError, TypeError, LookupError)
MOST_KEPT = 8192
"""Sources whose forms are kept: more than a run has candidates, since each proposal is compared with all of them."""


def are_the_same(one: str, other: str) -> bool:
    """Whether two candidates share a canonical form; most that do not are told apart without algebra."""
    marks = mark(one), mark(other)
    if None not in marks and marks[0] != marks[1]:
        return False
    form = canonical(one)
    return form is not None and form == canonical(other)


@lru_cache(maxsize=MOST_KEPT)
def mark(source: str) -> int | None:
    """A number that is the same for candidates of one canonical form, in hardly any time; None if that is not known."""
    try:
        form = _Form(source, Residues())
        told = [f"{key} {residue(value).number}" for key, value in sorted(form.equations())]
        return hash((*told, form.regularizers))
    except (*UNREADABLE, UnknownError, ZeroDivisionError):
        return None


@lru_cache(maxsize=MOST_KEPT)
def canonical(source: str) -> str | None:
    """A text that two candidates share if their equations are the same up to names and order; None if unreadable.

    Sums, products and fractions are brought into one form, fixed parameters become their values, free ones numbers.
    Sizes and structure of nets, and regularizers, count: they make another fit. Where two parameters play alike parts,
    the numbering may differ and a duplicate goes unnoticed; what is told to be one always is.
    """
    try:
        return _text(_Form(source, _Symbols()))
    except UNREADABLE:
        return None


class _Algebra(Protocol):
    """What equations are read into."""

    def number(self, text: str) -> Any:
        """A number as it is written."""

    def symbol(self, name: str) -> Any:
        """What a name stands for."""

    def parameter(self, name: str) -> Any:
        """What a free parameter stands for."""

    def function(self, name: str, arguments: Sequence[Any]) -> Any:
        """A function of which nothing is known but that it is one."""

    def net(self, name: str, arguments: Sequence[Any]) -> Any:
        """A net, which may be given its inputs in any order."""

    def power(self, base: Any, exponent: Any) -> Any:
        """A power."""


@final
class _Symbols:
    """Symbols of algebra."""

    def number(self, text: str) -> sympy.Expr:
        import sympy

        return sympy.Rational(text)

    def symbol(self, name: str) -> sympy.Expr:
        import sympy

        return sympy.pi if name == PI else sympy.Symbol(name)

    parameter = symbol

    def function(self, name: str, arguments: Sequence[sympy.Expr]) -> sympy.Expr:
        import sympy

        return sympy.Function(name)(*arguments)

    def net(self, name: str, arguments: Sequence[sympy.Expr]) -> sympy.Expr:
        return self.function(name, sorted(arguments, key=str))

    def power(self, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        return base**exponent


class _Form:
    """Reads the equations of one source."""

    def __init__(self, source: str, algebra: _Algebra) -> None:
        _refuse_branches(source)
        fixed, self.free = _parameters(source)
        self.fixed = {name: algebra.number(text) for name, text in fixed.items()}
        self.nets = {name: _structure(net) for name, net in declared_nets(source).items()}
        self.regularizers = _regularizers(source)
        self.source, self.algebra = source, algebra

    def equations(self) -> list[tuple[str, Any]]:
        """What each method says of each name, as it is written."""
        found = []
        for method in METHODS:
            unfolded = unfold(self.source, method) if method in self.source else Unfolded()
            reading = _Arithmetic(self, unfolded)
            found += [(f"{method}.{name}", reading.read(node)) for name, node in unfolded.equations.items()]
        if not found:
            raise UnreadableError
        return found


class _Arithmetic:
    """From unfolded syntax to algebra."""

    def __init__(self, form: _Form, unfolded: Unfolded) -> None:
        self.form = form
        self.algebra = form.algebra
        self.unfolded = unfolded

    def read(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool()):
                raise UnreadableError
            case ast.Constant(value=int() | float() as value):
                return self.algebra.number(repr(value))
            case ast.Name(id=name) if name in self.unfolded.nets:
                return self._net(name)
            case ast.Name(id="t"):
                return self.algebra.symbol("$t")
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if name in self.form.free:
                return self.algebra.parameter(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self.form.fixed.get(name, self.algebra.symbol(name))
            case ast.Attribute(value=ast.Name(id="math"), attr="pi"):
                return self.algebra.symbol(PI)
            case ast.Attribute(value=ast.Name(), attr=name):
                return self.algebra.symbol(f"${name}")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.read(operand)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.algebra.power(self.read(left), self.read(right))
            case ast.BinOp(left=left, op=operator, right=right):
                return _joined(operator, self.read(left), self.read(right))
            case ast.Call():
                return self._call(node)
        raise UnreadableError

    def _call(self, node: ast.Call) -> Any:
        if node.keywords and not (isinstance(node.func, ast.Attribute) and node.func.attr == "clamp"):
            raise UnreadableError
        arguments = [self.read(item) for item in node.args]
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name.startswith(TERM):
            return arguments[0]
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) not in ("torch", "math"):
            arguments = [self.read(node.func.value), *arguments]  # x.S.exp() is torch.exp(x.S)
        name += "".join(f" {item.arg}={ast.unparse(item.value)}" for item in node.keywords)
        if name in NUMBERS:
            return self.algebra.number(NUMBERS[name])
        if name in POWERS:
            return self.algebra.power(arguments[0], self.algebra.number(POWERS[name]))
        return self.algebra.power(*arguments[:2]) if name == "pow" else self.algebra.function(name, arguments)

    def _net(self, name: str) -> Any:
        call = self.unfolded.nets[name]
        arguments = [self.read(item) for item in call.arguments]
        return self.algebra.net(f"net {self.form.nets[call.name]} {call.output}", arguments)


def _joined(operator: ast.operator, left: Any, right: Any) -> Any:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
    raise UnreadableError


def _text(form: _Form) -> str:
    equations = {key: _reduced(value) for key, value in form.equations()}
    order = _numbered(equations, form.free)
    lines = [f"{key} = {_written(value, order)}" for key, value in sorted(equations.items())]
    return "\n".join([*lines, f"regularizers {form.regularizers}"])


def _numbered(equations: dict[str, sympy.Expr], free: set[str]) -> dict[str, str]:
    """A number for each free parameter, by the part that it plays."""
    used = {str(symbol) for value in equations.values() for symbol in value.free_symbols} & free

    def part(name: str) -> str:
        names = dict.fromkeys(used, "other") | {name: "this"}
        return "\n".join(f"{key} = {_written(value, names)}" for key, value in sorted(equations.items()))

    return {name: f"p{number}" for number, name in enumerate(sorted(used, key=part))}


def _written(value: sympy.Expr, names: dict[str, str]) -> str:
    import sympy

    return str(sympy.srepr(value.subs({sympy.Symbol(old): sympy.Symbol(f"#{new}") for old, new in names.items()},
                                      simultaneous=True)))  # fmt: skip


def _reduced(value: Any) -> Any:
    """The fraction in lowest terms, or only expanded where that may take too long."""
    import sympy

    if value.count_ops() > LARGEST:
        return sympy.expand(value)
    try:
        return sympy.cancel(value)
    except sympy.PolynomialError:
        return sympy.expand(value)


def _parameters(source: str) -> tuple[dict[str, str], set[str]]:
    """The values of fixed parameters and numbers, as written, and the names of free parameters."""
    fixed: dict[str, str] = {}
    free: set[str] = set()
    for name, value in _assigned(source):
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "Param":
            given = {item.arg: item.value for item in value.keywords}
            number = value.args[0] if value.args else given.get("value")
            if "fixed" in given and ast.literal_eval(given["fixed"]) and number is not None:
                fixed[name] = repr(ast.literal_eval(number))
            else:
                free.add(name)
        elif isinstance(value, ast.Constant) and isinstance(value.value, int | float):
            fixed[name] = repr(value.value)
    return fixed, free


def _regularizers(source: str) -> str:
    found = [value for name, value in _assigned(source) if name == "regularizers"]
    return str(sorted(ast.literal_eval(found[-1]).items())) if found else "none"


def _refuse_branches(source: str) -> None:
    """Only methods that assign, then return, are unfolded into what they compute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if not isinstance(body[-1], ast.Return) or not all(isinstance(item, ast.Assign) for item in body[:-1]):
                raise UnreadableError


def _assigned(source: str) -> Iterator[tuple[str, ast.expr]]:
    """What the class body assigns."""
    for kind in ast.parse(source).body:
        for node in kind.body if isinstance(kind, ast.ClassDef) and kind.name == "Candidate" else ():
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, node.value


def _structure(net: Any) -> str:
    """What a net is besides its name; inputs are told by what it is called with."""
    monotone, zero_at = sorted(net.monotone.items()), sorted(net.zero_at.items())
    return f"{net.role} {net.hidden} {net.positive} {net.bounded} {monotone} {zero_at} {net.activation}"
