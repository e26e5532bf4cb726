"""Static rules for the declaration of a net."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from archsearch.candidate.check_literals import UNKNOWN, as_number, literal_arguments
from archsearch.candidate.finding import ACTIVATIONS, ROLES, Findings

NET_KEYS = ("inputs", "role", "hidden", "outputs", "positive", "bounded", "monotone", "zero_at", "activation")


@dataclass(frozen=True)
class DeclaredNet:
    """What is known of a net after reading its declaration; None where it could not be read."""

    line: int
    inputs: tuple[str, ...] | None
    role: str | None
    outputs: tuple[str, ...] | None


def read_net(
    name: str, call: ast.Call, visible: Sequence[str], states: Sequence[str], findings: Findings
) -> DeclaredNet:
    """Read the declaration of a net, noting what is wrong with it.

    Args:
        name: of the net.
        call: the declaration.
        visible: what its inputs may name.
        states: what its outputs may name.
        findings: where findings go.
    """
    return _Net(name, call, tuple(visible), tuple(states), findings).read()


class _Net:
    """Reads one declaration of a net."""

    def __init__(
        self, name: str, call: ast.Call, visible: tuple[str, ...], states: tuple[str, ...], findings: Findings
    ) -> None:
        self.name = name
        self.call = call
        self.visible = visible
        self.states = states
        self.findings = findings
        self.given = literal_arguments(call, NET_KEYS, findings)

    def read(self) -> DeclaredNet:
        """What the declaration says, after noting what is wrong with it."""
        inputs = self._names("inputs", self.visible, "state or input")
        if "inputs" not in self.given:
            self._wrong(self.call, "has no input mask", f'Write inputs=("{next(iter(self.visible), "name")}",)')
        role = self._one_of("role", ROLES, "add")
        outputs = self._names("outputs", self.states, "state") if "outputs" in self.given else ()
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
            self._wrong(
                node, f"has {key}={value!r}", f'Write a tuple of names, e.g. {key}=("{next(iter(known), "name")}",)'
            )
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
        elif (
            bounded and signs and not (bounded[0] <= 0 < bounded[1] if signs == {"+"} else bounded[0] < 0 <= bounded[1])
        ):
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
    pair = [as_number(item) for item in value] if isinstance(value, tuple | list) else []
    return len(pair) == 2 and pair[0] is not None and pair[1] is not None and pair[0] < pair[1]


def _is_signs(value: Any) -> bool:
    return isinstance(value, dict) and all(sign in ("+", "-") for sign in value.values())


def _is_points(value: Any) -> bool:
    return isinstance(value, dict) and all(as_number(point) is not None for point in value.values())
