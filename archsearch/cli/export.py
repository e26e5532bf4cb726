"""`archsearch export`: the best model as a file that needs nothing of archsearch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from archsearch.cli.options import RUNS, Candidate, Run, RunsDir
from archsearch.cli.output import visible

Format = Annotated[
    Literal["python", "latex", "markdown"], typer.Option("--format", help="A Python file, or the equations.")
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="The file.", show_default="SPACE_NUMBER.py, .tex or .md"),
]
ENDINGS = {"python": ".py", "latex": ".tex", "markdown": ".md"}


def export(
    run: Run, candidate: Candidate = None, form: Format = "python", output: Output = None, runs_dir: RunsDir = RUNS
) -> None:
    """Export a model as one Python file that needs only torch, or its equations as LaTeX or Markdown."""
    from archsearch.cli.files import writable
    from archsearch.export.latex import export_latex
    from archsearch.export.markdown import export_markdown
    from archsearch.export.python import export_python
    from archsearch.study.lookup import find_run
    from archsearch.study.store import Study

    study = Study.open(find_run(run, runs_dir))
    problem, evaluation = study.problem(), study.resolve(candidate)
    target = writable(output or Path(f"{problem.name}_{evaluation.number:04d}{ENDINGS[form]}"))
    write = {"python": export_python, "latex": export_latex, "markdown": export_markdown}[form]
    write(study, problem, evaluation, target)
    typer.echo(f"wrote {target} (number {evaluation.number}: {visible(evaluation.claim) or evaluation.candidate})")
