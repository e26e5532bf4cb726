"""Units: read them, multiply them through an expression, and say where they do not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from archsearch.errors import did_you_mean
from archsearch.problem.syntax import ON_A_GRID, Binary, Call, ExpressionError, Name, Negative, Node, Number, names_in
from archsearch.problem.values import numpy_value

Unit = Any
"""A `pint.Unit`; pint is imported only where a unit is read, since that takes a third of a second."""

COMMON = """
second minute hour day week month year yr kelvin degC gram kilogram mole liter meter watt joule newton pascal bar volt
ampere radian degree percent
"""

LONGEST = 80
OFFSET = {"degree_Celsius": "delta_degree_Celsius", "degree_Fahrenheit": "delta_degree_Fahrenheit"}


@lru_cache(maxsize=32)
def registry(counting_units: tuple[str, ...] = ()) -> Any:
    """The pint registry in which each counting unit (`hare`, `boy`) has a dimension of its own."""
    import pint

    units: Any = pint.UnitRegistry()
    for name in counting_units:
        units.define(f"{name} = [{name}]")
    return units


def is_known(name: str) -> bool:
    """Whether a name is a unit without being declared as a counting unit."""
    return name in registry(())._units  # parsing would also find prefixes: `hare` as hecto-are


def parse_unit(text: str, counting_units: tuple[str, ...] = ()) -> Unit:
    """The unit that a text such as `g/(L*h)` names; `1` is a number without unit.

    Raises:
        ExpressionError: the text is no unit.
    """
    if text.strip() in ("1", "-"):
        return registry(counting_units).Unit("")
    _refuse_odd(text)
    try:
        unit = registry(counting_units).parse_units(text)
    except Exception as error:
        meant = _meant(text, counting_units)
        raise ExpressionError(f"expected a unit such as 1/h or g/L, found '{text}'{meant}") from error
    return registry(counting_units).Unit(_differences(unit))


def unit_of(node: Node, units: Mapping[str, Unit], pint_registry: Any) -> Unit:
    """The unit of a tree, given the units of its names; under `laplacian` that of what it divides by, an area.

    Raises:
        ExpressionError: unlike things are added or compared, or a function is given something with a unit.
    """
    return _Units(units, pint_registry).of(node) or pint_registry.Unit("")


def same(found: Unit, expected: Unit) -> bool:
    """Whether two units are the same, factor included (`g/L` and `kg/m^3` are, `1/h` and `1/min` are not)."""
    return bool(found.dimensionality == expected.dimensionality) and abs(_factor(found, expected) - 1) < 1e-9


def compare(found: Unit, expected: Unit) -> str:
    """How a unit differs from the expected one: `expected g/L/h, found g/L/min, which is 60 times as large`."""
    sentence = f"expected {show(expected)}, found {show(found)}"
    if found.dimensionality != expected.dimensionality:
        return sentence
    return f"{sentence}, which is {_factor(found, expected):.6g} times that; nothing is converted, so write one unit"


def show(unit: Unit) -> str:
    """A unit as a person writes it: `gram/liter/hour`, `no unit` for a number."""
    text = str(unit)
    return "no unit" if text == "dimensionless" else text.replace(" ", "")


def _factor(found: Unit, expected: Unit) -> float:
    return float((1 * found).to(expected).magnitude)


def _refuse_odd(text: str) -> None:
    """Refuse what pint would choke on: endless texts, and powers of numbers, which it computes."""
    if not text.strip() or len(text) > LONGEST or re.search(r"\d\s*(\*\*|\^)\s*[\d(]", text):
        shown = text if len(text) <= LONGEST else text[:LONGEST] + "..."
        raise ExpressionError(f"expected a unit such as 1/h or g/L, found '{shown}'; write 1 for a number without unit")


def _differences(unit: Unit) -> str:
    """Temperatures with an offset count as differences: a rate per degree is what terms speak of."""
    return re.sub(r"\b(degree_Celsius|degree_Fahrenheit)\b", lambda match: OFFSET[match[1]], str(unit))


def _meant(text: str, counting_units: tuple[str, ...]) -> str:
    """What may be meant by a text that is no unit."""
    for word in re.findall(r"[^\W\d_]\w*", text):
        try:
            registry(counting_units).parse_units(word)
        except Exception:  # noqa: BLE001 - as above
            remedy = f'things that are counted go into problem.counting_units = ["{word}"]'
            return did_you_mean(word, (*counting_units, *COMMON.split())) or f", where '{word}' is not known; {remedy}"
    return "; a unit has no factor, and 1 means none" if re.search(r"\d", text) else ""


class _Units:
    """A walk over a tree that multiplies units; None stands for a bare zero, which fits any unit."""

    def __init__(self, units: Mapping[str, Unit], pint_registry: Any) -> None:
        self.units, self.none = units, pint_registry.Unit("")

    def of(self, node: Node) -> Unit | None:
        """The unit of a node."""
        match node:
            case Number(value):
                return self.none if value else None
            case Name(name):
                return self.units[name]
            case Negative(operand):
                return self.of(operand)
            case Call(function, arguments):
                return self._call(function, arguments)
            case Binary("**", left, right):
                return self._power(left, right)
            case Binary(operator, left, right):
                return self._joined(operator, self.of(left), self.of(right))

    def _joined(self, operator: str, left: Unit | None, right: Unit | None) -> Unit | None:
        if operator in "+-":
            return self._alike(left, right, "added" if operator == "+" else "subtracted")
        if left is None or right is None:
            return None if left is None else left
        return left * right if operator == "*" else left / right

    def _alike(self, left: Unit | None, right: Unit | None, what: str) -> Unit | None:
        if left is None or right is None:
            return right if left is None else left
        if not same(right, left):
            raise ExpressionError(f"expected like units where things are {what}, found {show(left)} and {show(right)}")
        return left

    def _call(self, function: str, arguments: tuple[Node, ...]) -> Unit | None:
        found = [self.of(argument) for argument in arguments]
        if function in ("minimum", "maximum"):
            return self._alike(found[0], found[1], "compared")
        if function == "abs":
            return found[0]
        if function in ON_A_GRID:
            return None if found[0] is None else found[0] / self.units[function]
        if function == "sqrt":
            return None if found[0] is None else found[0] ** 0.5
        if function != "sign":
            self._bare(found[0], f"in {function}(...)")
        return self.none

    def _bare(self, unit: Unit | None, where: str) -> None:
        if unit is not None and not same(unit, self.none):
            found = f"found {show(unit)}; divide by a reference value"
            raise ExpressionError(f"expected a number without unit {where}, {found}")

    def _power(self, base: Node, exponent: Node) -> Unit | None:
        self._bare(self.of(exponent), "as an exponent")
        unit = self.of(base)
        if unit is None or same(unit, self.none):
            return self.none
        if names_in(exponent):
            raise ExpressionError(
                f"expected a number as the exponent of {show(unit)}, found names; divide the base by a reference value"
            )
        return unit ** float(numpy_value(exponent, {}))
