"""From the class of a candidate to plain functions, by its syntax tree; the candidate is never run."""

from __future__ import annotations

import ast
import builtins
import keyword
from collections.abc import Iterable
from dataclasses import dataclass

from archsearch.candidate.net_declarations import declared_nets
from archsearch.errors import RequestError
from archsearch.export.literals import double_quoted
from archsearch.hybrid import CandidateError, Net

HOOKS = frozenset({"observe", "initial", "coefficients", "algebraic", "limits"})
"""Optional methods of the model language that do not take part in a rollout; only `observe` is carried over."""
DERIVATIVE = "The derivative of every state by name; `x` is a State, `u` are the Inputs, `t` is the time, all tensors."
ARRAYS = ("_mean", "_std", "_scale", "_shift", "_layers")
"""What the name of a net is followed by in the names of its arrays."""


@dataclass(frozen=True)
class Translation:
    """A candidate as plain functions.

    Attributes:
        imports: import statements beyond `import math` and `import torch`.
        preamble: module-level statements of the candidate and constants of its class.
        functions: source of the private functions, `derivative` last.
        parameters: parameter name -> its name in the plain code, in the order of declaration.
        constants: expression of the value, and unit, of each parameter that is never fitted.
        nets: declared nets by name.
        net_functions: net name -> name of its function.
    """

    imports: tuple[str, ...]
    preamble: tuple[str, ...]
    functions: tuple[str, ...]
    parameters: dict[str, str]
    constants: dict[str, tuple[str, str]]
    nets: dict[str, Net]
    net_functions: dict[str, str]


def translate(source: str, reserved: Iterable[str]) -> Translation:
    """The plain form of a candidate.

    Args:
        source: a candidate that passed the static check.
        reserved: names that the file around it uses; nothing of the candidate is called so.

    Raises:
        RequestError: the candidate does something with `self` that has no plain form.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise _unplain(f"line {error.lineno} is not Python: {error.msg}") from None
    kind = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Candidate"), None)
    if kind is None:
        raise _unplain("it has no class `Candidate`")
    try:
        nets = declared_nets(source)
    except CandidateError as error:
        raise _unplain(error.message.rstrip(".")) from None
    return _Translator(tree, kind, nets, frozenset(reserved)).translation()


class _Translator:
    """Reads one module and its class `Candidate`."""

    def __init__(self, tree: ast.Module, kind: ast.ClassDef, nets: dict[str, Net], reserved: frozenset[str]) -> None:
        self.tree = tree
        self.methods = {node.name: node for node in kind.body if isinstance(node, ast.FunctionDef)}
        declared = dict(_assignments(kind.body))
        self.params = {name: value for name, value in declared.items() if _calls(value, "Param")}
        self.nets = nets
        self.others = {
            name: value for name, value in declared.items() if name not in {*self.params, *self.nets, *_ATTRIBUTES}
        }
        if "rhs" not in self.methods:
            raise _unplain("its class `Candidate` has no method `rhs`")
        self._refuse_clash(reserved)
        self.names = self._new_names(reserved)

    def translation(self) -> Translation:
        """All the pieces."""
        used = self._reachable()
        functions = [self._function(self.methods[name]) for name in used if name != "rhs"]
        functions.append(self._function(self.methods["rhs"]))
        imports, statements = self._module()
        constants = [double_quoted(f"{self.names[name]} = {ast.unparse(value)}") for name, value in self.others.items()]
        return Translation(
            imports=tuple(imports),
            preamble=(*statements, *constants),
            functions=tuple(functions),
            parameters={name: self.names[name] for name in self.params},
            constants={name: _constant(value) for name, value in self.params.items() if _fixed(value)},
            nets=self.nets,
            net_functions={name: self.names[name] for name in self.nets},
        )

    def _refuse_clash(self, reserved: frozenset[str]) -> None:
        """Complain about module-level names that the file around it needs for itself."""
        statements = [node for node in self.tree.body if not isinstance(node, ast.ClassDef | ast.Import)]
        clash = sorted((_bound(ast.Module(statements, [])) & reserved) - {"torch", "math"})
        defined = [name for name in clash if any(_defines(node, name) for node in statements)]
        if defined:
            raise _unplain(f"it defines `{defined[0]}`, a name that the exported file uses itself")

    def _new_names(self, reserved: frozenset[str]) -> dict[str, str]:
        """A module-level name for each member, that hides nothing: `t` becomes `t_`."""
        taken = {*reserved, *dir(builtins), *keyword.kwlist, *_bound(self.tree)}
        names = {"rhs": "derivative"}
        for member in (*self.params, *self.nets, *self.others, *self.methods):
            if member in names:
                continue
            name = member.strip("_") or "private"
            suffixes = ("", *ARRAYS) if member in self.nets else ("",)
            while taken & {name + suffix for suffix in suffixes}:
                name += "_"
            taken |= {name + suffix for suffix in suffixes}
            names[member] = name
        if "observe" in self.methods:
            names["observe"] = "observe"
        return names

    def _reachable(self) -> list[str]:
        """The methods that a rollout or `observe` calls, in the order of the source."""
        wanted, seen = ["rhs", *(["observe"] if "observe" in self.methods else [])], set()
        while wanted:
            name = wanted.pop()
            seen.add(name)
            for node in ast.walk(self.methods[name]):
                if isinstance(node, ast.Attribute) and node.attr in self.methods and node.attr not in seen:
                    wanted.append(node.attr)
        return [name for name in self.methods if name in seen]

    def _module(self) -> tuple[list[str], list[str]]:
        """Imports and statements at module level, ours left out."""
        imports, statements = [], []
        for node in self.tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                text = ast.unparse(node)
                ours = isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _NOT_CARRIED
                if not ours and "archsearch" not in text and text not in ("import torch", "import math"):
                    imports.append(text)
            elif not (isinstance(node, ast.ClassDef) or _is_docstring(node)):
                statements.append(double_quoted(ast.unparse(node)))
        return imports, statements

    def _function(self, method: ast.FunctionDef) -> str:
        """A method as a plain function."""
        plain = ast.parse(ast.unparse(method)).body[0]
        assert isinstance(plain, ast.FunctionDef)
        static = any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in plain.decorator_list)
        owner = "Candidate" if static else plain.args.args.pop(0).arg
        plain.decorator_list = []
        plain.name = self.names[method.name]
        plain = _Rewriter(self, {owner, "Candidate"}).visit(plain)
        _drop_unused(plain)
        if plain.name == "derivative" and not _is_docstring(plain.body[0]):
            plain.body.insert(0, ast.Expr(ast.Constant(DERIVATIVE)))
        return double_quoted(ast.unparse(ast.fix_missing_locations(plain)))


class _Rewriter(ast.NodeTransformer):
    """Replaces everything that goes through `self`."""

    def __init__(self, owner: _Translator, selves: set[str]) -> None:
        self.owner = owner
        self.selves = selves

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`self.term("n", v)` -> `v`; `self.net(a, b, instead_of=c)` -> `net(a, b)`."""
        member = self._member(node.func)
        if member == "term":
            value = next((item.value for item in node.keywords if item.arg == "value"), None) or node.args[-1]
            return self.visit(value)  # type: ignore[no-any-return]  # NodeTransformer.visit is typed Any
        if member in self.owner.nets:
            node.keywords = []
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """`self.growth_rate` -> `growth_rate`."""
        member = self._member(node)
        if member is None:
            return self.generic_visit(node)
        if member in ("states", "inputs"):
            return ast.Name(member.upper(), ast.Load())
        if member not in self.owner.names:
            raise _unplain(f"it uses `self.{member}`, which it does not declare")
        return ast.Name(self.owner.names[member], ast.Load())

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """`self` by itself has no plain form."""
        if node.id in self.selves:
            raise _unplain(f"it hands on `{node.id}` as a whole")
        return node

    def _member(self, node: ast.AST) -> str | None:
        """The name after `self.`, None for anything else."""
        found = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self.selves
        return node.attr if found and isinstance(node, ast.Attribute) else None


