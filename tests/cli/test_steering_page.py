"""The page on steering says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import ask

from archsearch.problem.loading import load_problem
from archsearch.proposers.obeying import known_names
from archsearch.proposers.taste import WEIGHT

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "steering.md").read_text()
COMMANDS = ("hint", "ban", "pin", "release", "prefer")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_row_with_its_arguments(command: str) -> None:
    row = re.search(rf"^\| `archsearch {command} ([^`]*)` \|", PAGE, re.MULTILINE)
    assert row is not None
    usage = ask(command, "--help").out
    for word in row[1].split():
        assert word in usage, f"{word} is no argument of {command}"


def test_what_is_typed_in_the_story_names_what_the_space_has() -> None:
    names = known_names(load_problem("hare_lynx").space)
    typed = re.findall(r"^\$ archsearch (?:ban|pin|release) \w+ (\w+)$", PAGE, re.MULTILINE)
    assert len(typed) >= 3
    assert set(typed) <= set(names)


def test_the_weight_of_a_preference_is_that_of_the_code() -> None:
    assert f"`log error + {WEIGHT:g} x dislike`" in PAGE


def test_every_picture_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", PAGE)
    assert pictures
    assert all((ROOT / "docs" / picture).is_file() for picture in pictures)
