"""How a run begins: its folder, and what is written down about it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import archsearch
from archsearch.errors import RunError
from archsearch.problem.problem import Problem
from archsearch.proposers.baselines import baseline_candidates
from archsearch.settings import RunSettings
from archsearch.study.files import PARTIAL, RUN
from archsearch.study.provenance import git_revision, machine, package_versions
from archsearch.study.record import ProblemRecord, RunRecord

SPACE = "space"


def prepare_folder(folder: Path) -> None:
    """Make a run folder; what a run left that was stopped while it began is no obstacle.

    Raises:
        RunError: the folder holds a run or something else, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise RunError(f"{folder}: cannot be made a run folder ({error.strerror}).", "Choose another.") from None
    if RUN in names:
        raise RunError(f"{folder}: holds a run already.", f"`archsearch resume {folder}` goes on with it.")
    strange = sorted(name for name in names - {SPACE} if not name.endswith(PARTIAL))
    if strange:
        raise RunError(f"{folder}: expected a new or empty folder, found {strange[0]} in it.", "Choose another.")


def new_record(
    problem: Problem, fingerprint: str, settings: RunSettings, space_request: str, sandbox: str
) -> RunRecord:
    """What is written down about a run that begins now; `fingerprint` is that of its copy of space and data."""
    space = problem.space
    return RunRecord(
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        space_request=space_request,
        problem=ProblemRecord(name=problem.name, title=space.problem.title, fingerprint=fingerprint),
        settings=settings,
        seeds={"search": settings.seed, "data": space.data.seed, "split": space.split.seed},
        packages=package_versions(),
        python=sys.version.split()[0],
        platform=machine(),
        revision=git_revision(Path(archsearch.__file__).parent.parent),
        sandbox=sandbox,
        baselines={name: candidate.id for name, candidate in baseline_candidates(space).items()},
    )
