"""What the answers to requests share, and how a form is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Path, Request

from archsearch.service.guard import SAFE
from archsearch.service.keys import Keys, same
from archsearch.service.launching import Launcher
from archsearch.service.open_runs import OpenRuns
from archsearch.service.pictures import Pictures

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 50


class ForbiddenError(Exception):
    """A request that changes something and does not show that a page of this server made it."""


@dataclass(frozen=True)
class Service:
    """The parts of this server."""

    keys: Keys
    runs: OpenRuns
    launcher: Launcher
    pictures: Pictures


def service_of(request: Request) -> Service:
    """The parts of the server that answers this request."""
    service: Service = request.app.state.service
    return service


def checked_caller(request: Request) -> None:
    """Refuse a change that a browser asks of the API without the key that only pages of this server know.

    Raises:
        ForbiddenError: it shows the cookie alone, which a browser sends whoever asks it to.
    """
    service = service_of(request)
    given = request.headers.get("x-form-key", "")
    if request.method not in SAFE and request.state.by != "bearer" and not same(given, service.keys.form):
        raise ForbiddenError


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, a repeated one joined by spaces.

    Raises:
        ForbiddenError: it does not carry the key of the forms of this server.
    """
    body = (await request.body()).decode(errors="replace")
    is_form = request.headers.get("content-type", "").partition(";")[0].strip() == FORM
    try:
        fields = parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS) if is_form else []
    except ValueError:
        raise ForbiddenError from None
    found: dict[str, str] = {}
    for name, value in fields:
        plain = value.replace("\r\n", "\n")  # browsers send lines of a text field with both
        found[name] = f"{found[name]} {plain}" if name in found else plain
    if not same(found.get("form", ""), service_of(request).keys.form):
        raise ForbiddenError
    return found


Here = Annotated[Service, Depends(service_of)]
Form = Annotated[dict[str, str], Depends(form_of)]
RunId = Annotated[str, Path(alias="run", max_length=200, description="The id of a run: the name of its folder.")]
Number = Annotated[int, Path(ge=0, le=10_000_000, description="The number of a candidate in its run.")]
