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
from archsearch.export.syntax import (
    assignments,
    bound,
    calls,
    constant,
    defines,
    drop_unused,
    fixed,
    is_docstring,
)
from archsearch.hybrid import CandidateError, Net

PLAIN = {
    "rhs": "derivative",
    "output": "output",
    "observe": "observe",
    "algebraic": "algebraic",
    "limits": "limits",
    "coefficients": "coefficients",
    "initial": "initial_states",
}
"""The methods of the model language, and what they are called in plain code."""
MEANINGS = {
    "rhs": "The derivative of every state by name; `x` is a State, `u` are the Inputs, `t` is the time, all tensors.",
    "output": "Every output by name; `x` and `u` are both the Inputs, which are tensors.",
    "observe": "What is measured in place of the states, by name; arguments as for `derivative`.",
    "algebraic": "What must be zero, by name; `z` are the Algebraic variables, and `x` holds them too.",
    "limits": "What must not be negative, by name; arguments as for `derivative`.",
    "coefficients": "Parameters in their context, by name; `c` are the Inputs.",
    "initial": "Initial states in their context, by name; `c` are the Inputs.",
}
"""What is said of a method that has no docstring."""
OPERATORS = ("laplacian", "gradient", "divergence", "advection")
"""What the model language has for fields."""
ARRAYS = ("_mean", "_std", "_scale", "_shift", "_layers")
"""What the name of a net is followed by in the names of its arrays."""


@dataclass(frozen=True)
class Translation:
    """A candidate as plain functions.

    Attributes:
        imports: import statements beyond `import math` and `import torch`.
        preamble: module-level statements of the candidate and constants of its class.
        functions: source of the functions, `derivative` or `output` last.
        hooks: the methods of the model language that the candidate has.
        algebraic: algebraic variables with their start guesses.
        parameters: parameter name -> its name in the plain code, in the order of declaration.
        constants: expression of the value, and unit, of each parameter that is never fitted.
        nets: declared nets by name.
        net_functions: net name -> name of its function.
        grid: whether its states are fields.
    """

    imports: tuple[str, ...]
    preamble: tuple[str, ...]
    functions: tuple[str, ...]
    hooks: tuple[str, ...]
    algebraic: dict[str, float]
    parameters: dict[str, str]
    constants: dict[str, tuple[str, str]]
    nets: dict[str, Net]
    net_functions: dict[str, str]
    grid: bool = False

    @property
    def is_static(self) -> bool:
        """Whether there is no time in it."""
        return "output" in self.hooks


