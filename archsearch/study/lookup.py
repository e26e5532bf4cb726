"""Finding runs and candidates by what a person types."""

from __future__ import annotations

import difflib
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import best
from archsearch.errors import NothingFoundError, RequestError, RunError
from archsearch.study.files import RUN

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # without those that look like others


def new_run_folder(runs_dir: Path, problem_name: str) -> Path:
    """A folder that does not exist yet, like `20261121T101500Z-hare_lynx-k3f9`: UTC time, problem, random letters."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = re.sub(r"[^A-Za-z0-9_]+", "_", problem_name).strip("_") or "run"
    suffix = "".join(secrets.choice(_LETTERS) for _ in range(4))
    return runs_dir / f"{stamp}-{name}-{suffix}"


def list_runs(runs_dir: Path) -> list[Path]:
    """The run folders in a folder, oldest first."""
    if not runs_dir.is_dir():
        return []
    return sorted((path.parent for path in runs_dir.glob(f"*/{RUN}")), key=_age)


def find_run(request: str, runs_dir: Path) -> Path:
    """The run that is meant: a folder, an id, the start of one, or `last`.

    Raises:
        RequestError: no run, or more than one, is meant.
        RunError: the folder exists and is no run.
    """
    runs = list_runs(runs_dir)
    if request == "last":
        return _last(runs, runs_dir)
    by_id = {path.name: path for path in runs}
    if request in by_id:
        return by_id[request]
    if "/" in request or Path(request).is_dir():
        return _run_folder(Path(request))
    matching = [name for name in by_id if request and name.startswith(request)]
    known = [*by_id, "last"] if by_id else []
    return by_id[_only(request, matching, known, f"run in {runs_dir}", "`archsearch list` shows the runs.")]


def find_candidate(request: str | None, evaluations: Sequence[Evaluation], run: str) -> Evaluation:
    """The evaluation that is meant: a number, an id, the start of one; without a request the best.

    Raises:
        RequestError: no candidate, or more than one, is meant.
        NothingFoundError: the best is asked for, and there is none.
    """
    if request is None:
        return _best(evaluations, run)
    by_number = {str(evaluation.number): evaluation for evaluation in evaluations}
    number = request.lstrip("0") or "0"
    if request.isdecimal() and number in by_number:
        return by_number[number]
    by_id = {evaluation.candidate: evaluation for evaluation in evaluations}
    matching = [key for key in by_id if request and key.startswith(request.lower())]
    remedy = f"`archsearch show {run}` shows the candidates."
    return by_id[_only(request, matching, [*by_id, *by_number], f"candidate in {run}", remedy)]


def _best(evaluations: Sequence[Evaluation], run: str) -> Evaluation:
    found = best(evaluations)
    if found is not None:
        return found
    tried = f"all {len(evaluations)} that were tried failed" if evaluations else "none was evaluated yet"
    raise NothingFoundError(f"{run}: has no candidate that fits: {tried}.", f"`archsearch show {run}` says why.")


def _last(runs: Sequence[Path], runs_dir: Path) -> Path:
    if not runs:
        raise RequestError(f"{runs_dir}: there is no run yet.", "`archsearch run SPACE` starts one.")
    return runs[-1]


def _run_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise RequestError(f"{folder}: expected a run folder, found nothing.", "`archsearch list` shows the runs.")
    if not (folder / RUN).exists():
        raise RunError(f"{folder}: not a run folder: it has no {RUN}.", "`archsearch list` shows the runs.")
    return folder


def _only(request: str, matching: Sequence[str], known: Iterable[str], what: str, remedy: str) -> str:
    if len(matching) == 1:
        return matching[0]
    if matching:
        some = ", ".join(sorted(matching)[:4])
        raise RequestError(f"{request!r} is the start of more than one {what}: {some}.", "Type more of it.")
    close = difflib.get_close_matches(request, list(known), n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise RequestError(f"There is no {what} called {request!r}.", hint + remedy)


def _age(folder: Path) -> tuple[str, str]:
    """When a run was started; the time of the file where the record does not say."""
    try:
        created = json.loads((folder / RUN).read_bytes())["created"]
    except (OSError, ValueError, KeyError, TypeError):
        created = None
    if not isinstance(created, str):
        created = datetime.fromtimestamp((folder / RUN).stat().st_mtime, UTC).isoformat(timespec="seconds")
    return created, folder.name
