"""What a person does to a run, the same from a page and through the API."""

from __future__ import annotations

from typing import Literal

from archsearch.errors import RequestError, RunError
from archsearch.service.here import Service
from archsearch.service.open_runs import OpenRun
from archsearch.service.problems import MissingError
from archsearch.service.requests import Choice, Edit, GoOn
from archsearch.service.views import DoneView
from archsearch.study.control import write_control
from archsearch.study.lock import searching
from archsearch.study.record import Wish


def go_on(here: Service, run: str, asked: GoOn) -> DoneView:
    """Resume a search that nobody searches now.

    Raises:
        RunError: somebody does.
    """
    folder = here.runs.folder(run)
    if searching(folder) is not None or here.launcher.is_starting(run):
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
    if searching(folder) is None:
        raise RunError(f"{run}: nobody searches it now.", "Resume it.")
    write_control(folder, wanted)
    return DoneView(done={"run": "running", "pause": "paused", "stop": "stopping"}[wanted])


def decide(run: OpenRun, number: int, choice: Choice) -> DoneView:
    """Approve or reject a proposal."""
    with run.lock:
        _known(run, number)
    return DoneView(done="approved" if choice.approved else "rejected", number=number)


def edit(run: OpenRun, number: int, changed: Edit) -> DoneView:
    """Put a changed source in the place of a proposal."""
    with run.lock:
        _known(run, number)
    return DoneView(done="edited", number=number)


def wish(run: OpenRun, wish: Wish) -> DoneView:
    """Remember what a person wishes."""
    with run.lock:
        run.refresh()
    return DoneView(done="wished")


def _known(run: OpenRun, number: int) -> None:
    run.refresh()
    if number not in run.reader.proposals:
        raise MissingError(f"There is no proposal with number {number}.", "The queue shows those that wait.")
