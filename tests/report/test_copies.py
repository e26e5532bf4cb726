"""What the page offers to copy is what `archsearch export` writes, and mathematics that a typesetter reads."""

from __future__ import annotations

import html
import re

import pytest
from matplotlib.mathtext import MathTextParser

from archsearch.candidate.equation_text import equations_latex
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
