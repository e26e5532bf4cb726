"""What the page offers to copy is what `archsearch export` writes, and mathematics that a typesetter reads."""

from __future__ import annotations

import html
import re

import pytest
from matplotlib.mathtext import MathTextParser

from archsearch.candidate.equation_text import equations_latex, latex_block, markdown_block
from archsearch.export.latex import latex_file
from archsearch.export.markdown import markdown_file
from archsearch.problem.problem import Problem
from archsearch.report.html import report_html
from archsearch.study.store import Study


@pytest.fixture(scope="module")
def blocks(study: Study, problem: Problem) -> list[str]:
    page = report_html(study, problem)
    return [html.unescape(text) for text in re.findall(r'<pre class="all"[^>]*>(.*?)</pre>', page, re.DOTALL)]


def test_latex_and_markdown_are_those_of_the_export(study: Study, problem: Problem, blocks: list[str]) -> None:
    best = study.best()
    assert best is not None
    source = study.source(best.number)
    latex, markdown = blocks
    assert latex.startswith(r"\begin{align*}")
    assert latex in latex_file(problem, best, source)
    assert markdown_file(problem, best, source).endswith(markdown)


@pytest.mark.parametrize("number", range(5))
def test_every_equation_is_read_by_a_typesetter(study: Study, problem: Problem, number: int) -> None:
    parser = MathTextParser("path")
    for line in equations_latex(study.source(number), problem.space).values():
        parser.parse(f"${line}$")


OBSERVED = """
    def observe(self, t, x, u):
        return {"$$ } <script>": x.hare}
"""


def test_no_name_in_a_source_ends_the_mathematics_or_becomes_markup(study: Study, problem: Problem) -> None:
    hostile = study.source(3).rstrip() + OBSERVED
    for block in (markdown_block(hostile, problem.space), latex_block(hostile, problem.space)):
        assert "script" not in block
        assert block.count("{") == block.count("}")
        assert r"y_{\cdots} &= \mathrm{hare}" in block