_ATTRIBUTES = frozenset({"dropped", "replaced", "regularizers"})
_NOT_CARRIED = frozenset({"archsearch", "__future__"})


def _unplain(reason: str) -> RequestError:
    """The error of a candidate that has no plain form."""
    return RequestError(
        f"This candidate cannot be written as plain Python: {reason}.",
        "Its source, as `archsearch show RUN CANDIDATE` prints it, still runs where archsearch is installed.",
    )


def _assignments(body: list[ast.stmt]) -> Iterable[tuple[str, ast.expr]]:
    """Names and values that a class body assigns."""
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def _calls(value: ast.expr, name: str) -> bool:
    """Whether an expression is a call of `name` or of `module.name`."""
    if not isinstance(value, ast.Call):
        return False
    return getattr(value.func, "id", getattr(value.func, "attr", "")) == name


def _fixed(value: ast.expr) -> bool:
    """Whether a parameter is a constant."""
    node = _argument(value, "fixed")
    return isinstance(node, ast.Constant) and node.value is True


def _constant(value: ast.expr) -> tuple[str, str]:
    """Value, as an expression, and unit of a parameter as declared."""
    number, unit = _argument(value, "value"), _argument(value, "unit")
    text = unit.value if isinstance(unit, ast.Constant) else "1"
    return (ast.unparse(number) if number is not None else "float('nan')"), str(text)


def _argument(value: ast.expr, name: str) -> ast.expr | None:
    """One argument of the declaration of a parameter."""
    assert isinstance(value, ast.Call)
    place = ("value", "low", "high", "unit", "fixed").index(name)
    named = next((item.value for item in value.keywords if item.arg == name), None)
    return named if named is not None else (value.args[place] if place < len(value.args) else None)


def _bound(tree: ast.AST) -> set[str]:
    """Every name that some function or module-level statement binds."""
    found: set[str] = set()
    members = {id(node) for kind in ast.walk(tree) if isinstance(kind, ast.ClassDef) for node in kind.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.FunctionDef) and id(node) not in members:
            found.add(node.name)
    return found | _stored(tree, members)


def _stored(tree: ast.AST, members: set[int]) -> set[str]:
    """The names that are assigned anywhere but directly in a class body."""
    direct = {
        id(part) for node in ast.walk(tree) if id(node) in members and isinstance(node, ast.Assign | ast.AnnAssign)
        for part in ast.walk(node)
    }  # fmt: skip
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return {node.id for node in names if id(node) not in direct}


def _defines(node: ast.stmt, name: str) -> bool:
    """Whether a module-level statement binds a name for the whole module."""
    if isinstance(node, ast.FunctionDef):
        return node.name == name
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node)) and not isinstance(
        node, ast.Expr
    )


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _drop_unused(function: ast.FunctionDef) -> None:
    """Leave out assignments that nothing reads: what a net stands in the place of is not computed."""
    while True:
        read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        kept = [node for node in function.body if not _unread(node, read)]
        if len(kept) == len(function.body):
            return
        function.body = kept


def _unread(node: ast.stmt, read: set[str]) -> bool:
    """Whether a statement only assigns a name that nothing reads."""
    if not isinstance(node, ast.Assign):
        return False
    return all(isinstance(target, ast.Name) and target.id not in read for target in node.targets)
