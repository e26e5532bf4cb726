"""One text, four readings: torch source, numpy, LaTeX and names; and nothing but arithmetic is let in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from latex2mathml.converter import convert

from archsearch.problem.expressions import ExpressionError, latex_name, parse, parse_condition
from archsearch.problem.syntax import Call, Node, children
from archsearch.problem.values import numpy_value

NAMES = {"x": [0.3, 1.7, -2.2], "y": [1.1, 0.0, 3.0], "K_S": [0.5, 0.5, 0.5]}
numbers = st.sampled_from(["0", "1", "2", "0.5", "1e-3", "3.25", "pi"])


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "/", "**"])
    one = st.sampled_from(["exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "abs", "sign"])
    two = st.sampled_from(["minimum", "maximum"])
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda part: f"{part[0]} {part[1]} {part[2]}"),
        st.tuples(inner, operators, inner).map(lambda part: f"({part[0]}) {part[1]} ({part[2]})"),
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"-({text})"),
        st.tuples(one, inner).map(lambda part: f"{part[0]}({part[1]})"),
        st.tuples(two, inner, inner).map(lambda part: f"{part[0]}({part[1]}, {part[2]})"),
    )


texts = st.recursive(st.one_of(st.sampled_from(list(NAMES)), numbers), joined, max_leaves=8)


class States:
    x = torch.tensor(NAMES["x"], dtype=torch.float64)
    y = torch.tensor(NAMES["y"], dtype=torch.float64)


def by_torch(source: str) -> np.ndarray:
    names = {"torch": torch, "x": States, "saturation": torch.tensor(NAMES["K_S"], dtype=torch.float64)}
    value = eval(source, names)
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (3,))


def well_behaved(node: Node, values: dict[str, np.ndarray]) -> bool:
    """Whether every step is a moderate number: beyond, the last digit of a library decides."""
    value = np.abs(numpy_value(node, values))
    jump = isinstance(node, Call) and node.function == "sign"
    steps = [np.abs(numpy_value(child, values)) for child in children(node)]
    near_jump = jump and any((step < 1e-6).any() for step in steps)
    own = bool((value < 1e6).all()) and not near_jump
    return own and all(well_behaved(child, values) for child in children(node))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(texts)
def test_torch_source_and_numpy_agree(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError:
        return  # a number in it is not finite
    values = {name: np.array(value) for name, value in NAMES.items()}
    assume(well_behaved(expression.tree, values))
    source = expression.to_source({"x": "x.x", "y": "x.y", "K_S": "saturation"})
    expected = np.broadcast_to(expression.evaluate(values), (3,))
    np.testing.assert_allclose(by_torch(source), expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(texts)
def test_latex_of_every_expression_can_be_typeset(text: str) -> None:
    try:
        latex = parse(text).to_latex()
    except ExpressionError:
        return
    assert "<math" in convert(latex)
    assert latex.count("{") == latex.count("}")


def test_a_name_may_become_a_whole_expression() -> None:
    assert parse("rate * x**2").to_source({"rate": "a + b", "x": "self.net(y)"}) == "(a + b) * self.net(y)**2"


def test_source_is_readable_where_nothing_needs_folding() -> None:
    source = parse("attack*hare*lynx/(1 + h*hare) - 2*hare").to_source({"hare": "x.hare", "attack": "self.attack"})
    assert source == "self.attack * x.hare * lynx / (1 + h * x.hare) - 2 * x.hare"


def test_functions_of_numbers_are_folded_since_torch_takes_tensors_only() -> None:
    assert parse("sqrt(4) * x").to_source({}) == "2.0 * x"
    assert parse("maximum(0, x)").to_source({}) == "torch.clamp(x, min=0)"


def test_names_are_those_used_and_constants_are_none() -> None:
    assert parse("pi * mu_max * S / (K + S)").names == {"mu_max", "S", "K"}


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("mu_max*S/(K_S + S)", r"\frac{\mu_{\mathrm{max}}\,S}{K_{S} + S}"),
        ("lynx*hare*b", r"\mathrm{lynx}\,\mathrm{hare}\,b"),
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("(-x)**2", r"\left(-x\right)^{2}"),
        ("-x**2", r"-x^{2}"),
        ("x * 2", r"x \cdot 2"),
        ("2.5e-3 * x", r"0.0025\,x"),
        ("sqrt(abs(x))", r"\sqrt{\left|x\right|}"),
        ("sin(theta)**2", r"\left(\sin\left(\theta\right)\right)^{2}"),
        ("a + -b", r"a + \left(-b\right)"),
    ],
)
def test_latex_keeps_the_order_of_the_text(text: str, latex: str) -> None:
    assert parse(text).to_latex() == latex


def test_symbols_override_names_in_latex() -> None:
    assert parse("r * x").to_latex({"x": "H"}) == r"r\,H"


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("alpha", r"\alpha"),
        ("k", "k"),
        ("k1", "k_{1}"),
        ("Y_xs", r"Y_{\mathrm{xs}}"),
        ("attack_rate", r"\mathrm{attack\_rate}"),
        ("Omega_0", r"\Omega_{0}"),
    ],
)
def test_names_are_typeset_as_people_write_them(name: str, latex: str) -> None:
    assert latex_name(name) == latex


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "x.__class__",
        "x[0]",
        "[x]",
        "x if y else 1",
        "lambda: x",
        "x and y",
        "not x",
        "~x",
        "x == y",
        "'x'",
        "True",
        "1j",
        "1e999",
        "f'{x}'",
        "(x := 1)",
        "exp(*x)",
        "exp(x=1)",
        "x; y",
        "x\ny",
        "a\0b",
        "9**9**9**9",
        "log(0)",
        "x / 0",
        "x / (1 - 1)",
        "(" * 500 + "x" + ")" * 500,
        "-" * 500 + "x",
        "größe * x",
    ],
)
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert "expected" in caught.value.message


def test_conditions_say_by_how_much_they_fail() -> None:
    condition = parse_condition("S >= 0.5")
    np.testing.assert_array_equal(condition.violation({"S": np.array([1.0, 0.5, -1.0])}), [0, 0, 1.5])
    np.testing.assert_array_equal(
        condition.holds({"S": np.array([1.0, 0.5, -1.0, np.nan])}), [True, True, False, False]
    )
    assert np.isnan(condition.violation({"S": np.array([np.nan])})).all()


@settings(derandomize=True)
@given(st.floats(-5, 5), st.floats(-5, 5), st.sampled_from([">=", "<=", ">", "<"]))
def test_a_condition_that_holds_is_not_violated(left: float, right: float, sign: str) -> None:
    condition = parse_condition(f"a {sign} b")
    values = {"a": left, "b": right}
    violated = float(condition.violation(values)) > 0
    assert not (violated and condition.holds(values))
    assert violated or condition.holds(values) or left == right
