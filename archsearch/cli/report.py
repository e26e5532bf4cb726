"""`archsearch report`: one self-contained HTML page about a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsearch.cli.options import RUNS, Run, RunsDir

if TYPE_CHECKING:
    from archsearch.study.store import Study

Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="The page.", show_default="report.html in the run's folder"),
]
Beside = Annotated[
    list[str] | None,
    typer.Option(metavar="RUN", help="Another run of the same problem, e.g. with another seed; may be repeated."),
]
Figures = Annotated[Path | None, typer.Option(metavar="DIR", help="Write the figures there as PNG as well.")]


def report(
    run: Run, output: Output = None, figures: Figures = None, beside: Beside = None, runs_dir: RunsDir = RUNS
) -> None:
    """Write one self-contained HTML page: what was asked, tried and found, how sure that is, who decided what."""
    from archsearch.cli.files import folder, writable
    from archsearch.report.html import write_report
    from archsearch.study.lookup import find_run
    from archsearch.study.store import Study

    study = Study.open(find_run(run, runs_dir))
    target = writable(output or study.folder / "report.html")
    drawn = None if figures is None else folder(figures)
    others = [Study.open(find_run(other, runs_dir)) for other in beside or ()]
    write_report(study, study.problem(), target, others)
    typer.echo(f"wrote {target}")
    for picture in _draw(study, drawn) if drawn is not None else ():
        typer.echo(f"wrote {picture}")


def _draw(study: Study, place: Path) -> Iterator[Path]:
    """Writes every figure of a run, named after its problem."""
    from archsearch.report.drawing import png
    from archsearch.report.figures import figures_of

    for name, figure in figures_of(study).items():
        target = place / f"{study.record.problem.name}_{name}.png"
        target.write_bytes(png(figure))
        yield target
