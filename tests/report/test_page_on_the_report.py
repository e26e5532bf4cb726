"""The page on the report tells what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archsearch.report import comparison, seeds, weakness
from archsearch.report.html import report_html
from archsearch.study.store import Study

PAGE = Path(__file__).parents[2] / "docs" / "report.md"


@pytest.fixture(scope="module")
def page() -> str:
    return " ".join(PAGE.read_text(encoding="utf-8").split())


def test_the_numbers_of_the_page_are_those_of_the_code(page: str) -> None:
    assert f"{comparison.RESAMPLES} bootstrap samples" in page
    assert comparison.LEAST_UNITS == 5
    assert "fewer than five trajectories" in page
    assert seeds.LEAST_SEEDS == 3
    assert "from three on" in page
    assert f"exceeds {weakness.FOLLOWS} and" in page
    assert f"more than {weakness.CLOSE_TO_NOISE} times the `noise`" in page


def test_the_questions_of_the_page_are_asked(page: str, study: Study) -> None:
    html = report_html(study, study.problem())
    questions = re.findall(r"\* \*\*([^*]+\?)\*\*", page)
    assert len(questions) == 4
    assert [html.index(f"<h3>{question}</h3>") for question in questions] == sorted(
        html.index(f"<h3>{question}</h3>") for question in questions
    )
