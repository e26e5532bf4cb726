from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from report_runs import invented_run, steer

from archsearch.problem.problem import Problem
from archsearch.study.store import Study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A run of invented results."""
    return invented_run(Path(tmp_path_factory.mktemp("reported")) / "a-run")


@pytest.fixture(scope="session")
def problem(study: Study) -> Problem:
    """The problem of that run."""
    return study.problem()


@pytest.fixture
def steered(study: Study, tmp_path: Path) -> Study:
    """The same run, in which a person has banned what is best, and decided, hinted and preferred."""
    copied = Study.open(Path(shutil.copytree(study.folder, tmp_path / "a-run")))
    steer(copied)
    return copied
