"""When two candidates have the same equations: whatever their parameters, nets, terms and variables are called."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from archsearch.candidate.net_declarations import declared_nets
from archsearch.candidate.unfold import TERM, Unfolded, unfold
from archsearch.hybrid import CandidateError

if TYPE_CHECKING:
    import sympy

METHODS = ("", "observe", "initial", "coefficients", "algebraic", "limits")
"""Those that say what a model computes; the first stands for `rhs` or `output`."""
LARGEST = 120
"""Operations of an expression up to which fractions are reduced; beyond, that could take minutes."""


class UnreadableError(Exception):
    """The equations are not plain arithmetic, so nothing can be said of them."""


MOST_KEPT = 8192
"""Forms in memory: more than a run has candidates, since each proposal is compared with all of them."""


@lru_cache(maxsize=MOST_KEPT)
def canonical(source: str) -> str | None:
    """A text that two candidates share if their equations are the same up to names and order; None if unreadable.

    Sums, products and fractions are brought into one form, fixed parameters become their values, free ones numbers.
    Sizes and structure of nets, and regularizers, count: they make another fit. Where two parameters play alike parts,
    the numbering may differ and a duplicate goes unnoticed; what is told to be one always is.
    """
    try:
        return _Form(source).text()
    except (UnreadableError, CandidateError, SyntaxError, RecursionError, ValueError, TypeError):
        return None


class _Form:
    """Reads the equations of one source."""

    def __init__(self, source: str) -> None:
        _refuse_branches(source)
        self.fixed, self.free = _parameters(source)
        self.nets = {name: _structure(net) for name, net in declared_nets(source).items()}
        self.regularizers = _regularizers(source)
        self.source = source

    def text(self) -> str:
        equations = dict(self._equations())
        if not equations:
            raise UnreadableError
        order = self._numbered(equations)
        lines = [f"{key} = {self._written(value, order)}" for key, value in sorted(equations.items())]
        return "\n".join([*lines, f"regularizers {self.regularizers}"])

    def _equations(self) -> Iterator[tuple[str, sympy.Expr]]:
        for method in METHODS:
            unfolded = unfold(self.source, method)
            for name, node in unfolded.equations.items():
                yield f"{method}.{name}", _reduced(_Arithmetic(self, unfolded).read(node))

    def _numbered(self, equations: dict[str, sympy.Expr]) -> dict[str, str]:
        """A number for each free parameter, by the part that it plays."""
        used = {str(symbol) for value in equations.values() for symbol in value.free_symbols} & self.free

        def part(name: str) -> str:
            names = dict.fromkeys(used, "other") | {name: "this"}
            return "\n".join(f"{key} = {self._written(value, names)}" for key, value in sorted(equations.items()))

        return {name: f"p{number}" for number, name in enumerate(sorted(used, key=part))}

    def _written(self, value: sympy.Expr, names: dict[str, str]) -> str:
        import sympy

        return str(sympy.srepr(value.subs({sympy.Symbol(old): sympy.Symbol(f"#{new}") for old, new in names.items()},
                                          simultaneous=True)))  # fmt: skip


class _Arithmetic:
    """From unfolded syntax to algebra."""

    def __init__(self, form: _Form, unfolded: Unfolded) -> None:
        self.form = form
        self.unfolded = unfolded

    def read(self, node: ast.expr) -> Any:
        import sympy

        match node:
            case ast.Constant(value=bool()):
                raise UnreadableError
            case ast.Constant(value=int(value)):
                return sympy.Integer(value)
            case ast.Constant(value=float(value)):
                return sympy.Rational(repr(value))
            case ast.Name(id=name) if name in self.unfolded.nets:
                return self._net(name)
            case ast.Name(id="t"):
                return sympy.Symbol("$t")
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self.form.fixed.get(name, sympy.Symbol(name))
            case ast.Attribute(value=ast.Name(id="math"), attr="pi"):
                return sympy.pi
            case ast.Attribute(value=ast.Name(), attr=name):
                return sympy.Symbol(f"${name}")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.read(operand)
            case ast.BinOp(left=left, op=operator, right=right):
                return _joined(operator, self.read(left), self.read(right))
            case ast.Call():
                return self._call(node)
        raise UnreadableError

    def _call(self, node: ast.Call) -> Any:
        import sympy

        if node.keywords and not (isinstance(node.func, ast.Attribute) and node.func.attr == "clamp"):
            raise UnreadableError
        arguments = [self.read(item) for item in node.args]
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name.startswith(TERM):
            return arguments[0]
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) not in ("torch", "math"):
            arguments = [self.read(node.func.value), *arguments]  # x.S.exp() is torch.exp(x.S)
        name += "".join(f" {item.arg}={ast.unparse(item.value)}" for item in node.keywords)
        if name in ("zeros_like", "ones_like"):
            return sympy.Integer(name == "ones_like")
        powers = {"square": 2, "sqrt": sympy.Rational(1, 2), "reciprocal": -1}
        if name in powers:
            return arguments[0] ** powers[name]
        return arguments[0] ** arguments[1] if name == "pow" else sympy.Function(name)(*arguments)

    def _net(self, name: str) -> Any:
        import sympy

        call = self.unfolded.nets[name]
        arguments = sorted((self.read(item) for item in call.arguments), key=str)
        return sympy.Function(f"net {self.form.nets[call.name]} {call.output}")(*arguments)


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
        case ast.Pow():
            return left**right
    raise UnreadableError


def _reduced(value: Any) -> Any:
    """The fraction in lowest terms, or only expanded where that may take too long."""
    import sympy

    if value.count_ops() > LARGEST:
        return sympy.expand(value)
    try:
        return sympy.cancel(value)
    except sympy.PolynomialError:
        return sympy.expand(value)


def _parameters(source: str) -> tuple[dict[str, Any], set[str]]:
    """The values of fixed parameters and numbers, and the names of free parameters."""
    import sympy

    fixed: dict[str, Any] = {}
    free: set[str] = set()
    for name, value in _assigned(source):
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "Param":
            given = {item.arg: item.value for item in value.keywords}
            number = value.args[0] if value.args else given.get("value")
            if "fixed" in given and ast.literal_eval(given["fixed"]) and number is not None:
                fixed[name] = sympy.Rational(repr(ast.literal_eval(number)))
            else:
                free.add(name)
        elif isinstance(value, ast.Constant) and isinstance(value.value, int | float):
            fixed[name] = sympy.Rational(repr(value.value))
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
