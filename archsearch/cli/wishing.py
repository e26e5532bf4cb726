"""What the commands that steer a search have in common: say it, and tell what will change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsearch.cli.output import print_json

if TYPE_CHECKING:
    from archsearch.study.record import Wish
    from archsearch.study.store import Study

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A term of the physics or of the library, or a slot, as the space names it."),
]


def run_called(run: str, runs_dir: Path) -> Study:
    """The run that is meant."""
    from archsearch.study.lookup import find_run
    from archsearch.study.store import Study

    return Study.open(find_run(run, runs_dir))


def say(study: Study, wish: Wish, json: bool) -> None:
    """Remembers a wish in the run, and tells what it changes.

    Args:
        study: the run.
        wish: what the person wants.
        json: print one document instead.
    """
    from archsearch.review.policy import who
    from archsearch.review.wishing import consequence, wish_for
    from archsearch.study.lock import searching

    space = study.problem().space
    line = wish_for(study, space, wish, who())
    told = consequence(study, space, line)
    if json:
        print_json({"run": study.id, "wish": line.wish, "by": line.by, "from": line.number, "consequence": told})
        return
    typer.echo(told)
    if searching(study.folder) is None:
        typer.echo(f"The search does not run; it goes on with: archsearch resume {study.id}")
