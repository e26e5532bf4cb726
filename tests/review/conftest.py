"""The invented run, made once and copied for each test that changes it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from review_runs import reviewed_run

from archsearch.problem.problem import Problem
from archsearch.review.desk import Desk
from archsearch.study.store import Study

SPACES = str(Path(__file__).resolve().parents[1] / "candidate")
if SPACES not in sys.path:
    sys.path.append(SPACES)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Problem]:
    study, problem = reviewed_run(tmp_path_factory.mktemp("reviewed") / "run")
    return study.folder, problem


@pytest.fixture
def study(made: tuple[Path, Problem], tmp_path: Path) -> Study:
    return Study.open(Path(shutil.copytree(made[0], tmp_path / "run")))


@pytest.fixture
def desk(study: Study, made: tuple[Path, Problem]) -> Desk:
    return Desk(study, made[1])
