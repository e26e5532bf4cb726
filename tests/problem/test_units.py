"""Units multiply through expressions, and what does not fit is said in a sentence."""

from __future__ import annotations

import pytest

from archsearch.problem.expressions import ExpressionError, parse
from archsearch.problem.units import compare, is_known, parse_unit, registry, same

UNITS = {"S": "g/L", "K": "g/L", "mu": "1/h", "T": "degC", "theta": "rad", "n": "1", "hare": "hare", "lynx": "lynx"}


def units(counting: tuple[str, ...] = ("hare", "lynx")) -> dict[str, object]:
    return {name: parse_unit(text, counting) for name, text in UNITS.items()}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("mu * S / (K + S)", "1/h"),
        ("mu * S", "kg/m^3/h"),
        ("sqrt(S * K)", "g/L"),
        ("S**2 / K", "g/L"),
        ("maximum(S, 0) * exp(-S / K)", "g/L"),
        ("sin(theta) + cos(2 * theta)", "1"),
        ("sign(S) * abs(S - K)", "g/L"),
        ("(S / K)**n", "1"),
        ("mu * T", "K/h"),
        ("hare * lynx", "lynx*hare"),
        ("2 * pi", "1"),
    ],
)
def test_units_go_through_an_expression(text: str, unit: str) -> None:
    assert same(parse(text).unit(units()), parse_unit(unit, ("hare", "lynx")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("S + mu", ["added", "gram/liter", "1/hour"]),
        ("S + 1", ["added", "no unit"]),
        ("hare - lynx", ["subtracted", "hare and lynx"]),
        ("exp(S)", ["in exp(...)", "reference"]),
        ("S**n", ["a number as the exponent"]),
        ("2**S", ["as an exponent"]),
        ("minimum(S, mu)", ["compared"]),
    ],
)
def test_unlike_things_are_told(text: str, words: list[str]) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text).unit(units())
    assert [word for word in words if word not in caught.value.message] == []


def test_a_factor_between_units_counts_as_a_difference() -> None:
    hour, minute = parse_unit("1/h"), parse_unit("1/min")
    assert not same(minute, hour)
    assert "60 times" in compare(minute, hour)


def test_counting_units_have_dimensions_of_their_own_even_if_pint_reads_them_otherwise() -> None:
    hare = parse_unit("hare", ("hare",))
    assert str(hare.dimensionality) == "[hare]"
    assert not is_known("hare")
    assert is_known("bar")


@pytest.mark.parametrize("text", ["", "foo", "1000/h", "9**9**9**9", "h" * 100, "kg/(m", "1/0", "m**x", "3"])
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="expected a unit"):
        parse_unit(text)


def test_one_and_minus_mean_no_unit() -> None:
    assert same(parse_unit("1"), parse_unit("-"))
    assert registry(("a_thing",)) is registry(("a_thing",))
