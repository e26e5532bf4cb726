"""`archsearch prefer`: of two evaluated candidates the one to go on from."""

from __future__ import annotations

from typing import Annotated

import typer

from archsearch.cli.options import RUNS, Json, Run, RunsDir
from archsearch.cli.wishing import run_called, say

Better = Annotated[str, typer.Argument(metavar="BETTER", help="The preferred candidate: its number, or its id.")]
Worse = Annotated[str, typer.Argument(metavar="WORSE", help="The other one, likewise.")]
Because = Annotated[str, typer.Option("--because", metavar="TEXT", help="Why, in words; an LLM is told.")]


def prefer(
    run: Run, better: Better, worse: Worse, because: Because = "", runs_dir: RunsDir = RUNS, json: Json = False
) -> None:
    """Prefer one evaluated candidate to another: the search leans that way. Works while a search runs.

    Scores and ranking stay what was measured; only what is proposed next changes.
    """
    from archsearch.study.record import Preference

    study = run_called(run, runs_dir)
    numbers = study.resolve(better).number, study.resolve(worse).number
    say(study, Preference(better=numbers[0], worse=numbers[1], reason=because.strip()), json)
