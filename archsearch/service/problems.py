"""Errors as the API tells them: one form for all, RFC 9457, with the project's own sentence and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails

from archsearch.errors import ArchsearchError, NothingFoundError, RequestError, RunError, SpaceError
from archsearch.study.steering import AlreadyDecidedError

MEDIA_TYPE = "application/problem+json"


class MissingError(RequestError):
    """There is nothing at this address."""


class Problem(BaseModel):
    """What went wrong, for programs and for people.

    Attributes:
        title: the kind of error in a few words.
        status: the HTTP status.
        detail: what was expected and what was found.
        remedy: what to do about it.
        findings: everything that is wrong, where there may be more than one thing.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    status: int
    detail: str
    remedy: str = ""
    findings: tuple[str, ...] = ()


class RefusedSourceError(RequestError):
    """A source that does not pass the checks; carries every finding."""

    def __init__(self, findings: Sequence[str]) -> None:
        noun = "thing is" if len(findings) == 1 else "things are"
        super().__init__(f"{len(findings)} {noun} wrong with this source.", "Mend all of them, and send it again.")
        self.findings = tuple(findings)


def status_of(error: ArchsearchError) -> int:
    """The HTTP status of an error: never one that blames the server, since a person can mend each of them."""
    if isinstance(error, MissingError | NothingFoundError):
        return 404
    if isinstance(error, RefusedSourceError | SpaceError):
        return 422
    conflict = isinstance(error, RunError | AlreadyDecidedError)
    if conflict or error.exit_code == 3:  # the run or the machine is not in the state that was asked for
        return 409
    return 400


def problem_of(error: ArchsearchError) -> Problem:
    """An error of the project as a document."""
    status = status_of(error)
    findings = tuple(getattr(error, "findings", ()))
    return Problem(
        title=HTTPStatus(status).phrase, status=status, detail=error.message, remedy=error.remedy, findings=findings
    )


def invalid(errors: Sequence[ErrorDetails]) -> Problem:
    """What pydantic found wrong, one sentence each."""
    findings = tuple(f"{_place(error)}: {error['msg'][0].lower()}{error['msg'][1:]}" for error in errors)
    return Problem(
        title=HTTPStatus(422).phrase,
        status=422,
        detail="The request has the wrong form.",
        remedy="`/api/openapi.json` says what is expected.",
        findings=findings,
    )


def plain(status: int, detail: str, remedy: str = "") -> Problem:
    """A document for an error that has no class of its own."""
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, remedy=remedy)


def answer(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """The response that carries the document."""
    return JSONResponse(problem.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)


def _place(error: ErrorDetails) -> str:
    parts = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    return ".".join(parts) or "the request"
