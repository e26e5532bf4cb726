"""What a person does to a run, the same from a page and through the API."""

from __future__ import annotations

from typing import Literal

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.check import check
from archsearch.errors import RequestError, RunError, did_you_mean
from archsearch.proposers.obeying import refuse_impossible
from archsearch.review.kinds import kind_of
from archsearch.review.policy import who
from archsearch.service.here import Service
from archsearch.service.looking import proposal_of
from archsearch.service.open_runs import OpenRun
from archsearch.service.problems import RefusedSourceError
from archsearch.service.requests import MOST_REASON, Choice, Edit, GoOn
from archsearch.service.views import DoneView
from archsearch.study.control import write_control
from archsearch.study.lock import searching
from archsearch.study.record import Allow, Ban, Decision, Pin, Release, Wish
from archsearch.study.store import LOCK
from archsearch.study.wishes import wishes_at

EVER = 2**31


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
    write_control(folder, wanted)
    return DoneView(done={"run": "running", "pause": "paused", "stop": "stopping"}[wanted])


def decide(run: OpenRun, number: int, choice: Choice) -> DoneView:
    """Approve or reject a proposal; the first decision stands.

    Raises:
        MissingError: there is no such proposal.
        AlreadyDecidedError: somebody was faster.
    """
    with run.lock:
        proposal = proposal_of(run, number)
        run.steering.decide(number, Decision(approved=choice.approved, by=who(), reason=choice.reason))
        if choice.approved and choice.like:
            run.steering.wish(Allow(like=kind_of(proposal.candidate)), who())
            return DoneView(done="allowed", number=number)
    return DoneView(done="approved" if choice.approved else "rejected", number=number)


def edit(run: OpenRun, number: int, changed: Edit) -> DoneView:
    """Put a changed source in the place of a proposal; returns the number of the child.

    Raises:
        RefusedSourceError: it does not pass the checks; all that is wrong is told.
    """
    with run.lock:
        old = proposal_of(run, number).candidate
        findings = check(changed.source, run.problem.space)
        if findings:
            raise RefusedSourceError([str(finding) for finding in findings])
        child = Candidate(changed.source, who(), old.claim, (old.id,), rationale=changed.reason)
        return DoneView(done="edited", number=run.steering.replace(number, child, who(), changed.reason))


def wish(run: OpenRun, wish: Wish) -> DoneView:
    """Remember what a person wishes.

    Raises:
        RequestError: it names what the space does not have, leaves nothing to search, or is too long.
    """
    longest = max(len(value) for value in wish.model_dump().values() if isinstance(value, str))
    if longest > MOST_REASON:
        raise RequestError(f"Expected at most {MOST_REASON} letters, found {longest}.", "Say it shorter.")
    with run.lock:
        run.refresh()
        wanted = wishes_at(run.reader.wishes, EVER)
        match wish:
            case Ban():
                refuse_impossible(run.problem.space, wanted, banned=wish.name)
            case Pin():
                refuse_impossible(run.problem.space, wanted, pinned=wish.name)
            case Release():
                _refuse_idle(wish.name, (*wanted.bans, *wanted.pins))
        run.steering.wish(wish, who())
    return DoneView(done="wished")


def _refuse_idle(name: str, wanted: tuple[str, ...]) -> None:
    if name not in wanted:
        found = f"Expected what is banned or pinned, found {name!r}"
        raise RequestError(f"{found}{did_you_mean(name, wanted)}", f"Now: {', '.join(wanted) or 'nothing'}.")
