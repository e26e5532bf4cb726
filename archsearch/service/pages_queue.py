"""The pages on which a person decides and steers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import TypeAdapter
from starlette.responses import RedirectResponse, Response

from archsearch.service import acting, looking
from archsearch.service.here import Form, Here, Number, RunId, Service
from archsearch.service.notices import notice
from archsearch.service.pages_reading import About, Done
from archsearch.service.problems import Problem, RefusedSourceError, problem_of
from archsearch.service.rendering import page
from archsearch.service.requests import Choice, Edit, from_form
from archsearch.study.record import Wish

router = APIRouter(include_in_schema=False)

After = Annotated[int, Query(ge=-1, description="The one that was skipped.")]
WISH: TypeAdapter[Wish] = TypeAdapter(Wish)


@router.get("/runs/{run}/queue")
def queue(here: Here, run: RunId, after: After = -1, done: Done = "", about: About = None) -> Response:
    """The next proposal that waits, with its card; the first again after the last."""
    waiting = [item.number for item in looking.queue_view(here.runs.get(run)).waiting]
    number = next((item for item in waiting if item > after), waiting[0] if waiting else None)
    return _card(here, run, number, notice(done, about))


@router.get("/runs/{run}/queue/{number}")
def card(here: Here, run: RunId, number: Number, done: Done = "", about: About = None) -> Response:
    """One proposal with its card."""
    return _card(here, run, number, notice(done, about))


@router.get("/runs/{run}/queue/{number}/standing")
def standing(here: Here, run: RunId, number: Number) -> Response:
    """What was decided about a proposal, or the form to decide: somebody else may be faster."""
    opened = here.runs.get(run)
    view = looking.run_view(here, opened)
    return page("standing", run=view, card=looking.card_of(opened, number), form_key=here.keys.form)


@router.post("/runs/{run}/queue/{number}/decide")
def decide(here: Here, run: RunId, number: Number, form: Form) -> Response:
    """Approve, reject, or approve all like this."""
    answer = form.pop("answer", "")
    fields = form | {"approved": str(answer != "reject"), "like": str(answer == "like")}
    opened = here.runs.get(run)
    done = acting.decide(opened, number, from_form(Choice, fields))
    return RedirectResponse(f"/runs/{run}/queue?after={number}&done={done.done}&about={number}", 303)


@router.post("/runs/{run}/queue/{number}/edit")
def edit(here: Here, run: RunId, number: Number, form: Form) -> Response:
    """A changed source; what is wrong with it is shown beside it, all at once."""
    try:
        done = acting.edit(here.runs.get(run), number, from_form(Edit, form))
    except RefusedSourceError as error:
        return _card(here, run, number, "", form.get("source", ""), problem_of(error))
    return RedirectResponse(f"/runs/{run}/queue?after={number}&done={done.done}&about={done.number}", 303)


@router.post("/runs/{run}/wish")
def wish(here: Here, run: RunId, form: Form) -> Response:
    """Hint, ban, pin, release, or prefer."""
    wished = WISH.validate_python({name: value for name, value in form.items() if name != "form" and value.strip()})
    acting.wish(here.runs.get(run), wished)
    return RedirectResponse(f"/runs/{run}?done=wished#steering", 303)


def _card(
    here: Service, run: str, number: int | None, told: str, source: str | None = None, problem: Problem | None = None
) -> Response:
    """The page of the queue, with one proposal opened."""
    opened = here.runs.get(run)
    view = looking.run_view(here, opened)
    card = None if number is None else looking.card_of(opened, number)
    parent = None if number is None else opened.desk.parent_of(number)
    return page(
        "queue",
        422 if problem is not None else 200,
        title="Review",
        run=view,
        card=card,
        parent=parent if parent is not None and parent.validation is not None else None,
        waiting=looking.queue_view(opened).waiting,
        source=source if source is not None else card.source if card is not None else "",
        problem=problem,
        notice=told,
        form_key=here.keys.form,
    )
