"""The half of the API by which a person steers."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from archsearch.service import acting
from archsearch.service.api_reading import ERRORS
from archsearch.service.here import Here, Number, RunId, checked_caller
from archsearch.service.requests import Choice, Control, Edit, GoOn, Start
from archsearch.service.views import DoneView, StartedView
from archsearch.study.record import Wish

router = APIRouter(prefix="/api", dependencies=[Depends(checked_caller)], responses=ERRORS)


@router.post("/runs", tags=["search"], status_code=201)
def start(here: Here, asked: Start) -> StartedView:
    """Start a search; it goes on when this server ends."""
    return StartedView(run=here.launcher.start(asked))


@router.post("/runs/{run}/resume", tags=["search"])
def resume(here: Here, run: RunId, asked: GoOn) -> DoneView:
    """Go on with a search that has stopped, or give it more to do."""
    return acting.go_on(here, run, asked)


@router.put("/runs/{run}/control", tags=["search"])
def control(here: Here, run: RunId, asked: Control) -> DoneView:
    """Pause a search, let it run on, or stop it so that it can be resumed."""
    return acting.control(here, run, asked.control)


@router.post("/runs/{run}/proposals/{number}/decision", tags=["review"])
def decide(here: Here, run: RunId, number: Number, choice: Choice) -> DoneView:
    """Approve or reject a proposal; the first decision stands."""
    return acting.decide(here.runs.get(run), number, choice)


@router.post("/runs/{run}/proposals/{number}/edit", tags=["review"])
def edit(here: Here, run: RunId, number: Number, changed: Edit) -> DoneView:
    """Put a changed source in the place of a proposal; all that is wrong with it is told at once."""
    return acting.edit(here.runs.get(run), number, changed)


@router.post("/runs/{run}/wishes", tags=["review"])
def wish(here: Here, run: RunId, wish: Wish) -> DoneView:
    """Hint, ban, pin, release, prefer one candidate to another, or allow a kind of proposal."""
    return acting.wish(here.runs.get(run), wish)
