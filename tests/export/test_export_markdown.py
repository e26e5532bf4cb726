from __future__ import annotations

import pytest
from exported_candidates import HEADER, SOURCES, record, small_problem

from archsearch.candidate.markdown import plain
from archsearch.candidate.outcome import FittedNet, FittedParameter
from archsearch.errors import RequestError
from archsearch.export.markdown import markdown_file

RATE = FittedParameter(value=0.25, unit="g/L/h", low=0.0, high=None, identified=True, std_error=0.01)
SOURCE = HEADER + SOURCES["physics"]


@pytest.fixture(scope="module")
def text() -> str:
    net = FittedNet(role="add", inputs=("X", "S"), hidden=(8, 8), weights=100)
    evaluation = record(SOURCE, {"rate": RATE, "bad|name": RATE}).model_copy(update={"nets": {"my_net": net}})
    return markdown_file(small_problem(), evaluation, SOURCE)


def test_equations_are_display_mathematics(text: str) -> None:
    assert text.count("$$") == 2
    assert r"\begin{aligned}" in text
    assert r"\frac{d\,X}{dt} &=" in text


def test_parameters_are_a_table_with_intervals(text: str) -> None:
    assert r"| $\mathrm{rate}$ | 0.25 | 0.2304 to 0.2696 | g/L/h | 0 to none | yes | growth rate |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 3, "what is no name is no row"
    assert len({line.count("|") for line in rows}) == 1


def test_nets_are_told(text: str) -> None:
    assert r"- net my\_net: add, 8 x 8 units, 100 weights, sees X, S" in text


def test_no_text_becomes_a_mark() -> None:
    assert plain("a | b\n<script>$x$ `y` [z](w)") == r"a \| b \<script\>\$x\$ \`y\` \[z\](w)"


def test_a_failure_has_no_equations_to_write() -> None:
    failed = record(SOURCE, {}).model_copy(update={"validation": None})
    with pytest.raises(RequestError, match="failed, so it has no fitted equations"):
        markdown_file(small_problem(), failed, SOURCE)
