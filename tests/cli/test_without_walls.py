"""A machine without walls: nothing runs unless a person says so, and then every result says so too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ask

from archsearch.cli import run as run_module
from archsearch.sandbox import tiers
from archsearch.sandbox.tiers import Tier
from archsearch.settings import Budget, FitSettings, RunSettings

QUICK = RunSettings(
    workers=2, fit=FitSettings(segment_steps=2, least_squares_steps=3, matching_steps=10, rollout_steps=2)
).model_copy(update={"budget": Budget(trials=2)})
FLAG = "--i-accept-unsandboxed"


@pytest.fixture
def no_walls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working folder on such a machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tiers, "probe", lambda: Tier.NONE)
    monkeypatch.setattr(run_module, "DEFAULT", QUICK)
    return tmp_path


def test_a_search_refuses_with_what_to_do_and_leaves_no_run(no_walls: Path) -> None:
    told = ask("run", "hare_lynx", "--trials", "2")
    assert told.code == 3
    assert "wall" in told.err
    assert FLAG in told.err
    assert list(no_walls.iterdir()) == []


def test_doctor_says_that_nothing_can_be_evaluated(no_walls: Path) -> None:
    told = ask("doctor", "--runs-dir", no_walls)
    assert told.code == 3
    assert "NOT OK" in told.out
    assert FLAG in told.out


def test_what_was_accepted_marks_run_candidates_and_report(no_walls: Path) -> None:
    told = ask("run", "hare_lynx", "--trials", "2", "--run-dir", no_walls / "bare", FLAG)
    assert told.code == 0, told.err
    assert "RUN WITHOUT WALLS" in told.out
    assert json.loads((no_walls / "bare" / "run.json").read_text())["sandbox"] == "none"
    for path in (no_walls / "bare" / "candidates").glob("*/evaluation.json"):
        assert json.loads(path.read_text())["sandbox"] == "none"
    for command in (("show", "bare"), ("show", "bare", "0"), ("report", "bare")):
        shown = ask(command[0], no_walls / command[1], *command[2:])
        assert shown.code == 0, shown.err
        if command[0] == "show":
            assert f"({FLAG})" in shown.out
    assert FLAG in (no_walls / "bare" / "report.html").read_text()
    for command in (("resume", "bare", "--trials", "3"), ("score", "bare", "--on", "test")):
        refused = ask(command[0], no_walls / command[1], *command[2:])
        assert (refused.code, FLAG in refused.err) == (3, True)
        accepted = ask(command[0], no_walls / command[1], *command[2:], FLAG)
        assert accepted.code == 0, accepted.err
    assert f"predicted without walls ({FLAG})" in accepted.out
    (sealed,) = {json.loads(path.read_text())["sandbox"] for path in (no_walls / "bare").rglob("test.json")}
    assert sealed == "none"


def test_a_run_behind_walls_says_which(finished_runs: Path) -> None:
    record = json.loads((finished_runs / "first-run" / "run.json").read_text())
    assert record["sandbox"] == tiers.probe().value != "none"
    assert FLAG not in ask("show", finished_runs / "first-run").out


def test_the_gpu_walls_are_called_unverified_where_there_is_no_gpu(tmp_path: Path) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("there is a GPU")
    told = ask("doctor", "--runs-dir", tmp_path, "--gpu")
    assert told.code == 3
    assert "UNVERIFIED" in told.out
