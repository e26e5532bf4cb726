"""What a method of a source returns, as one expression per name: variables and helpers put in, nets as symbols."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

TERM = "term__"
"""Prefix of the function that stands around a term after unfolding."""
DEEPEST = 8


@dataclass(frozen=True)
class NetCall:
    """A call of a net: which one, how it joins, what it is given, and which of its outputs this is."""

    name: str
    role: str
    arguments: tuple[ast.expr, ...]
    output: str


@dataclass
class Unfolded:
    """State, or other name -> expression, with the net calls that its symbols stand for."""

    equations: dict[str, ast.expr] = field(default_factory=dict)
    nets: dict[str, NetCall] = field(default_factory=dict)


def unfold(source: str, method: str = "") -> Unfolded:
    """Unfold a method of the class Candidate; what is no plain assignment is passed over.

    Args:
        source: the candidate.
        method: which one; without a name `rhs`, or `output` if the candidate has that.
    """
    body = next(
        (node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Candidate"),
        [],
    )
    unfolding = _Unfolding(body)
    returned = unfolding.run(method or ("output" if "output" in unfolding.methods else "rhs"), {})
    if isinstance(returned, ast.Dict):
        for key, value in zip(returned.keys, returned.values, strict=True):
            if isinstance(key, ast.Constant):
                unfolding.found.equations[str(key.value)] = value
    return unfolding.found


class _Unfolding:
    """Walks methods, replacing local names by what they stand for."""

    def __init__(self, body: list[ast.stmt]) -> None:
        self.methods = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
        self.nets = dict(_declared_nets(body))
        self.found = Unfolded()
        self.depth = 0

    def run(self, name: str, values: dict[str, ast.expr]) -> ast.expr | None:
        """What a method returns, given the values of its arguments."""
        method = self.methods.get(name)
        if method is None or self.depth > DEEPEST:
            return None
        self.depth += 1
        returned = None
        for node in method.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._assign(node.targets[0], self.put_in(node.value, values), values)
            elif isinstance(node, ast.Return) and node.value is not None:
                returned = self.put_in(node.value, values)
        self.depth -= 1
        return returned

    def put_in(self, node: ast.expr, values: Mapping[str, ast.expr]) -> ast.expr:
        """An expression with local names, terms, helpers and nets replaced."""
        replaced = _Substitution(self, values).visit(ast.parse(ast.unparse(node), mode="eval").body)
        assert isinstance(replaced, ast.expr)
        return replaced

    def call(self, name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> ast.expr | None:
        """What a helper returns for these arguments."""
        if name not in self.methods:
            return None
        spec = self.methods[name].args
        names = [item.arg for item in spec.args[1:]]
        values = dict(zip(reversed(names), reversed(spec.defaults), strict=False))
        values |= {item.arg: value for item, value in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if value}
        values |= dict(zip(names, arguments, strict=False))
        return self.run(name, values | {item.arg: item.value for item in keywords if item.arg})

    def symbol(self, name: str, arguments: list[ast.expr], output: str = "") -> ast.Name:
        """A name that stands for this call of a net."""
        call = NetCall(name, self.nets[name][0], tuple(arguments), output)
        known = next((key for key, other in self.found.nets.items() if _same(other, call)), None)
        key = known or f"net__{len(self.found.nets)}"
        self.found.nets[key] = call
        return ast.Name(id=key, ctx=ast.Load())

    def _assign(self, target: ast.expr, value: ast.expr, values: dict[str, ast.expr]) -> None:
        if isinstance(target, ast.Name):
            values[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Name) and value.id in self.found.nets:
            call = self.found.nets.pop(value.id)
            outputs = self.nets[call.name][1]
            for item, output in zip(target.elts, outputs, strict=False):
                if isinstance(item, ast.Name):
                    values[item.id] = self.symbol(call.name, list(call.arguments), output)


class _Substitution(ast.NodeTransformer):
    def __init__(self, unfolding: _Unfolding, values: Mapping[str, ast.expr]) -> None:
        self.unfolding = unfolding
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:  # the name that ast looks for
        return self.values.get(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:  # the name that ast looks for
        return node  # x.hare, self.rate: the owner is no local name

    def visit_Call(self, node: ast.Call) -> ast.expr:  # the name that ast looks for
        node.args = [self.visit(item) for item in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        func = node.func
        if not (isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "self"):
            return node
        if func.attr in self.unfolding.nets:
            return self.unfolding.symbol(func.attr, node.args)
        if func.attr == "term" and len(node.args) == 2 and isinstance(node.args[0], ast.Constant):
            return ast.Call(ast.Name(f"{TERM}{node.args[0].value!s}", ast.Load()), [node.args[1]], [])
        return self.unfolding.call(func.attr, node.args, node.keywords) or node


def _declared_nets(body: list[ast.stmt]) -> list[tuple[str, tuple[str, tuple[str, ...]]]]:
    """The nets of a class body with role and outputs."""
    found = []
    for node in body:
        call = node.value if isinstance(node, ast.Assign) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Net" and isinstance(node, ast.Assign):
            given = {item.arg: item.value for item in call.keywords}
            keywords = {key: ast.literal_eval(given[key]) for key in ("role", "outputs") if key in given}
            role = str(keywords.get("role", ast.literal_eval(call.args[1]) if len(call.args) > 1 else "add"))
            found.append((ast.unparse(node.targets[0]), (role, tuple(keywords.get("outputs", ())))))
    return found


def _same(one: NetCall, other: NetCall) -> bool:
    def key(call: NetCall) -> tuple[str, str, str]:
        return call.name, call.output, ", ".join(ast.unparse(item) for item in call.arguments)

    return key(one) == key(other)
