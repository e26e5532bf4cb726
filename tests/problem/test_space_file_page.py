"""The page that explains the space file names every key there is, with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from archsearch.problem.check_terms import ROLES
from archsearch.problem.space import SearchSpace, Structure, Table
from archsearch.problem.syntax import CONSTANTS, FUNCTIONS
from archsearch.systems import SIMULATORS

PAGE = (Path(__file__).parents[2] / "docs" / "space_file.md").read_text(encoding="utf-8")
IN_WORDS = {("problem", "title"), ("states", "column"), ("inputs", "column"), ("axes", "column")}
"""Keys whose default is said in words, since it depends on something else."""


def tables() -> dict[str, type[Table]]:
    """The models of all tables by their names in the file."""
    found = {name: (get_args(field.annotation) or (field.annotation,))[0] for name, field in _fields(SearchSpace)}
    return {**found, "structure": Structure}


def _fields(model: type[Table]) -> list[tuple[str, object]]:
    return list(model.model_fields.items())


def section(name: str) -> str:
    """What stands below the heading of a table, up to the next heading."""
    found = re.search(rf"^##+ `\[*{name}\]*`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no heading for {name}"
    return found[1]


def rows(name: str) -> dict[str, str]:
    """The keys in the table of a section, with their defaults."""
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section(name), re.MULTILINE))


@pytest.mark.parametrize("name", tables())
def test_every_key_is_explained_and_no_other(name: str) -> None:
    assert list(rows(name)) == list(tables()[name].model_fields)


@pytest.mark.parametrize("name", tables())
def test_defaults_are_those_of_the_software(name: str) -> None:
    for key, field in tables()[name].model_fields.items():
        if (name, key) in IN_WORDS:
            continue
        assert rows(name)[key] == _as_written(field.is_required(), field.default), f"{name}.{key}"


def _as_written(needed: bool, default: object) -> str:
    if needed or default is None:
        return "needed" if needed else "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, Table) or default == {}:
        return "`{}`"
    if isinstance(default, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in default) + "]`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"


def test_headings_have_the_brackets_of_the_file() -> None:
    for name, model in SearchSpace.model_fields.items():
        many = bool(get_args(model.annotation))
        assert f"\n## `{'[[' if many else '['}{name}{']]' if many else ']'}`\n" in PAGE


def test_functions_simulators_and_roles_are_all_named() -> None:
    words = set(re.findall(r"\w+", section("objective") + PAGE.split("## Expressions")[1]))
    assert (set(FUNCTIONS) | set(CONSTANTS)) <= words
    assert set(SIMULATORS) <= set(re.findall(r"`(\w+)`", section("data")))
    assert {role for roles in ROLES.values() for role in roles} <= set(re.findall(r'"(\w+)"', section("slots")))
