"""`archsearch release`: take back a ban or a pin."""

from __future__ import annotations

from archsearch.cli.options import RUNS, Json, Run, RunsDir
from archsearch.cli.wishing import Name, run_called, say


def release(run: Run, name: Name, runs_dir: RunsDir = RUNS, json: Json = False) -> None:
    """Take back a ban or a pin. Works while a search runs."""
    from archsearch.study.record import Release

    say(run_called(run, runs_dir), Release(name=name), json)
