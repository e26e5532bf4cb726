"""A space is found by name, folder or file, and what is ambiguous or missing is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsearch import bundled
from archsearch.errors import RequestError


@pytest.fixture
def own_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "data" / "archsearch" / "search_spaces"
    (folder / "tank").mkdir(parents=True)
    (folder / "tank" / "space.toml").write_text("")
    (folder / "empty").mkdir()
    return folder


def test_bundled_and_own_spaces_are_known_by_name(own_spaces: Path) -> None:
    known = bundled.spaces()
    assert known["tank"] == own_spaces / "tank"
    assert "hare_lynx" in known
    assert "empty" not in known


def test_name_folder_and_file_mean_the_same(own_spaces: Path) -> None:
    file = own_spaces / "tank" / "space.toml"
    assert bundled.space_file("tank") == bundled.space_file(str(file)) == bundled.space_file(str(file.parent)) == file


def test_a_misspelt_name_gets_a_suggestion(own_spaces: Path) -> None:
    with pytest.raises(RequestError, match="did you mean 'tank'"):
        bundled.space_file("tnak")


def test_a_folder_without_space_file_is_told(own_spaces: Path) -> None:
    with pytest.raises(RequestError, match=r"Expected a space\.toml in the folder"):
        bundled.space_file(str(own_spaces / "empty"))


def test_a_name_that_is_also_a_folder_here_is_refused(
    own_spaces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tank").mkdir()
    (tmp_path / "tank" / "space.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=r"\./tank"):
        bundled.space_file("tank")
    assert bundled.space_file("./tank") == Path("tank/space.toml")


def test_templates_are_found_and_missing_ones_told() -> None:
    assert "[problem]" in bundled.template("spaces/space.toml.j2")
    with pytest.raises(RequestError, match=r"did you mean 'spaces/space.toml.j2'"):
        bundled.template("spaces/spaec.toml.j2")