def translate(source: str, reserved: Iterable[str], *, grid: bool = False) -> Translation:
    """The plain form of a candidate.

    Args:
        source: a candidate that passed the static check.
        reserved: names that the file around it uses; nothing of the candidate is called so.
        grid: whether its states are fields, and the file around it has the operators for them.

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
    return _Translator(tree, kind, nets, frozenset(reserved) | frozenset(PLAIN.values()), grid).translation()


class _Translator:
    """Reads one module and its class `Candidate`."""

    def __init__(
        self, tree: ast.Module, kind: ast.ClassDef, nets: dict[str, Net], reserved: frozenset[str], grid: bool
    ) -> None:
        self.tree, self.grid = tree, grid
        self.methods = {node.name: node for node in kind.body if isinstance(node, ast.FunctionDef)}
        declared = dict(assignments(kind.body))
        self.params = {name: value for name, value in declared.items() if calls(value, "Param")}
        self.nets = nets
        self.others = {
            name: value for name, value in declared.items() if name not in {*self.params, *self.nets, *_ATTRIBUTES}
        }
        self.algebraic = _guesses(declared.get("algebraic_variables"))
        self.operators = {name for name in OPERATORS if name not in bound(ast.Module(kind.body, []))}
        self.hooks = tuple(name for name in self.methods if name in PLAIN)
        if not {"rhs", "output"} & set(self.hooks):
            raise _unplain("its class `Candidate` has no method `rhs` and no method `output`")
        self._refuse_clash(reserved)
        self.names = self._new_names(reserved)
        self.context = self._free("p") if "coefficients" in self.hooks else ""

    def translation(self) -> Translation:
        """All the pieces."""
        used = sorted(self._reachable(), key=lambda name: name in ("rhs", "output"))
        functions = [self._function(self.methods[name]) for name in used]
        imports, statements = self._module()
        constants = [double_quoted(f"{self.names[name]} = {ast.unparse(value)}") for name, value in self.others.items()]
        return Translation(
            imports=tuple(imports),
            preamble=(*statements, *constants),
            functions=tuple(functions),
            hooks=self.hooks,
            algebraic=self.algebraic,
            parameters={name: self.names[name] for name in self.params},
            constants={name: constant(value) for name, value in self.params.items() if fixed(value)},
            nets=self.nets,
            net_functions={name: self.names[name] for name in self.nets},
            grid=self.grid,
        )

    def _refuse_clash(self, reserved: frozenset[str]) -> None:
        """Complain about module-level names that the file around it needs for itself."""
        statements = [node for node in self.tree.body if not isinstance(node, ast.ClassDef | ast.Import)]
        clash = sorted((bound(ast.Module(statements, [])) & reserved) - {"torch", "math"})
        defined = [name for name in clash if any(defines(node, name) for node in statements)]
        if defined:
            raise _unplain(f"it defines `{defined[0]}`, a name that the exported file uses itself")

    def _new_names(self, reserved: frozenset[str]) -> dict[str, str]:
        """A module-level name for each member, that hides nothing: `t` becomes `t_`."""
        taken = {*reserved, *dir(builtins), *keyword.kwlist, *bound(self.tree)}
        names = dict(PLAIN)
        for member in (*self.params, *self.nets, *self.others, *self.methods):
            if member in names:
                continue
            name = member.strip("_") or "private"
            suffixes = ("", *ARRAYS) if member in self.nets else ("",)
            while taken & {name + suffix for suffix in suffixes}:
                name += "_"
            taken |= {name + suffix for suffix in suffixes}
            names[member] = name
        return names

    def _free(self, name: str) -> str:
        """A name for an argument that nothing in the candidate is called by."""
        taken = {*bound(self.tree), *self.names.values()}
        while name in taken:
            name += "_"
        return name

    def _reachable(self) -> list[str]:
        """The methods of the model language and all that they call, in the order of the source."""
        wanted, seen = [*self.hooks], set()
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
            elif not (isinstance(node, ast.ClassDef) or is_docstring(node)):
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
        if self.context:
            of_language = method.name in PLAIN
            (plain.args.args if of_language else plain.args.kwonlyargs).append(ast.arg(self.context))
            plain.args.kw_defaults += [] if of_language else [None]
        drop_unused(plain)
        if method.name in MEANINGS and not is_docstring(plain.body[0]):
            plain.body.insert(0, ast.Expr(ast.Constant(MEANINGS[method.name])))
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
        if member in self.owner.methods and self.owner.context:
            node.keywords.append(ast.keyword(self.owner.context, ast.Name(self.owner.context, ast.Load())))
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
        if member in self.owner.params and self.owner.context:
            return ast.Attribute(ast.Name(self.owner.context, ast.Load()), member, ast.Load())
        return ast.Name(self.owner.names[member], ast.Load())

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """`self` by itself has no plain form."""
        if node.id in self.selves:
            raise _unplain(f"it hands on `{node.id}` as a whole")
        if node.id in self.owner.operators and not self.owner.grid:
            raise _unplain(f"it uses `{node.id}`, so its states are fields on a grid")
        return node

    def _member(self, node: ast.AST) -> str | None:
        """The name after `self.`, None for anything else."""
        found = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self.selves
        return node.attr if found and isinstance(node, ast.Attribute) else None


_ATTRIBUTES = frozenset({"dropped", "replaced", "regularizers", "algebraic_variables"})
_NOT_CARRIED = frozenset({"archsearch", "__future__"})


def _unplain(reason: str) -> RequestError:
    """The error of a candidate that has no plain form."""
    return RequestError(
        f"This candidate cannot be written as plain Python: {reason}.",
        "Its source, as `archsearch show RUN CANDIDATE` prints it, still runs where archsearch is installed.",
    )


def _guesses(value: ast.expr | None) -> dict[str, float]:
    """The algebraic variables of a candidate."""
    try:
        return {} if value is None else {str(name): float(guess) for name, guess in ast.literal_eval(value).items()}
    except (ValueError, TypeError, AttributeError):
        raise _unplain("its algebraic_variables are something else than names and numbers") from None
