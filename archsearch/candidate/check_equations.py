"""Static rules for the methods: terms, nets, states and inputs as they are used in the equations."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from archsearch.candidate.check_declarations import Declared
from archsearch.candidate.check_nets import DeclaredNet
from archsearch.candidate.check_returns import check_methods, check_returns
from archsearch.candidate.finding import SIGNATURES, TERM, Findings
from archsearch.errors import did_you_mean
from archsearch.problem.space import SearchSpace


def check_equations(declared: Declared, space: SearchSpace, line: int, findings: Findings) -> None:
    """Note everything that is wrong in the methods of a candidate.

    Args:
        declared: what the class body declares.
        space: what the candidate is for.
        line: where the class begins.
        findings: where findings go.
    """
    uses = _Uses(declared, space, findings)
    for method in declared.methods.values():
        uses.read(method)
    _unused(declared, uses, findings)
    _terms(declared, uses.terms, space, line, findings)
    check_methods(declared, space, line, findings)
    check_returns(declared, space, findings)


class _Uses:
    """Walks methods and remembers which terms and attributes they use."""

    def __init__(self, declared: Declared, space: SearchSpace, findings: Findings) -> None:
        self.declared = declared
        self.space = space
        self.findings = findings
        self.terms: dict[str, int] = {}
        self.attributes: set[str] = set()
        states = space.input_names if declared.is_static else (*space.state_names, *declared.algebraic)
        self.known = {"x": states, "u": space.input_names, "z": tuple(declared.algebraic), "c": space.input_names}
        self.kinds = {"x": "a state", "u": "an input", "z": "an algebraic variable", "c": "an input"}
        if declared.is_static:
            self.kinds["x"] = "an input"

    def read(self, method: ast.FunctionDef) -> None:
        """Walk one method."""
        arguments = {item.arg for item in method.args.args}
        if method.name not in SIGNATURES:
            arguments -= {"z", "c"}  # in a helper they may be anything
        called = {id(node.func) for node in ast.walk(method) if isinstance(node, ast.Call)}
        named = {id(node.value) for node in ast.walk(method) if isinstance(node, ast.Attribute)}
        passed = set(_passed_to_helpers(method))
        for node in ast.walk(method):
            if isinstance(node, ast.Call):
                self._call(node, arguments & set(self.known))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                self._attribute(node, node.value.id, id(node) in called, arguments)
            elif isinstance(node, ast.Name) and id(node) not in named | passed:
                self._bare(node, arguments)

    def _attribute(self, node: ast.Attribute, owner: str, is_called: bool, arguments: set[str]) -> None:
        if owner == "self":
            self._own(node, is_called)
        elif owner in self.known and owner in arguments and node.attr not in self.known[owner]:
            others = [view for view in self.known if view in arguments and node.attr in self.known[view]]
            kind = self._kind_of(node.attr)
            if others:
                what = f"'{node.attr}' is {kind}, not {self.kinds[owner]}"
                self.findings.add(node, what, f"Write {others[0]}.{node.attr}")
            else:
                self.findings.unknown(node, self.kinds[owner].partition(" ")[2], node.attr, self.known[owner])

    def _kind_of(self, name: str) -> str:
        kinds = {"an input": self.space.input_names, "an algebraic variable": tuple(self.declared.algebraic)}
        return next((kind for kind, names in kinds.items() if name in names), "a state")

    def _own(self, node: ast.Attribute, is_called: bool) -> None:
        name = node.attr
        self.attributes.add(name)
        if name not in self.declared.attributes:
            known = [f"self.{other}" for other in self.declared.attributes]
            self.findings.unknown(node, "attribute", f"self.{name}", known)
        elif is_called and (name in self.declared.params or name in self.declared.constants):
            self.findings.add(node, f"the parameter '{name}' is called like a function", f"Write self.{name}")
        elif not is_called and (name in self.declared.nets or name in self.declared.methods or name == TERM):
            self.findings.add(node, f"'self.{name}' is not called", f"Write self.{name}(...)")

    def _bare(self, node: ast.Name, arguments: set[str]) -> None:
        if node.id in self.known and node.id in arguments and isinstance(node.ctx, ast.Load):
            example = next(iter(self.known[node.id]), "name")
            self.findings.add(node, f"'{node.id}' is used as a whole", f"Name what you mean, e.g. {node.id}.{example}")
        elif (node.id in arguments & {*self.known, "t"} or node.id == "self") and isinstance(node.ctx, ast.Store):
            self.findings.add(node, f"'{node.id}' is assigned to", "Choose another name for the variable")
        elif node.id == "self" and isinstance(node.ctx, ast.Load):
            self.findings.add(node, "'self' is used as a whole", "Name what you mean, e.g. self.rate")

    def _call(self, node: ast.Call, views: set[str]) -> None:
        func = node.func
        if not (isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "self"):
            return
        if func.attr == TERM:
            self._term(node)
        elif func.attr in self.declared.nets:
            self._net(node, func.attr, self.declared.nets[func.attr], views)

    def _term(self, node: ast.Call) -> None:
        first = node.args[0] if node.args else None
        if len(node.args) != 2 or node.keywords:
            self.findings.add(node, "a term takes a name and a value", 'Write self.term("growth", self.rate * x.hare)')
        if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
            self.findings.add(node, "the name of the term is not a text", 'Write self.term("growth", ...)')
        elif first.value in self.terms:
            self.findings.add(node, f"the term '{first.value}' is named twice", "Compute it once, in a variable")
        else:
            self.terms[first.value] = node.lineno

    def _net(self, node: ast.Call, name: str, net: DeclaredNet, views: set[str]) -> None:
        if net.inputs is not None:
            self._mask(node, name, net.inputs, views)
        keywords = {item.arg for item in node.keywords}
        for keyword in keywords - {"instead_of", "relative_to"}:
            self.findings.unknown(node, "argument for a net", keyword or "**", ("instead_of", "relative_to"))
        if net.role in ("replace", "map") and "instead_of" not in keywords:
            self.findings.add(
                node, f"the net '{name}' has role '{net.role}' but no instead_of", "Add instead_of=<the physics there>"
            )
        if net.role in ("add", "scale") and "instead_of" in keywords:
            self.findings.add(
                node, f"the net '{name}' has role '{net.role}', which takes no instead_of", "Leave it out"
            )
        if net.role == "add" and net.outputs == () and "relative_to" not in keywords:
            remedy = (
                'Declare outputs=("state",) where it feeds a derivative, or call it with relative_to=<what it corrects>'
            )
            self.findings.add(node, f"the net '{name}' does not say what it is added to", remedy)

    def _mask(self, node: ast.Call, name: str, inputs: tuple[str, ...], views: set[str]) -> None:
        listed = ", ".join(inputs)
        if len(node.args) != len(inputs) or any(isinstance(item, ast.Starred) for item in node.args):
            found = len(node.args)
            self.findings.add(
                node, f"the net '{name}' sees {len(inputs)} inputs but is called with {found}", f"Pass {listed}"
            )
            return
        for item, expected in zip(node.args, inputs, strict=True):
            strangers = [seen for seen in _named_in(item, views) if seen != expected]
            if strangers:
                remedy = f"Pass {listed} in this order, or change its inputs"
                what = f"the net '{name}' is given '{strangers[0]}' where its mask has '{expected}'"
                self.findings.add(item, what, remedy)


def _named_in(node: ast.expr, views: set[str]) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in views:
            yield part.attr


def _passed_to_helpers(method: ast.FunctionDef) -> Iterator[int]:
    """The bare names that are arguments of private methods, where whole x, u, z and c may go."""
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("_"):
            yield from (id(item) for item in [*node.args, *(keyword.value for keyword in node.keywords)])


def _unused(declared: Declared, uses: _Uses, findings: Findings) -> None:
    for kind, lines in (("Param", declared.params), ("Net", {name: net.line for name, net in declared.nets.items()})):
        for name, line in lines.items():
            if name not in uses.attributes:
                findings.add(line, f"{kind} '{name}' is declared but never used", f"Use self.{name}, or delete it")


def _terms(declared: Declared, used: dict[str, int], space: SearchSpace, line: int, findings: Findings) -> None:
    """Every term of the space is used, replaced or dropped; nothing is two of these."""
    unknown = [name for name in used if name not in _known_terms(space)]
    for term in space.terms:
        ways = [term.name in used, term.name in declared.dropped, term.name in declared.replaced]
        if not any(ways):
            remedy = f'Use self.term("{term.name}", ...), or name it in dropped or replaced'
            findings.add(line, f"the term '{term.name}' is nowhere{did_you_mean(term.name, unknown)}", remedy)
        elif sum(ways) > 1:
            where = used.get(term.name, line)
            findings.add(where, f"the term '{term.name}' is used, replaced or dropped at once", "Keep one of these")
    for old, (new, where) in declared.replaced.items():
        if new not in used:
            findings.add(where, f"'{new}' is to replace '{old}' but is no term", f'Use self.term("{new}", ...)')


def _known_terms(space: SearchSpace) -> set[str]:
    return {item.name for item in space.terms} | {item.name for item in space.library}
