"""What the README says to type is what there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_what_make_runs() -> None:
    recipes = re.findall(r"^\t(.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(recipes) > 8
    assert [line for line in recipes if f"\n{line}\n" not in README] == []


def test_links_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).is_file()] == []


def test_every_command_of_the_readme_exists() -> None:
    commands = {path.stem for path in (ROOT / "archsearch" / "cli").glob("*.py")}
    named = set(re.findall(r"archsearch (\w+)", README)) - {"itself"}
    assert named <= commands
    assert {"new", "check", "run", "report", "export"} <= named


def test_every_bundled_space_is_named() -> None:
    assert [f.name for f in (ROOT / "search_spaces").iterdir() if f"`{f.name}`" not in README] == []
