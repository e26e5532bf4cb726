"""The page on how models are proposed says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archsearch.problem.loading import load_problem
from archsearch.proposers.both import LEAST
from archsearch.proposers.memory import Given
from archsearch.proposers.progress import LAWS_FIRST
from archsearch.proposers.prompts import EXAMPLES, PLACEHOLDERS
from archsearch.proposers.questions import ROUND, TOOL_CALLS, Questions

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "proposing.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)\.md\.j2` \|[^|]*\| (.*) \|$", PAGE, re.MULTILINE))
WORDS = {3: "three", 5: "fifth"}


def test_every_prompt_has_its_row() -> None:
    assert sorted(ROWS) == sorted(PLACEHOLDERS)


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_every_placeholder_is_named(name: str) -> None:
    assert set(re.findall(r"`(\w+)`", ROWS[name])) == PLACEHOLDERS[name]


def test_the_examples_are_named() -> None:
    assert all(f"`examples/{file}`" in PAGE for file in EXAMPLES.values())


def test_the_tools_are_named() -> None:
    tools = Questions(load_problem("bioreactor"), Given(), 4, lambda candidate: None).tools((), 3)  # type: ignore[arg-type,return-value]  # never called
    told = PAGE.split("## What it may look up")[1].split("##")[0]
    assert set(re.findall(r"`(\w+)`", told)) == {tool.name for tool in tools}
    assert f"at most {TOOL_CALLS} times" in told


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"{WORDS[ROUND]} proposals at a time" in PAGE
    assert f"up to {WORDS[ROUND]} proposals" in PAGE
    assert f"less than a {WORDS[round(1 / LEAST)]}" in PAGE
    assert f"until {WORDS[LAWS_FIRST]} have been tried" in PAGE
