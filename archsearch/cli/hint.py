"""`archsearch hint`: something to know or to try, in words."""

from __future__ import annotations

from typing import Annotated

import typer

from archsearch.cli.options import RUNS, Json, Run, RunsDir
from archsearch.cli.wishing import run_called, say
from archsearch.errors import RequestError

Text = Annotated[str, typer.Argument(metavar="TEXT", help="The hint, in quotes.")]


def hint(run: Run, text: Text, runs_dir: RunsDir = RUNS, json: Json = False) -> None:
    """Tell the LLM something to know or to try, in your words. Works while a search runs."""
    from archsearch.study.record import Hint

    if not text.strip():
        raise RequestError("Expected a hint in words, found none.", 'Write e.g. "Growth stops before S is used up."')
    say(run_called(run, runs_dir), Hint(text=text.strip()), json)
