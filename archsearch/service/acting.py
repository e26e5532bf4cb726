"""What a person does to a run, the same from a page and through the API."""

from __future__ import annotations

from typing import Literal

from archsearch.errors import RequestError, RunError
from archsearch.review.policy import who
from archsearch.service.here import Service
from archsearch.service.looking import proposal_of
from archsearch.service.open_runs import OpenRun
from archsearch.service.problems import RefusedSourceError
from archsearch.service.requests import MOST_REASON, Choice, Edit, GoOn
from archsearch.service.views import DoneView
from archsearch.study.control import write_control
from archsearch.study.lock import LOCK, searching
from archsearch.study.record import Wish


def go_on(here: Service, run: str, asked: GoOn) -> DoneView:
    """Resume a search that nobody searches now.

    Raises:
        RunError: somebody does.
    """
    folder = here.runs.folder(run)
    if searching(folder / LOCK) is not None or here.launcher.is_starting(run):
        raise RunError(f"{run}: is being searched already.", "If it is paused, let it run on instead.")
    write_control(folder, "run")
    here.launcher.go_on(folder, asked)
    return DoneView(done="resumed")


def control(here: Service, run: str, wanted: Literal["run", "pause", "stop"]) -> DoneView:
    """Pause, stop, or let run on.

    Raises:
        RunError: nobody searches this run.
    """
    folder = here.runs.folder(run)
    if searching(folder / LOCK) is None:
        raise RunError(f"{run}: nobody searches it now.", "Resume it.")
    write_control(folder, wanted, f"on the page by {who()}")
    return DoneView(done={"run": "running", "pause": "paused", "stop": "stopping"}[wanted])


def decide(run: OpenRun, number: int, choice: Choice) -> DoneView:
    """Approve or reject a proposal, or approve all like it; the first decision stands.

    Raises:
        MissingError: there is no such proposal.
        AlreadyDecidedError: somebody was faster.
    """
    proposal_of(run, number)
    if choice.approved and choice.like:
        run.desk.approve_like(number, who(), choice.reason)
        return DoneView(done="allowed", number=number)
    run.desk.decide(number, approved=choice.approved, by=who(), reason=choice.reason)
    return DoneView(done="approved" if choice.approved else "rejected", number=number)


def edit(run: OpenRun, number: int, changed: Edit) -> DoneView:
    """Put a changed source in the place of a proposal; returns the number of the child.

    Raises:
        RefusedSourceError: it does not pass the checks; all that is wrong is told.
    """
    proposal_of(run, number)
    found, child = run.desk.edit(number, changed.source, who(), changed.reason)
    if child is None:
        raise RefusedSourceError(found.findings)
    return DoneView(done="edited", number=child)


def wish(run: OpenRun, wish: Wish) -> DoneView:
    """Remember what a person wishes.

    Raises:
        RequestError: it names what the space does not have, leaves nothing to search, or is too long.
    """
    longest = max(len(value) for value in wish.model_dump().values() if isinstance(value, str))
    if longest > MOST_REASON:
        raise RequestError(f"Expected at most {MOST_REASON} letters, found {longest}.", "Say it shorter.")
    run.desk.wish(wish, who())
    return DoneView(done="wished")
