"""`archsearch ban`: a term or a slot that no further proposal may use."""

from __future__ import annotations

from archsearch.cli.options import RUNS, Json, Run, RunsDir
from archsearch.cli.wishing import Name, run_called, say


def ban(run: Run, name: Name, runs_dir: RunsDir = RUNS, json: Json = False) -> None:
    """Ban a term or a slot: no further proposal uses it. Works while a search runs."""
    from archsearch.study.record import Ban

    say(run_called(run, runs_dir), Ban(name=name), json)
