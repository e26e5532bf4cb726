from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

REPORTED = str(Path(__file__).resolve().parents[1] / "report")
if REPORTED not in sys.path:
    sys.path.append(REPORTED)

from served import RUN, NoSearch, Served, served_run  # noqa: E402 - needs the folder above


@pytest.fixture(scope="session")
def made_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run, to be read and never changed."""
    runs = tmp_path_factory.mktemp("served") / "runs"
    served_run(runs / RUN)
    return runs


@pytest.fixture(scope="session")
def reading(made_runs: Path) -> Served:
    """A server whose run nobody changes."""
    return Served(made_runs, NoSearch(made_runs))


@pytest.fixture
def served(made_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A server with a copy of the run of its own."""
    monkeypatch.setenv("ARCHSEARCH_PERSON", "Ada")
    runs = tmp_path / "runs"
    shutil.copytree(made_runs, runs)
    return Served(runs, NoSearch(runs))
