"""Static rules for what the methods are and return: one kind of model, and what belongs to it under its names."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial

from archsearch.candidate.check_declarations import ALGEBRAIC, Declared
from archsearch.candidate.finding import SIGNATURES, STATIC, Findings
from archsearch.problem.space import SearchSpace

RHS = "Write def rhs(self, t, x, u): with the equations"


def check_methods(declared: Declared, space: SearchSpace, line: int, findings: Findings) -> None:
    """A model in time has rhs, a static one output; what else there is must go with it."""
    methods = declared.methods
    if "rhs" not in methods and "output" not in methods:
        remedy = f"{RHS}, or def output(self, x, u): if there is no time"
        findings.add(line, "the class has no method rhs, and no method output", remedy)
    if space.is_static and "rhs" in methods:
        found = "the problem is static, but there is a method rhs"
        findings.add(methods["rhs"], found, "Write def output(self, x, u):")
    for name in methods:
        if "output" in methods and name in SIGNATURES and name not in STATIC:
            found = f"the class has output, so it is static, but also {name}"
            remedy = "Keep rhs for a process in time, or output without time"
            findings.add(methods[name], found, remedy if name == "rhs" else f"Delete {name}, or write rhs")
    if declared.algebraic and "algebraic" not in methods:
        found = f"there are {ALGEBRAIC} but no method algebraic"
        findings.add(next(iter(declared.algebraic.values())), found, "Write def algebraic(self, t, x, z, u):")
    if "algebraic" in methods and not declared.algebraic:
        found = f"there is a method algebraic but no {ALGEBRAIC}"
        findings.add(methods["algebraic"], found, f'Write {ALGEBRAIC} = {{"pressure": 1.0}}: names and start guesses')


def check_returns(declared: Declared, space: SearchSpace, findings: Findings) -> None:
    """Every method returns a dict with the keys that belong to it."""
    returns = _Returns(declared, space, findings)
    for name, method in declared.methods.items():
        if name in SIGNATURES:
            returns.read(name, method)


class _Returns:
    """Reads what methods return."""

    def __init__(self, declared: Declared, space: SearchSpace, findings: Findings) -> None:
        self.findings = findings
        self.states = space.state_names
        self.params = tuple(declared.params)
        self.algebraic = tuple(declared.algebraic)
        self.rules: dict[str, Callable[[ast.Dict, list[str]], None]] = {
            "rhs": partial(self._every_state, "derivative"),
            "output": partial(self._every_state, "value"),
            "algebraic": self._as_many,
        }
        self.allowed = {"rhs": self.states, "output": self.states, "observe": self.states, "initial": self.states}
        self.allowed["coefficients"] = self.params

    def read(self, name: str, method: ast.FunctionDef) -> None:
        """Note what is wrong with the returns of one method."""
        returns = [node for node in _own_nodes(method) if isinstance(node, ast.Return)]
        remedy = self._remedy(name)
        if not returns:
            self.findings.add(method, f"the method {name} returns nothing", remedy)
        for node in returns:
            if isinstance(node.value, ast.Dict):
                self._dict(name, node.value, remedy)
            elif not isinstance(node.value, ast.Name | ast.Call):
                self.findings.add(node, f"the method {name} does not return a dict", remedy)

    def _remedy(self, name: str) -> str:
        if name in ("rhs", "output"):
            return f"Return a dict with {_listed(self.states)}"
        if name == "algebraic":
            return f"Return a dict with one residual for each of {_listed(self.algebraic)}"
        if name == "limits":
            return 'Return a dict with what must not be negative, e.g. {"positive": x.name}'
        example = next(iter(self.allowed[name]), "name")
        what = "parameters to values" if name == "coefficients" else "states to values"
        return f'Return a dict from {what}, e.g. {{"{example}": ...}}'

    def _dict(self, name: str, node: ast.Dict, remedy: str) -> None:
        keys = []
        for key, value in zip(node.keys, node.values, strict=True):
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                self.findings.add(key or value, "a key of the returned dict is not a text", remedy)
                continue
            keys.append(key.value)
            if name in self.allowed and key.value not in self.allowed[name]:
                what = "parameter" if name == "coefficients" else "state"
                self.findings.unknown(key, what, key.value, self.allowed[name])
            elif name not in ("rhs", "output") and keys.count(key.value) == 2:
                self.findings.add(key, f"the key '{key.value}' is returned twice by {name}", "Keep one")
        if name in self.rules and len(keys) == len(node.keys):
            self.rules[name](node, keys)

    def _every_state(self, what: str, node: ast.Dict, keys: list[str]) -> None:
        for name in self.states:
            if keys.count(name) != 1:
                found = f"has no {what}" if name not in keys else f"has two {what}s"
                self.findings.add(node, f"the state '{name}' {found}", f'Return "{name}": ... once')

    def _as_many(self, node: ast.Dict, keys: list[str]) -> None:
        if len(set(keys)) != len(self.algebraic):
            found = f"algebraic returns {len(set(keys))} residuals for {len(self.algebraic)} algebraic variables"
            self.findings.add(node, found, self._remedy("algebraic"))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names) or "nothing"


def _own_nodes(method: ast.FunctionDef) -> Iterator[ast.AST]:
    """What stands in a method, inner functions left out."""
    waiting: list[ast.AST] = list(method.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
