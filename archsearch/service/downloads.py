"""Files to take home: the export of a model, the report of a run, the figures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from starlette.responses import Response

from archsearch.service.headers import DOCUMENT
from archsearch.service.here import Service
from archsearch.service.pictures import Name
from archsearch.service.problems import MissingError

Format = Literal["python", "latex"]
ENDINGS = {"python": (".py", "text/x-python"), "latex": (".tex", "application/x-tex")}


def figure(here: Service, run: str, number: int, name: Name, *, narrow: bool) -> Response:
    """A figure as an SVG document."""
    text = here.pictures.svg(here.runs.get(run), number, name, narrow=narrow)
    headers = {"Content-Security-Policy": DOCUMENT, "Cache-Control": "private, max-age=3600"}
    return Response(text, media_type="image/svg+xml", headers=headers)


def export(here: Service, run: str, number: int, form: Format) -> Response:
    """A model as a file."""
    from archsearch.export.latex import export_latex
    from archsearch.export.python import export_python

    opened = here.runs.get(run)
    ending, kind = ENDINGS[form]
    with opened.lock:
        opened.refresh()
        evaluation = opened.reader.evaluations.get(number)
        if evaluation is None:
            raise MissingError(f"No candidate with number {number} was evaluated.", "The leaderboard shows all.")
        name = f"{opened.problem.name}_{number:04d}{ending}"
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / name
            {"python": export_python, "latex": export_latex}[form](opened.study, opened.problem, evaluation, target)
            content = target.read_bytes()
    return Response(content, media_type=kind, headers=_attached(name))


def report(here: Service, run: str) -> Response:
    """The report of a run as one page."""
    from archsearch.report.html import report_html

    opened = here.runs.get(run)
    with here.pictures.drawing:
        text = report_html(opened.study, opened.problem)
    headers = _attached(f"{run}.html") | {"Content-Security-Policy": DOCUMENT}
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)


def _attached(name: str) -> dict[str, str]:
    """What makes a browser save a file; a name that is not plain is made so."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
    return {"Content-Disposition": f'attachment; filename="{plain}"'}
