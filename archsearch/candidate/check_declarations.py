"""Static rules for the class body: what a candidate declares, against what the space has."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from archsearch.candidate.check_literals import UNKNOWN, as_number, literal, literal_arguments
from archsearch.candidate.check_nets import DeclaredNet, read_net
from archsearch.candidate.finding import MEMBERS, REGULARIZERS, SIGNATURES, Findings
from archsearch.problem.expressions import ExpressionError
from archsearch.problem.naming import ATTRIBUTES, VALUES
from archsearch.problem.space import SearchSpace
from archsearch.problem.units import parse_unit

PARAM_KEYS = ("value", "low", "high", "unit", "fixed")
ALGEBRAIC = "algebraic_variables"


@dataclass
class Declared:
    """What the class body declares."""

    is_static: bool = False
    algebraic: dict[str, int] = field(default_factory=dict)
    params: dict[str, int] = field(default_factory=dict)
    nets: dict[str, DeclaredNet] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)
    methods: dict[str, ast.FunctionDef] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    replaced: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def attributes(self) -> list[str]:
        """What may follow `self.` in a method."""
        return [*self.params, *self.nets, *sorted(self.constants), *self.methods, "term"]


def read_declarations(body: list[ast.stmt], space: SearchSpace, findings: Findings) -> Declared:
    """Read a class body, noting everything that is wrong with it."""
    declared = Declared(is_static=any(isinstance(node, ast.FunctionDef) and node.name == "output" for node in body))
    for node in body:  # first, since nets anywhere may see them
        value = _value_of(node, ALGEBRAIC)
        if value is not None:
            _algebraic(value, declared, space, findings)
    for index, node in enumerate(body):
        if isinstance(node, ast.FunctionDef):
            _method(node, declared, findings)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            _assignment(node, declared, space, findings)
        elif not (isinstance(node, ast.Pass) or (index == 0 and _is_docstring(node))):
            findings.add(node, "only declarations and methods may stand in the class", "Move it into rhs")
    return declared


def _value_of(node: ast.stmt, name: str) -> ast.expr | None:
    """What a statement of the class body assigns to this name."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    found = [target for target in targets if isinstance(target, ast.Name) and target.id == name]
    return getattr(node, "value", None) if found else None


def _algebraic(node: ast.expr, declared: Declared, space: SearchSpace, findings: Findings) -> None:
    value = literal(node)
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        found = f"'{ALGEBRAIC}' does not map names to start guesses"
        findings.add(node, found, f'Write {ALGEBRAIC} = {{"pressure": 1.0}}')
        return
    for name, guess in value.items():
        declared.algebraic[name] = node.lineno
        if as_number(guess) is None:
            findings.add(node, f"the start guess of '{name}' is {guess!r}", "Write a number, e.g. 1.0")
        if name in (*space.state_names, *space.input_names):
            findings.add(node, f"the algebraic variable '{name}' is also a state or an input", "Choose another name")
        if not name.isidentifier() or name in VALUES or name.startswith("_"):
            findings.add(node, f"'{name}' cannot be the name of a variable", "Write a word, e.g. pressure")


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _method(node: ast.FunctionDef, declared: Declared, findings: Findings) -> None:
    name = node.name
    if name in declared.methods:
        findings.add(node, f"the method '{name}' is defined twice", "Keep one")
    declared.methods[name] = node
    if node.decorator_list:
        findings.add(node, f"the method '{name}' has a decorator", "Leave the decorator out")
    if name in SIGNATURES:
        _signature(node, SIGNATURES[name], findings)
    elif not name.startswith("_") or name.startswith("__"):
        findings.unknown(node, "method for candidates", name, [*SIGNATURES, "_helper"])
    elif not node.args.args or node.args.args[0].arg != "self":
        findings.add(node, f"the method '{name}' does not take self first", f"Write def {name}(self, ...)")


def _signature(node: ast.FunctionDef, expected: tuple[str, ...], findings: Findings) -> None:
    spec = node.args
    found = tuple(item.arg for item in [*spec.posonlyargs, *spec.args])
    if found != expected or spec.vararg or spec.kwarg or spec.kwonlyargs or spec.defaults:
        arguments = ", ".join(expected)
        findings.add(
            node, f"the method {node.name} takes ({ast.unparse(spec)})", f"Write def {node.name}({arguments}):"
        )


