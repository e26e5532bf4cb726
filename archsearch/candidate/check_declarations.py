"""Static rules for the class body: what a candidate declares, against what the space has."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from archsearch.candidate.finding import ACTIVATIONS, FITTED, REGULARIZERS, ROLES, SIGNATURES, Findings
from archsearch.problem.expressions import ExpressionError
from archsearch.problem.naming import ATTRIBUTES
from archsearch.problem.space import SearchSpace
from archsearch.problem.units import parse_unit

PARAM_KEYS = ("value", "low", "high", "unit", "fixed")
NET_KEYS = ("inputs", "role", "hidden", "outputs", "positive", "bounded", "monotone", "zero_at", "activation")
UNKNOWN = object()
"""Stands for a value that is not a literal, after that was noted."""


@dataclass(frozen=True)
class DeclaredNet:
    """What is known of a net after reading its declaration; None where it could not be read."""

    line: int
    inputs: tuple[str, ...] | None
    role: str | None
    outputs: tuple[str, ...] | None


@dataclass
class Declared:
    """What the class body declares."""

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
    declared = Declared()
    for index, node in enumerate(body):
        if isinstance(node, ast.FunctionDef):
            _method(node, declared, findings)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            _assignment(node, declared, space, findings)
        elif not (isinstance(node, ast.Pass) or (index == 0 and _is_docstring(node))):
            findings.add(node, "only declarations and methods may stand in the class", "Move it into rhs")
    return declared


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
        if name not in FITTED:
            findings.add(node, f"the method '{name}' is not fitted yet", "State it in rhs, or leave it out")
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
    if name in ("dropped", "replaced", "regularizers"):
        _TABLES[name](value, declared, space, findings)
        return
    _refuse_taken(name, node, declared, findings)
    kind = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    if kind == "Param" and isinstance(value, ast.Call):
        declared.params[name] = node.lineno
        _param(name, value, space, findings)
    elif kind == "Net" and isinstance(value, ast.Call):
        declared.nets[name] = _Net(name, value, space, findings).read()
    elif _number(_literal(value)) is not None:
        declared.constants.add(name)
    else:
        findings.add(node, f"'{name}' is neither Param(...), Net(...) nor a number", "Declare it as one of these")


def _refuse_taken(name: str, node: ast.stmt, declared: Declared, findings: Findings) -> None:
    if name in ATTRIBUTES or name.startswith("_"):
        findings.add(node, f"the name '{name}' belongs to the model language", f"Call it {name.strip('_')}_value")
    if name in declared.params or name in declared.nets or name in declared.constants:
        findings.add(node, f"'{name}' is declared twice", "Keep one")


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e300 and math.isfinite(value) else None


def _arguments(call: ast.Call, keys: tuple[str, ...], findings: Findings) -> dict[str, tuple[Any, ast.expr]]:
    """The literal arguments of a declaration by name; anything else is noted and left out."""
    given: list[tuple[str | None, ast.expr]] = list(zip(keys, call.args, strict=False))
    if len(call.args) > len(keys) or any(isinstance(item, ast.Starred) for item in call.args):
        findings.add(call, "too many arguments", f"The arguments are {', '.join(keys)}")
    given += [(item.arg, item.value) for item in call.keywords]
    found: dict[str, tuple[Any, ast.expr]] = {}
    for key, node in given:
        value = _literal(node)
        if key not in keys:
            findings.unknown(node, "argument", key or "**", keys)
        elif key in found:
            findings.add(node, f"'{key}' is given twice", "Give it once")
        elif value is UNKNOWN:
            findings.add(node, f"'{key}' is not a literal: {ast.unparse(node)}", "Write the value out")
            found[key] = (UNKNOWN, node)
        else:
            found[key] = (value, node)
    return found


def _param(name: str, call: ast.Call, space: SearchSpace, findings: Findings) -> None:
    given = _arguments(call, PARAM_KEYS, findings)
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
    number = _number(value)
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


class _Net:
    """Reads one declaration of a net."""

    def __init__(self, name: str, call: ast.Call, space: SearchSpace, findings: Findings) -> None:
        self.name = name
        self.call = call
        self.space = space
        self.findings = findings
        self.given = _arguments(call, NET_KEYS, findings)

    def read(self) -> DeclaredNet:
        """What the declaration says, after noting what is wrong with it."""
        known = [*self.space.state_names, *self.space.input_names]
        inputs = self._names("inputs", known, "state or input")
        if "inputs" not in self.given:
            self._wrong(self.call, "has no input mask", f'Write inputs=("{known[0]}",)')
        role = self._one_of("role", ROLES, "add")
        outputs = self._names("outputs", self.space.state_names, "state") if "outputs" in self.given else ()
        if outputs and role not in ("add", None):
            self._wrong(self.given["outputs"][1], f"names outputs but has role '{role}'", "Leave outputs out")
        self._one_of("activation", ACTIVATIONS, "tanh")
        self._hidden()
        self._structure(inputs)
        return DeclaredNet(self.call.lineno, inputs, role, outputs)

    def _wrong(self, node: ast.AST, what: str, remedy: str) -> None:
        self.findings.add(node, f"Net '{self.name}' {what}", remedy)

    def _names(self, key: str, known: Any, what: str) -> tuple[str, ...] | None:
        value, node = self.given.get(key, (UNKNOWN, self.call))
        if value is UNKNOWN:
            return None
        if not isinstance(value, tuple | list) or not all(isinstance(item, str) for item in value):
            self._wrong(node, f"has {key}={value!r}", f'Write a tuple of names, e.g. {key}=("{next(iter(known))}",)')
            return None
        for item in value:
            if item not in known:
                self.findings.unknown(node, what, item, known)
        if (key == "inputs" and not value) or len(set(value)) < len(value):
            self._wrong(node, f"has {key}={tuple(value)!r}", "Name each once, and at least one")
        return tuple(value)

    def _one_of(self, key: str, allowed: tuple[str, ...], default: str) -> str | None:
        value, node = self.given.get(key, (default, self.call))
        if value in allowed or value is UNKNOWN:
            return value if value in allowed else None
        self.findings.unknown(node, f"{key} for nets", str(value), allowed)
        return None

    def _hidden(self) -> None:
        value, node = self.given.get("hidden", ((16,), self.call))
        is_sizes = isinstance(value, tuple | list) and all(
            isinstance(width, int) and not isinstance(width, bool) and 1 <= width <= 1024 for width in value
        )
        if value is not UNKNOWN and not (is_sizes and len(value) <= 8):
            self._wrong(node, f"has hidden={value!r}", "Write a tuple of whole numbers, e.g. hidden=(16, 16)")

    def _structure(self, inputs: tuple[str, ...] | None) -> None:
        bounded = self._checked("bounded", _is_interval, "an interval, e.g. bounded=(0.0, 1.0)")
        positive = self._checked("positive", lambda value: isinstance(value, bool), "True or False")
        if bounded and positive and bounded[0] < 0:
            self._wrong(self.given["bounded"][1], f"is positive and bounded={bounded}", "Raise the lower bound to 0")
        monotone = self._checked("monotone", _is_signs, 'signs by input, e.g. monotone={"S": "+"}') or {}
        zero_at = self._checked("zero_at", _is_points, 'numbers by input, e.g. zero_at={"S": 0.0}') or {}
        for key, names in (("monotone", monotone), ("zero_at", zero_at)):
            for name in names:
                if inputs is not None and name not in inputs:
                    self.findings.unknown(self.given[key][1], f"input of net '{self.name}' for {key}", name, inputs)
        self._sides(monotone, zero_at, positive, bounded)

    def _sides(self, monotone: Any, zero_at: Any, positive: Any, bounded: Any) -> None:
        """What a net may do beside a zero along which it is monotone."""
        signs = {sign for name, sign in monotone.items() if name in zero_at}
        if len(signs) > 1:
            self._wrong(self.given["monotone"][1], "rises and falls away from its zeros", "Drop one of the entries")
        elif signs == {"-"} and positive:
            self._wrong(self.given["monotone"][1], "is positive but falls from its zero", "Drop positive, or the sign")
        elif bounded and signs and not (bounded[1] > 0 if signs == {"+"} else bounded[0] < 0):
            self._wrong(self.given["bounded"][1], f"has bounded={bounded} but a zero", "Let the interval hold 0")

    def _checked(self, key: str, fits: Callable[[Any], bool], expected: str) -> Any:
        value, node = self.given.get(key, (None, self.call))
        if value is None or value is UNKNOWN:
            return None
        if fits(value):
            return value
        self._wrong(node, f"has {key}={value!r}", f"Write {expected}")
        return None


def _is_interval(value: Any) -> bool:
    pair = [_number(item) for item in value] if isinstance(value, tuple | list) else []
    return len(pair) == 2 and pair[0] is not None and pair[1] is not None and pair[0] < pair[1]


def _is_signs(value: Any) -> bool:
    return isinstance(value, dict) and all(sign in ("+", "-") for sign in value.values())


def _is_points(value: Any) -> bool:
    return isinstance(value, dict) and all(_number(point) is not None for point in value.values())


def _dropped(node: ast.expr, declared: Declared, space: SearchSpace, findings: Findings) -> None:
    value = _literal(node)
    if not isinstance(value, tuple | list) or not all(isinstance(item, str) for item in value):
        findings.add(node, "'dropped' is not a tuple of terms", 'Write dropped = ("predation",)')
        return
    for name in value:
        declared.dropped[name] = node.lineno
        if name not in [term.name for term in space.terms]:
            findings.unknown(node, "term in the space", name, [term.name for term in space.terms])


def _replaced(node: ast.expr, declared: Declared, space: SearchSpace, findings: Findings) -> None:
    value = _literal(node)
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        findings.add(node, "'replaced' does not map terms to terms", 'Write replaced = {"predation": "saturating"}')
        return
    for old, new in value.items():
        declared.replaced[old] = (new, node.lineno)
        if old not in [term.name for term in space.terms]:
            findings.unknown(node, "term in the space", old, [term.name for term in space.terms])


def _regularizers(node: ast.expr, declared: Declared, space: SearchSpace, findings: Findings) -> None:
    value = _literal(node)
    if not isinstance(value, dict):
        findings.add(node, "'regularizers' does not map names to weights", 'Write regularizers = {"norm": 0.01}')
        return
    for name, weight in value.items():
        number = _number(weight)
        if name not in REGULARIZERS:
            findings.unknown(node, "regularizer", str(name), REGULARIZERS)
        if number is None or number < 0:
            findings.add(node, f"the weight of '{name}' is {weight!r}", "Write a number of at least 0")


_TABLES = {"dropped": _dropped, "replaced": _replaced, "regularizers": _regularizers}
