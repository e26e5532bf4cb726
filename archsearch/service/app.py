"""The web application: pages and API behind one guard."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from archsearch.errors import ArchsearchError
from archsearch.service import api_reading, api_steering, pages_queue, pages_reading, pages_starting
from archsearch.service.assets import STATIC
from archsearch.service.guard import Guard
from archsearch.service.here import ForbiddenError, Service
from archsearch.service.problems import Problem, answer, invalid, plain, problem_of
from archsearch.service.rendering import page

DESCRIPTION = """Everything that the pages of `archsearch serve` do, for programs.

Send the token that was printed when the server began: `Authorization: Bearer TOKEN`. Every error is a document of the
type `application/problem+json` with what was expected and found (`detail`) and what to do about it (`remedy`).
"""


def make_app(service: Service, hosts: frozenset[str], cookie: str = "archsearch") -> Guard:
    """The application for a folder of runs.

    Args:
        service: its parts.
        hosts: the names under which it may be asked, see `Guard`.
        cookie: the name of its cookie.
    """
    app = FastAPI(
        title="archsearch",
        version=version("archsearch"),
        description=DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,  # these pages load their scripts from other hosts
        redoc_url=None,
    )
    app.state.service = service
    describe = app.openapi
    app.openapi = lambda: _with_problem(describe())  # type: ignore[method-assign]  # the documented way to change it
    for part in (api_reading, api_steering, pages_reading, pages_queue, pages_starting):
        app.include_router(part.router)
    app.mount("/static", _Static(directory=STATIC))
    for kind in (ArchsearchError, ForbiddenError, RequestValidationError, ValidationError, HTTPException):
        app.add_exception_handler(kind, _told)
    return Guard(app, service.keys, hosts, cookie)


def _with_problem(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with what all its errors refer to."""
    document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    return document


class _Static(StaticFiles):
    """Files whose address changes with what they hold, so that a browser need not ask twice."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file."""

        async def kept(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                headers = cast("list[tuple[bytes, bytes]]", message["headers"])
                headers.append((b"cache-control", b"max-age=31536000, immutable"))
            await send(message)

        await super().__call__(scope, receive, kept)  # type: ignore[arg-type]  # a message is a dict


async def _told(request: Request, error: Exception) -> Response:
    """An error as a document of the API, or as a page."""
    problem = _problem(error)
    headers = getattr(error, "headers", None)
    if request.url.path.startswith("/api"):
        return answer(problem, headers)
    return page("error", problem.status, problem=problem, title=problem.title, run=None)


def _problem(error: Exception) -> Problem:
    if isinstance(error, ArchsearchError):
        return problem_of(error)
    if isinstance(error, RequestValidationError | ValidationError):
        return invalid(error.errors())
    if isinstance(error, ForbiddenError):
        remedy = "Load the page anew and send its form again; programs send the token as `Authorization: Bearer`."
        return plain(403, "This request does not show that a page of this server made it.", remedy)
    assert isinstance(error, HTTPException)
    return plain(error.status_code, str(error.detail))
