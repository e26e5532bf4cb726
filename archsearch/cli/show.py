"""`archsearch show`: the leaderboard of a run, or one of its candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from archsearch.cli.options import RUNS, Json, Run, RunsDir

if TYPE_CHECKING:
    from archsearch.candidate.outcome import Evaluation
    from archsearch.study.store import Study

Which = Annotated[
    str | None,
    typer.Argument(metavar="CANDIDATE", help="Its number, or the beginning of its id. Default: all of them."),
]


def show(run: Run, candidate: Which = None, runs_dir: RunsDir = RUNS, json: Json = False) -> None:
    """Show the leaderboard of a run, or one of its candidates with its source."""
    from archsearch.study.lookup import find_run
    from archsearch.study.store import Study

    study = Study.open(find_run(run, runs_dir))
    if candidate is None:
        _show_run(study, json)
    else:
        _show_candidate(study, study.resolve(candidate), json)


def _show_run(study: Study, json: bool) -> None:
    """All evaluations, best first."""
    from archsearch.cli.output import console, print_json
    from archsearch.cli.tables import leaderboard_table
    from archsearch.report.walls import about_walls

    if json:
        print_json({"run": study.id, "candidates": study.ranked()})
        return
    console().print(leaderboard_table(study, top=None))
    for sentence in about_walls(study.evaluations()):
        typer.echo(f"\n{sentence}")
    typer.echo(f"\nOne of them: archsearch show {study.id} NUMBER · all figures: archsearch report {study.id}")


def _show_candidate(study: Study, evaluation: Evaluation, json: bool) -> None:
    """One evaluation with its source."""
    from archsearch.cli.output import console, print_json
    from archsearch.cli.tables import candidate_tables, origin
    from archsearch.report.bans import marks_of

    source = study.source(evaluation.number)
    if json:
        print_json({**evaluation.model_dump(mode="json"), "source": source})
        return
    out = console()
    known = {item.candidate: item.number for item in study.evaluations()}
    mark = marks_of(study).get(evaluation.number, "")
    out.print(origin(evaluation, known, study.proposals().get(evaluation.number), mark))
    out.print()
    for part in candidate_tables(evaluation):
        out.print(part)
        out.print()
    typer.echo(source.rstrip())
