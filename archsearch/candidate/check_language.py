"""Static rules that hold for any candidate in any space: what may be imported, named and written at all."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from archsearch.candidate.finding import (
    BUILTINS,
    MODULES,
    OF_TENSORS,
    OF_TORCH,
    VIEWS,
    VOCABULARY,
    Findings,
)
from archsearch.errors import did_you_mean

Function = ast.FunctionDef | ast.Lambda

REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Global: ("global variables are not allowed", "Keep values in local variables of the method"),
    ast.Nonlocal: ("nonlocal variables are not allowed", "Return the value instead"),
    ast.AsyncFunctionDef: ("async functions are not allowed", "Write a plain def"),
    ast.Await: ("'await' is not allowed", "Write plain arithmetic"),
    ast.Yield: ("'yield' is not allowed", "Return the value instead"),
    ast.YieldFrom: ("'yield' is not allowed", "Return the value instead"),
    ast.With: ("'with' is not allowed", "Write plain arithmetic"),
    ast.AsyncWith: ("'with' is not allowed", "Write plain arithmetic"),
    ast.Try: ("'try' is not allowed", "Write arithmetic that cannot fail, e.g. torch.clamp(x.S, min=1e-6)"),
    ast.Raise: ("'raise' is not allowed", "Write arithmetic that cannot fail"),
    ast.Delete: ("'del' is not allowed", "Leave the variable alone"),
    ast.While: ("'while' is not allowed", "Write for ... in range(...) or plain arithmetic"),
    ast.AugAssign: ("assignment with an operator changes a tensor in place", "Write total = total + value"),
}


def check_language(tree: ast.Module, findings: Findings) -> None:
    """Note everything that no candidate may contain."""
    _module_level(tree, findings)
    for node in ast.walk(tree):
        refused = REFUSED.get(type(node))
        if refused:
            findings.add(node, *refused)
        elif isinstance(node, ast.Attribute):
            _attribute(node, findings)
        elif isinstance(node, ast.Import | ast.ImportFrom) and node not in tree.body:
            findings.add(node, "an import inside a class or function is not allowed", "Move it to the top")
        for target in _targets(node):
            _target(target, findings)
    _names(tree, findings)


def _module_level(tree: ast.Module, findings: Findings) -> None:
    for index, node in enumerate(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            _import(node, findings)
        elif isinstance(node, ast.ClassDef) or (index == 0 and _is_text(node)) or _is_constant(node):
            continue
        elif isinstance(node, ast.FunctionDef):
            findings.add(node, f"function '{node.name}' stands outside the class", "Make it a private method _name")
        else:
            findings.add(node, "only a docstring, imports, constants and the class may stand here", "Move it into rhs")


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_constant(node: ast.stmt) -> bool:
    """`NAME = literal`: a number, a text, or a tuple of them."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    try:
        value = ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return len(targets) == 1 and isinstance(targets[0], ast.Name) and isinstance(value, int | float | str | tuple)


def _import(node: ast.Import | ast.ImportFrom, findings: Findings) -> None:
    remedy = f"Import only torch, math, and {', '.join(VOCABULARY)} from archsearch.hybrid"
    module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        name = module if isinstance(node, ast.ImportFrom) else alias.name
        if name not in MODULES or (isinstance(node, ast.Import) and "." in name):
            findings.add(node, f"importing '{name}' is not allowed", remedy)
        elif module == "archsearch.hybrid" and alias.name not in VOCABULARY:
            findings.unknown(node, "name in archsearch.hybrid", alias.name, VOCABULARY)
        elif module == "torch" and alias.name in OF_TORCH | {"*"}:
            findings.add(node, f"importing '{alias.name}' from torch is not allowed", remedy)
        elif alias.name == "*" or (alias.asname and alias.asname != alias.name):
            findings.add(
                node, f"importing '{alias.name}' like this is not allowed", "Import each thing by its own name"
            )


def _attribute(node: ast.Attribute, findings: Findings) -> None:
    name = node.attr
    of_self = isinstance(node.value, ast.Name) and node.value.id == "self"
    if name.startswith("__"):
        findings.add(node, f"the attribute '{name}' is not allowed", "Leave out names with two underscores")
    elif name.startswith("_") and not of_self:
        findings.add(node, f"the private attribute '{name}' is not allowed", "Use public names")
    elif isinstance(node.value, ast.Name) and node.value.id == "torch":
        if name in OF_TORCH or name.startswith("set_"):
            findings.add(node, f"'torch.{name}' is not allowed", "A model is deterministic arithmetic on tensors")
    elif not of_self and not _is_view(node.value) and (name in OF_TENSORS or name.endswith("_")):
        findings.add(node, f"'.{name}' is not allowed on tensors", "Write an expression that gives a new tensor")


def _is_view(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in VIEWS


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign):
        yield from node.targets
    elif isinstance(node, ast.AnnAssign | ast.For | ast.comprehension | ast.NamedExpr):
        yield node.target


def _target(target: ast.expr, findings: Findings) -> None:
    for node in ast.walk(target):
        if isinstance(node, ast.Attribute):
            findings.add(node, f"assigning to '{ast.unparse(node)}' is not allowed", "Use a local variable")
        elif isinstance(node, ast.Subscript):
            findings.add(node, f"assigning to '{ast.unparse(node)}' changes a tensor in place", "Build a new tensor")


def _names(tree: ast.Module, findings: Findings) -> None:
    """Note names that are used but defined nowhere, scope by scope."""
    known = _bound(tree.body)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            inside = known | _bound([item for item in node.body if not isinstance(item, ast.FunctionDef)])
            for item in node.body:
                _scope(item, known if isinstance(item, ast.FunctionDef) else inside, findings)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            _scope(node, known, findings)


def _scope(node: ast.AST, known: frozenset[str], findings: Findings) -> None:
    """Walk one scope; a function in it opens another."""
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        body = node.body if isinstance(node.body, list) else [node.body]
        known = known | frozenset(_arguments(node)) | _bound(body)
        outside = [*node.args.defaults, *(item for item in node.args.kw_defaults if item)]
        for part in [*outside, *body]:
            _scope(part, known, findings)
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        _name(node, known, findings)
    for child in ast.iter_child_nodes(node):
        if not _is_annotation(node, child):
            _scope(child, known, findings)


def _is_annotation(parent: ast.AST, child: ast.AST) -> bool:
    return isinstance(parent, ast.AnnAssign) and child is parent.annotation


def _arguments(node: Function) -> list[str]:
    spec = node.args
    every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *([spec.vararg] if spec.vararg else [])]
    return [item.arg for item in [*every, *([spec.kwarg] if spec.kwarg else [])]]


def _bound(body: list[ast.stmt] | list[ast.expr]) -> frozenset[str]:
    """The names that statements define, those of inner functions left out."""
    bound: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        if not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return frozenset(bound)


def _name(node: ast.Name, known: frozenset[str], findings: Findings) -> None:
    name = node.id
    if name in known or name in BUILTINS:
        return
    if name.startswith("__") or hasattr(builtins, name):
        findings.add(node, f"'{name}' is not allowed in a candidate", "Write arithmetic with torch functions")
        return
    missing = (
        "Import it from archsearch.hybrid" if name in VOCABULARY else "Define it, or write x.name, u.name, self.name"
    )
    missing = f"Write import {name} at the top" if name in ("torch", "math") else missing
    findings.add(node, f"The name '{name}' is not defined{did_you_mean(name, known)}", missing)
