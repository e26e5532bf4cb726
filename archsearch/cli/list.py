"""`archsearch list`: the runs that there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from archsearch.cli.options import RUNS, Json, RunsDir

if TYPE_CHECKING:
    from archsearch.study.store import Study


def list_runs(runs_dir: RunsDir = RUNS, json: Json = False) -> None:
    """List the runs, the newest last."""
    from archsearch.cli.output import print_json
    from archsearch.study.lookup import list_runs as folders_of_runs

    rows = [_row(folder) for folder in folders_of_runs(runs_dir)]
    if json:
        print_json({"runs": rows})
    elif rows:
        _print_table(rows)
    else:
        typer.echo(f"no runs in {runs_dir}. Start one: archsearch run hare_lynx")


def _row(folder: Path) -> dict[str, Any]:
    """What the list says of one run; a damaged one is listed with what is wrong with it."""
    from archsearch.errors import RunError
    from archsearch.study.store import Study

    try:
        return _summary(Study.open(folder))
    except RunError as error:
        return {"run": folder.name, "folder": str(folder), "damaged": error.message}


def _summary(study: Study) -> dict[str, Any]:
    """A run in numbers."""
    ranked = study.ranked()
    best = study.best()
    return {
        "run": study.id,
        "folder": str(study.folder),
        "space": study.space_request,
        "evaluated": len(ranked),
        "failed": sum(evaluation.status == "failed" for evaluation in ranked),
        "trials": study.record.trials(len(ranked)),
        "best": best,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    """One line per run."""
    from archsearch.cli.output import console, plain_table, visible
    from archsearch.report.leaderboard import four

    table = plain_table("run", "space", "evaluated", "failed", "best error", "best model")
    for row in rows:
        best = row.get("best")
        if "damaged" in row:
            table.add_row(row["run"], "damaged", "", "", "", row["damaged"])
        else:
            nothing = "nothing fits" if row["evaluated"] else "nothing yet"
            told = (four(best.error), visible(best.claim)) if best else ("-", nothing)
            table.add_row(row["run"], row["space"], f"{row['evaluated']} of {row['trials']}", str(row["failed"]), *told)
    console().print(table)
