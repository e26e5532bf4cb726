"""The pages that start, pause, resume and stop a search."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from archsearch.errors import RequestError
from archsearch.service import acting
from archsearch.service.here import Form, Here, RunId, Service
from archsearch.service.problems import Problem, invalid, problem_of
from archsearch.service.rendering import page
from archsearch.service.requests import Control, GoOn, Start, from_form

router = APIRouter(include_in_schema=False)


@router.get("/start")
def ask(here: Here) -> Response:
    """The form for a new search."""
    return _form(here, {})


@router.post("/start")
def start(here: Here, form: Form) -> Response:
    """Start a search; the form comes back with all that is wrong."""
    try:
        run = here.launcher.start(from_form(Start, form))
    except ValidationError as error:
        return _form(here, form, invalid(error.errors()))
    except RequestError as error:
        return _form(here, form, problem_of(error))
    return RedirectResponse(f"/runs/{run}", 303)


@router.post("/runs/{run}/control")
def control(here: Here, run: RunId, form: Form) -> Response:
    """Pause, stop, or let run on."""
    done = acting.control(here, run, from_form(Control, form).control)
    return RedirectResponse(f"/runs/{run}?done={done.done}", 303)


@router.post("/runs/{run}/resume")
def resume(here: Here, run: RunId, form: Form) -> Response:
    """Go on with a search."""
    done = acting.go_on(here, run, from_form(GoOn, form))
    return RedirectResponse(f"/runs/{run}?done={done.done}", 303)


def _form(here: Service, filled: dict[str, str], problem: Problem | None = None) -> Response:
    defaults = {name: "" if value is None else value for name, value in Start(space="hare_lynx").model_dump().items()}
    return page(
        "start",
        422 if problem is not None else 200,
        title="Start a search",
        run=None,
        spaces=[(name, name) for name in here.launcher.known_spaces()],
        filled=defaults | {"approve": ""} | filled,
        problem=problem,
        form_key=here.keys.form,
    )
