"""The direction of imports, one door for each library, and a command line that answers at once."""

from __future__ import annotations

import ast
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "archsearch"

LINES = (
    ("errors",),
    ("bundled", "plain_text", "settings", "systems"),
    ("problem",),
    ("hybrid",),
    ("candidate",),
    ("training", "sandbox", "llm"),
    ("evaluation", "proposers"),
    ("study",),
    ("executors",),
    ("search",),
    ("review", "report", "export", "testing"),
    ("service",),
    ("cli",),
    ("__main__",),
)
LEVEL = {unit: level for level, units in enumerate(LINES) for unit in units}

FLOORS = (
    ("data", "algebra", "flow"),
    ("implicit",),
    ("reported",),
    ("squares",),
    ("methods",),
    ("static", "fields", "many"),
)
"""Rooms of `training`; what lies beside them stands above them."""
FLOOR = {f"archsearch.training.{room}": floor for floor, rooms in enumerate(FLOORS) for room in rooms}

DOORS = {
    "openai": {"llm"},
    "httpx2": {"llm"},
    "torchdiffeq": {"training"},
    "optuna": {"study", "proposers"},
    "typer": {"cli"},
    "rich": {"cli"},
    "fastapi": {"service"},
    "starlette": {"service"},
    "uvicorn": {"service"},
    "ray": {"executors"},
}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parsed() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(), str(path))) for path in sources()]


def test_every_unit_has_its_line() -> None:
    units = {unit_of(path) for path in sources()} - {"__init__"}
    assert units <= set(LEVEL), f"units that the direction table does not know: {sorted(units - set(LEVEL))}"


def test_imports_point_down_and_units_on_one_line_do_not_know_each_other() -> None:
    wrong = []
    for path, tree in parsed():
        unit = unit_of(path)
        for name in imported(tree):
            parts = name.split(".")
            if parts[0] != "archsearch" or len(parts) < 2 or parts[1] in (unit, "__version__"):
                continue
            if unit == "__init__" or LEVEL[parts[1]] >= LEVEL[unit]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_in_training_too_imports_point_down() -> None:
    def floor(name: str) -> int:
        return FLOOR.get(".".join(name.split(".")[:3]), len(FLOORS))

    rooms = {path.name for path in (PACKAGE / "training").iterdir() if (path / "__init__.py").is_file()}
    assert {f"archsearch.training.{room}" for room in rooms} == set(FLOOR)
    wrong = []
    for path, tree in parsed():
        own = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in imported(tree):
            other_room = own.split(".")[:3] != name.split(".")[:3]
            if own in name or not name.startswith("archsearch.training.") or not own.startswith("archsearch.training."):
                continue
            if other_room and floor(name) >= floor(own) < len(FLOORS):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_each_library_has_one_door() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, tree in parsed()
        for name in imported(tree)
        if unit_of(path) not in DOORS.get(name.split(".")[0], {unit_of(path)})
    ]
    assert wrong == []


def test_only_the_command_line_prints() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in parsed()
        if unit_of(path) != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert wrong == []


def test_nothing_evaluates_text_but_the_loader_of_candidates() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in parsed()
        if path != PACKAGE / "hybrid" / "loading.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    ]
    assert wrong == []


def test_no_two_files_of_the_tests_are_imported_by_one_name() -> None:
    names = [path.stem for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(set(names)) == sorted(names)


def test_the_design_words_are_kept() -> None:
    names = [path for path in sources() if re.search(r"utils?|helpers?|manager|handler", path.stem)]
    assert names == []


HEAVY = ("torch", "openai", "httpx2", "optuna", "polars", "pint", "matplotlib", "scipy", "jinja2")
ASK = """
import sys
sys.argv = ["archsearch", *sys.argv[1:]]
from archsearch.cli.main import run
try:
    run()
except SystemExit:
    pass
print("loaded:", *sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"], ["run", "x", "--trials", "many"]])
def test_what_needs_no_torch_does_not_load_it(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", ASK, *arguments], capture_output=True, text=True, check=True)
    loaded = done.stderr.rsplit("loaded:", 1)[1].split()
    assert "typer" in loaded
    assert set(HEAVY).isdisjoint(loaded)


def test_help_answers_in_half_a_second_of_processor_time() -> None:
    seconds = []
    for _ in range(3):  # the best of three: the first reads byte code from a cold disk
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "archsearch", "--help"], check=True, capture_output=True, env={**os.environ}
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5
