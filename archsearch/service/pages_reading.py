"""The pages that show: all runs, a run, a candidate."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from archsearch.report.leaderboard import LEGEND
from archsearch.report.parameters import parameter_rows
from archsearch.report.tried import failure_groups
from archsearch.review.diff import equation_diffs, given_source
from archsearch.service import charts, downloads, events, looking
from archsearch.service.here import Here, Number, RunId, Service
from archsearch.service.lineage import family_of
from archsearch.service.notices import notice
from archsearch.service.pictures import Name
from archsearch.service.rendering import page

router = APIRouter(include_in_schema=False)

Done = Annotated[str, Query(max_length=40)]
About = Annotated[int | None, Query(ge=0)]
TOP = 15


@router.get("/")
def runs(here: Here) -> HTMLResponse:
    """All runs."""
    return page("runs", title="Runs", run=None, lines=looking.all_runs(here).runs, folder=here.runs.runs_dir)


@router.get("/runs/{run}")
def run(here: Here, run: RunId, done: Done = "", about: About = None, full: bool = False) -> Response:
    """A run, live; one that did not come to begin is shown with what it printed."""
    if here.launcher.was_launched(run):
        return _beginning(here, run)
    return page("run", title=run, notice=notice(done, about), **_live(here, run, full), **_fixed(here, run))


@router.get("/runs/{run}/live")
def live(here: Here, run: RunId, full: bool = False) -> HTMLResponse:
    """What changes on the page of a run."""
    return page("live", **_live(here, run, full))


@router.get("/runs/{run}/running")
def running(here: Here, run: RunId) -> HTMLResponse:
    """The fits that run now."""
    view = looking.run_view(here, here.runs.get(run), TOP)
    return page("running", run=view)


@router.get("/runs/{run}/log")
def log(here: Here, run: RunId) -> HTMLResponse:
    """What the searches of this run that were started from a page printed."""
    here.runs.folder(run)
    return page("log", title="Log", run=None, name=run, log=here.launcher.log(run))


@router.get("/runs/{run}/events")
async def follow(here: Here, request: Request, run: RunId, seen: Done = "") -> StreamingResponse:
    """News of a run."""
    return events.stream(request, here.runs.folder(run), here.launcher, seen)


@router.get("/runs/{run}/candidates/{number}")
def candidate(here: Here, run: RunId, number: Number, done: Done = "", about: About = None) -> HTMLResponse:
    """A candidate: equations, fits, what is left over, parameters, ablation, code, log."""
    opened = here.runs.get(run)
    view = looking.candidate_view(opened, number)
    with opened.lock:
        shown = looking.run_view(here, opened, TOP)
        rows = parameter_rows(view.evaluation, (), opened.problem.space)
        differences = equation_diffs(view.source, given_source(opened.problem.space), opened.problem.space)
    return page(
        "candidate",
        title=f"Candidate {number}",
        run=shown,
        view=view,
        item=view.evaluation,
        equations=differences,
        parameters=rows,
        form_key=here.keys.form,
        notice=notice(done, about),
    )


@router.get("/runs/{run}/candidates/{number}/{name}.svg")
def figure(here: Here, run: RunId, number: Number, name: Name, narrow: bool = False) -> Response:
    """A figure of a candidate."""
    return downloads.figure(here, run, number, name, narrow=narrow)


@router.get("/runs/{run}/export/{number}/{form}")
def export(here: Here, run: RunId, number: Number, form: downloads.Format) -> Response:
    """A model as a file."""
    return downloads.export(here, run, number, form)


@router.get("/runs/{run}/report")
def report(here: Here, run: RunId) -> Response:
    """The report of a run."""
    return downloads.report(here, run)


@router.get("/favicon.ico")
def icon() -> RedirectResponse:
    """The icon that a browser asks for by itself."""
    return RedirectResponse("/static/icon.svg")


def _live(here: Service, run: str, full: bool) -> dict[str, Any]:
    opened = here.runs.get(run)
    seen = events.stamp_of(opened.study.folder, here.launcher)
    view = looking.run_view(here, opened, None if full else TOP)
    with opened.lock:
        evaluations, baselines = opened.reader.evaluations, opened.baselines()
        return {
            "run": view,
            "seen": seen,
            "full": full,
            "legend": LEGEND,
            "over_time": charts.error_over_time(evaluations, opened.timeline.points, baselines),
            "over_size": charts.error_over_size(evaluations, baselines),
            "tree": family_of(opened),
            "failures": failure_groups(list(evaluations.values())),
            "form_key": here.keys.form,
        }


def _fixed(here: Service, run: str) -> dict[str, Any]:
    space = here.runs.get(run).problem.space
    names = [*(item.name for item in space.terms), *(item.name for item in space.library)]
    return {"terms": names, "slots": [slot.name for slot in space.slots], "log": here.launcher.log(run)}


def _beginning(here: Service, run: str) -> HTMLResponse:
    return page(
        "beginning",
        title=run,
        run=None,
        name=run,
        log=here.launcher.log(run),
        starting=here.launcher.is_starting(run),
        code=here.launcher.exit_code(run),
    )