def _assignment(node: ast.Assign | ast.AnnAssign, declared: Declared, space: SearchSpace, findings: Findings) -> None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if len(targets) != 1 or not isinstance(targets[0], ast.Name) or node.value is None:
        findings.add(node, "expected one name and its value", "Write name = Param(...) or name = Net(...)")
        return
    name, value = targets[0].id, node.value
    if name == ALGEBRAIC:
        return
    if name in ("dropped", "replaced", "regularizers"):
        _TABLES[name](value, declared, space, findings)
        return
    _refuse_taken(name, node, declared, findings)
    kind = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    if kind == "Param" and isinstance(value, ast.Call):
        declared.params[name] = node.lineno
        _param(name, value, space, findings)
    elif kind == "Net" and isinstance(value, ast.Call):
        states = () if declared.is_static else space.state_names
        visible = (*states, *declared.algebraic, *space.input_names)
        declared.nets[name] = read_net(name, value, visible, space.state_names, findings)
    elif as_number(literal(value)) is not None:
        declared.constants.add(name)
    else:
        findings.add(node, f"'{name}' is neither Param(...), Net(...) nor a number", "Declare it as one of these")


def _refuse_taken(name: str, node: ast.stmt, declared: Declared, findings: Findings) -> None:
    if name in ATTRIBUTES or name in MEMBERS or name.startswith("_"):
        findings.add(node, f"the name '{name}' belongs to the model language", f"Call it {name.strip('_')}_value")
    if name in declared.params or name in declared.nets or name in declared.constants:
        findings.add(node, f"'{name}' is declared twice", "Keep one")


def _param(name: str, call: ast.Call, space: SearchSpace, findings: Findings) -> None:
    given = literal_arguments(call, PARAM_KEYS, findings)
    numbers = {key: _param_number(name, key, *given[key], findings) for key in ("value", "low", "high") if key in given}
    if "value" not in given:
        findings.add(call, f"Param '{name}' has no value", "Write Param(0.5, low=0.0, high=1.0, unit=...)")
    value, low, high = (numbers.get(key) for key in ("value", "low", "high"))
    if value is not None and given.get("fixed", (False,))[0] is not True:
        below, above = low is not None and low >= value, high is not None and high <= value
        if below or above:
            findings.add(call, f"Param '{name}' is not inside its bounds", "Write low < value < high")
    _unit(name, given.get("unit", ("1", call)), space, findings)


def _param_number(name: str, key: str, value: Any, node: ast.expr, findings: Findings) -> float | None:
    number = as_number(value)
    if number is None and value is not UNKNOWN and not (value is None and key != "value"):
        findings.add(node, f"'{key}' of Param '{name}' is {value!r}, not a number", "Write a number, e.g. 0.5")
    return number


def _unit(name: str, given: tuple[Any, ast.expr], space: SearchSpace, findings: Findings) -> None:
    unit, node = given
    declared = {parameter.name: parameter.unit for parameter in space.parameters}
    if unit is UNKNOWN:
        return
    if not isinstance(unit, str):
        findings.add(node, f"the unit of Param '{name}' is {unit!r}, not a text", 'Write unit="1/h"')
    elif name in declared and not _same_unit(unit, declared[name], space.problem.counting_units):
        expected = declared[name]
        findings.add(
            node, f"Param '{name}' has the unit '{unit}', the space says '{expected}'", f'Write unit="{expected}"'
        )


def _same_unit(found: str, expected: str, counting_units: tuple[str, ...]) -> bool:
    if found.strip() == expected.strip():
        return True
    try:
        return bool(parse_unit(found, counting_units) == parse_unit(expected, counting_units))
    except ExpressionError:
        return False


def _dropped(node: ast.expr, declared: Declared, space: SearchSpace, findings: Findings) -> None:
    value = literal(node)
    if not isinstance(value, tuple | list) or not all(isinstance(item, str) for item in value):
        findings.add(node, "'dropped' is not a tuple of terms", 'Write dropped = ("predation",)')
        return
    for name in value:
        declared.dropped[name] = node.lineno
        if name not in [term.name for term in space.terms]:
            findings.unknown(node, "term in the space", name, [term.name for term in space.terms])


def _replaced(node: ast.expr, declared: Declared, space: SearchSpace, findings: Findings) -> None:
    value = literal(node)
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        findings.add(node, "'replaced' does not map terms to terms", 'Write replaced = {"predation": "saturating"}')
        return
    for old, new in value.items():
        declared.replaced[old] = (new, node.lineno)
        if old not in [term.name for term in space.terms]:
            findings.unknown(node, "term in the space", old, [term.name for term in space.terms])


def _regularizers(node: ast.expr, declared: Declared, space: SearchSpace, findings: Findings) -> None:
    value = literal(node)
    if not isinstance(value, dict):
        findings.add(node, "'regularizers' does not map names to weights", 'Write regularizers = {"norm": 0.01}')
        return
    for name, weight in value.items():
        number = as_number(weight)
        if name not in REGULARIZERS:
            findings.unknown(node, "regularizer", str(name), REGULARIZERS)
        elif name == "physics_alone" and space.is_field:
            found = "the regularizer 'physics_alone' is not available for fields"
            findings.add(node, found, "Use 'norm' or 'correlation'")
        if number is None or number < 0:
            findings.add(node, f"the weight of '{name}' is {weight!r}", "Write a number of at least 0")


_TABLES = {"dropped": _dropped, "replaced": _replaced, "regularizers": _regularizers}
