"""One small search, made through the command line once, and copied for each test that changes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import QUICK, TRIALS, ask

from archsearch.cli import run as run_module


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with one finished run of `hare_lynx` in it; to be read, never changed."""
    runs = tmp_path_factory.mktemp("finished") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "DEFAULT", QUICK)
        told = ask("run", "hare_lynx", "--trials", str(TRIALS), "--run-dir", runs / "first-run", "--json")
    assert told.code == 0, told.err
    (runs.parent / "run.json").write_text(told.out)
    return runs


@pytest.fixture
def runs(finished_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished run under `runs/` of an otherwise empty working folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished_runs, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def spoil(runs: Path) -> Callable[[str, bytes | None], Path]:
    """Overwrites a file of the run, found by a pattern, with these bytes; None deletes it."""

    def change(pattern: str, content: bytes | None) -> Path:
        path = sorted((runs / "first-run").glob(pattern))[0]
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        return path

    return change
