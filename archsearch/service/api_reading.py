"""The half of the API that changes nothing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from archsearch.review.card import Card
from archsearch.service import downloads, events, looking
from archsearch.service.here import Here, Number, RunId, checked_caller
from archsearch.service.pictures import Name
from archsearch.service.problems import MEDIA_TYPE
from archsearch.service.views import CandidateView, QueueView, RunLines, RunView, SpacesView

ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for code, text in {
        400: "The request was wrong.",
        401: "No valid token.",
        403: "The request comes from another page.",
        404: "There is no such thing.",
        409: "The run or the machine is not in a state for this.",
        413: "Too large.",
        422: "The request has the wrong form, or a source did not pass its checks.",
    }.items()
}

router = APIRouter(prefix="/api", dependencies=[Depends(checked_caller)], responses=ERRORS)

Top = Annotated[int | None, Query(ge=1, le=100_000, description="How many rows of the leaderboard; without it all.")]
Narrow = Annotated[bool, Query(description="For a screen of 400 pixels.")]


@router.get("/spaces", tags=["search"])
def spaces(here: Here) -> SpacesView:
    """The search spaces that a search may be started on."""
    return SpacesView(spaces=tuple(here.launcher.known_spaces()))


@router.get("/runs", tags=["runs"])
def runs(here: Here) -> RunLines:
    """All runs, the newest first."""
    return looking.all_runs(here)


@router.get("/runs/{run}", tags=["runs"])
def run(here: Here, run: RunId, top: Top = None) -> RunView:
    """A run: its state, its leaderboard, what is trained now, what persons decided and wished."""
    return looking.run_view(here, here.runs.get(run), top)


@router.get("/runs/{run}/log", tags=["runs"])
def log(here: Here, run: RunId) -> dict[str, str]:
    """What the searches of this run that were started from a page printed."""
    here.runs.folder(run)
    return {"log": here.launcher.log(run)}


@router.get("/runs/{run}/events", tags=["runs"], response_class=StreamingResponse)
async def follow(here: Here, request: Request, run: RunId) -> StreamingResponse:
    """Server-sent events: `changed` whenever the run changed, `running` whenever a fit went on."""
    return events.stream(request, here.runs.folder(run), here.launcher)


@router.get("/runs/{run}/candidates/{number}", tags=["candidates"])
def candidate(here: Here, run: RunId, number: Number) -> CandidateView:
    """An evaluated candidate: its evaluation, its source, what it printed."""
    return looking.candidate_view(here.runs.get(run), number)


@router.get("/runs/{run}/candidates/{number}/figures/{name}.svg", tags=["candidates"], response_class=Response)
def figure(here: Here, run: RunId, number: Number, name: Name, narrow: Narrow = False) -> Response:
    """A figure: `fit`, `residuals`, or `nets` where the candidate has one."""
    return downloads.figure(here, run, number, name, narrow=narrow)


@router.get("/runs/{run}/candidates/{number}/export/{form}", tags=["candidates"], response_class=Response)
def export(here: Here, run: RunId, number: Number, form: downloads.Format) -> Response:
    """The model as a file that needs nothing of archsearch."""
    return downloads.export(here, run, number, form)


@router.get("/runs/{run}/report", tags=["runs"], response_class=Response)
def report(here: Here, run: RunId) -> Response:
    """The report: one self-contained HTML page."""
    return downloads.report(here, run)


@router.get("/runs/{run}/queue", tags=["review"])
def queue(here: Here, run: RunId) -> QueueView:
    """The proposals that wait for a person, in order."""
    return looking.queue_view(here.runs.get(run))


@router.get("/runs/{run}/proposals/{number}/card", tags=["review"])
def card(here: Here, run: RunId, number: Number) -> Card:
    """All that a person needs to decide on a proposal."""
    return looking.card_of(here.runs.get(run), number)
