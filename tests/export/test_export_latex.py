from __future__ import annotations

import re

import pytest
from exported_candidates import HEADER, SOURCES, record, small_problem

from archsearch.candidate.outcome import FittedNet, FittedParameter
from archsearch.errors import RequestError
from archsearch.export.latex import escaped, latex_file, unit_latex

RATE = FittedParameter(value=2.1e-7, unit="g/L/h", low=0.0, high=None, identified=True, std_error=3e-9)
VAGUE = FittedParameter(value=1.5, unit="1", low=None, high=2.0, identified=False)


@pytest.fixture(scope="module")
def text() -> str:
    source = HEADER + SOURCES["physics"]
    net = FittedNet(role="add", inputs=("X", "S"), hidden=(8, 8), weights=100)
    evaluation = record(source, {"rate": RATE, "yield_": VAGUE}).model_copy(update={"nets": {"my_net": net}})
    return latex_file(small_problem(), evaluation, source)


def test_environments_and_braces_are_closed(text: str) -> None:
    opened = re.findall(r"\\begin\{(\w+\*?)\}", text)
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+\*?)\}", text))
    assert opened[0] == "document"
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert text.count("$") % 2 == 0


def test_each_state_has_its_equation_and_each_parameter_its_row(text: str) -> None:
    assert r"\frac{d\,X}{dt} &=" in text
    assert r"\frac{d\,S}{dt} &=" in text
    assert r"$2.1 \cdot 10^{-7}$ & $3 \cdot 10^{-9}$ & $\mathrm{g}\,\mathrm{L}^{-1}\,\mathrm{h}^{-1}$" in text
    assert r"$[0, \infty]$ & $\checkmark$ & growth rate" in text
    assert r"$1.5$ & $\text{--}$ & $1$ & $[-\infty, 2]$ & no" in text


def test_a_reference_stands_beside_the_value_with_its_deviation(text: str) -> None:
    assert "reference" not in text
    source = HEADER + SOURCES["physics"]
    compared = RATE.model_copy(update={"reference": 2e-7})
    text = latex_file(small_problem(), record(source, {"rate": compared, "yield_": VAGUE}), source)
    assert "identified & reference & off by & meaning" in text
    assert r"$\checkmark$ & $2 \cdot 10^{-7}$ & $5$\,\% & growth rate" in text
    assert r"no & -- & -- &" in text


def test_the_size_and_inputs_of_a_net_are_told(text: str) -> None:
    assert r"\mathrm{NN}_{\mathrm{my\_net}}$ is a net of $8 \times 8$ units (100 weights) that sees X, S" in text


def test_text_is_escaped(text: str) -> None:
    assert r"Chemostat\_100 \%" in text
    assert escaped("a_b & 5 % {x} \\input") == r"a\_b \& 5 \% \{x\} \textbackslash{}input"


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("1", ""),
        ("g/L", r"\mathrm{g}\,\mathrm{L}^{-1}"),
        ("m**2/s**3", r"\mathrm{m}^{2}\,\mathrm{s}^{-3}"),
        ("1/(kilopelt*year)", r"\mathrm{kilopelt}^{-1}\,\mathrm{year}^{-1}"),
        ("1 / hare / yr", r"\mathrm{hare}^{-1}\,\mathrm{yr}^{-1}"),
        ("what is this?", r"\text{what is this?}"),
    ],
)
def test_units_are_typeset_as_powers(unit: str, expected: str) -> None:
    assert unit_latex(unit) == expected


def test_a_failure_has_no_equations_to_write() -> None:
    source = HEADER + SOURCES["physics"]
    failed = record(source, {}).model_copy(update={"validation": None})
    with pytest.raises(RequestError, match="failed, so it has no fitted equations"):
        latex_file(small_problem(), failed, source)
