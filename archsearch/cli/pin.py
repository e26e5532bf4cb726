"""`archsearch pin`: a term or a slot that every further proposal uses."""

from __future__ import annotations

from archsearch.cli.options import RUNS, Json, Run, RunsDir
from archsearch.cli.wishing import Name, run_called, say


def pin(run: Run, name: Name, runs_dir: RunsDir = RUNS, json: Json = False) -> None:
    """Pin a term or a slot: every further proposal uses it. Works while a search runs."""
    from archsearch.study.record import Pin

    say(run_called(run, runs_dir), Pin(name=name), json)
