from __future__ import annotations

from pathlib import Path

import pytest
from report_runs import invented_run

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
