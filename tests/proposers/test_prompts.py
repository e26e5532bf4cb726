"""Prompts are files: complete, without a remainder, and a person may replace them."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_spaces import SPACES

from archsearch.candidate.check import check
from archsearch.errors import RequestError
from archsearch.proposers.prompts import EXAMPLES, PLACEHOLDERS, example, prompt, refuse_unfit, system_prompt


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "archsearch" / "prompts"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("key", EXAMPLES)
def test_the_worked_examples_pass_the_static_check(key: str) -> None:
    assert [str(finding) for finding in check(example(key), SPACES[key])] == []


def test_the_static_prefix_shows_both_examples_whole() -> None:
    told = system_prompt()
    assert all(example(key).strip() in told for key in EXAMPLES)


def test_a_placeholder_without_a_value_is_an_error(own: Path) -> None:
    (own / "repair.md.j2").write_text("{{ good }} {{ all }} {{ turned_back }} {{ mood }}")
    with pytest.raises(RequestError, match=r"repair\.md\.j2: asks for mood"):
        prompt("repair", good=1, all=2, turned_back=[])


def test_a_value_that_is_not_used_is_an_error(own: Path) -> None:
    (own / "repair.md.j2").write_text("{{ good }} {{ all }}")
    with pytest.raises(RequestError, match=r"repair\.md\.j2: leaves out turned_back"):
        prompt("repair", good=1, all=2, turned_back=[])


def test_a_file_of_the_user_is_taken_in_the_place_of_ours(own: Path) -> None:
    ours = system_prompt()
    (own / "system.md.j2").write_text("Think of enzymes.\n{{ white_box }}\n{{ with_net }}")
    assert ours != system_prompt()
    assert system_prompt().startswith("Think of enzymes.")


def test_a_broken_file_of_the_user_is_told_with_its_line(own: Path) -> None:
    (own / "repair.md.j2").write_text("fine\n{% for %}")
    with pytest.raises(RequestError, match="line 2: expected a Jinja template"):
        prompt("repair", good=1, all=2, turned_back=[])


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_every_prompt_is_there_and_has_its_placeholders(name: str) -> None:
    given = dict.fromkeys(PLACEHOLDERS[name], "")
    assert prompt(name, **given)
    refuse_unfit()


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_an_unfit_file_is_refused_before_a_search_begins(name: str, own: Path) -> None:
    (own / f"{name}.md.j2").write_text("Nothing.")
    with pytest.raises(RequestError, match=rf"{name}\.md\.j2: leaves out"):
        refuse_unfit()


def test_what_fails_while_it_is_filled_in_is_told(own: Path) -> None:
    (own / "repair.md.j2").write_text("{{ good }} {{ all }} {{ turned_back.nowhere.at_all }}")
    with pytest.raises(RequestError, match=r"repair\.md\.j2: cannot be filled in"):
        prompt("repair", good=1, all=2, turned_back=[])
