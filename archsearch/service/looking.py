"""What is there to see: runs, a run, a candidate, a queue, as views."""

from __future__ import annotations

from pathlib import Path

from archsearch.errors import ArchsearchError
from archsearch.proposers.obeying import violations
from archsearch.report.bans import bans_of, marks
from archsearch.report.leaderboard import Row, leaderboard, marked
from archsearch.report.persons import is_by_person
from archsearch.review.card import Card
from archsearch.review.kinds import kind_of
from archsearch.service.here import Service
from archsearch.service.open_runs import OpenRun
from archsearch.service.problems import MissingError
from archsearch.service.views import (
    CandidateView,
    DecidedView,
    QueueView,
    RunLine,
    RunLines,
    RunView,
    State,
    WaitingView,
    WishView,
)
from archsearch.study.control import read_control
from archsearch.study.lock import LOCK, searching
from archsearch.study.proposals import Proposal
from archsearch.study.record import RunRecord
from archsearch.study.running import read_running
from archsearch.study.store import Study

MOST_DECIDED = 20


def all_runs(service: Service) -> RunLines:
    """Every run in one line, those included that begin or did not come to begin."""
    beginning = [_beginning(service, run) for run in service.launcher.not_begun()]
    lines = [_line(service, folder) for folder in service.runs.folders()]
    return RunLines(runs=(*beginning, *lines))


def _beginning(service: Service, run: str) -> RunLine:
    starting = service.launcher.is_starting(run)
    return RunLine(run=run, state="starting" if starting else "failed", note="" if starting else "It did not begin.")


def _line(service: Service, folder: Path) -> RunLine:
    try:
        record = Study.open(folder).record
        timeline = service.runs.timeline(folder)
    except ArchsearchError as error:
        return RunLine(run=folder.name, state="damaged", note=error.message)
    least = timeline.least
    return RunLine(
        run=folder.name,
        space=record.space_request,
        title=record.problem.title,
        created=record.created,
        state=state_of(service, folder, record, len(timeline.points)),
        evaluated=len(timeline.points),
        failed=timeline.failed,
        trials=trials_of(service, record, folder.name, len(timeline.points)),
        least_error=least.error if least else None,
    )


def state_of(service: Service, folder: Path, record: RunRecord, evaluated: int) -> State:
    """What becomes of a run now."""
    if searching(folder / LOCK) is not None:
        return {"run": "searching", "pause": "paused", "stop": "stopping"}[read_control(folder)]  # type: ignore[return-value]  # three of the states
    if service.launcher.is_starting(folder.name):
        return "starting"
    if service.launcher.exit_code(folder.name) not in (None, 0, 1, 130):
        return "failed"
    return "finished" if evaluated >= trials_of(service, record, folder.name, evaluated) else "stopped"


def trials_of(service: Service, record: RunRecord, run: str, evaluated: int) -> int:
    """How many candidates a run may have: as was asked for last, which a search that begins has not written down."""
    beginning = service.launcher.trials(run) if service.launcher.is_starting(run) else 0
    return max(beginning, record.trials(evaluated))


def run_view(service: Service, run: OpenRun, top: int | None = 15) -> RunView:
    """A run as its page shows it; the leaderboard has `top` rows besides best and baselines."""
    with run.lock:
        run.refresh()
        record, reader, space = run.study.record, run.reader, run.problem.space
        evaluations = reader.evaluations
        best = reader.best()
        now = read_running(run.study.folder)
        rows = _rows(run, top)
        return RunView(
            run=run.study.id,
            space=record.space_request,
            title=record.problem.title,
            description=space.problem.description,
            created=record.created,
            state=state_of(service, run.study.folder, record, len(evaluations)),
            process=searching(run.study.folder / LOCK),
            review=record.settings.review,
            trials=trials_of(service, record, run.study.id, len(evaluations)),
            minutes=record.budget.minutes,
            seed=record.settings.seed,
            evaluated=len(evaluations),
            failed=sum(item.status == "failed" for item in evaluations.values()),
            waiting=len(reader.waiting()),
            seconds=reader.seconds,
            best=best.number if best is not None else None,
            leaderboard=rows,
            running=now.fits if now is not None else (),
            wishes=tuple(
                WishView(wish=line.wish, by=line.by, at=line.at, number=line.number) for line in reader.wishes
            ),
            decided=_decided(run),
        )


def _rows(run: OpenRun, top: int | None) -> tuple[Row, ...]:
    """The leaderboard; what uses something that is banned now is marked, and keeps its place."""
    ranked, baselines, bans = run.reader.ranked(), run.baselines(), bans_of(run.reader.wishes)
    rows = leaderboard(ranked, baselines, top)
    if not bans:
        return rows
    exempt = {item.number for item in baselines.values()}
    asked = [row.number for row in rows if row.number not in exempt]
    return marked(rows, marks(asked, run.reader.proposals, run.problem.space, bans))


def _decided(run: OpenRun) -> tuple[DecidedView, ...]:
    """The last decisions that persons made."""
    found: list[DecidedView] = []
    for number, proposal in sorted(run.reader.proposals.items(), reverse=True):
        decision = proposal.decision
        if decision is not None and is_by_person(decision) and len(found) < MOST_DECIDED:
            candidate = proposal.candidate
            found.append(
                DecidedView(
                    number=number,
                    candidate=candidate.id,
                    claim=candidate.claim,
                    author=candidate.author,
                    decision=decision,
                    decided_at=proposal.decided_at,
                )
            )
    return tuple(found)


def candidate_view(run: OpenRun, number: int) -> CandidateView:
    """An evaluated candidate.

    Raises:
        MissingError: none with this number was evaluated.
    """
    with run.lock:
        run.refresh()
        evaluation, proposal = run.reader.evaluations.get(number), run.reader.proposals.get(number)
        if evaluation is None or proposal is None:
            raise MissingError(f"No candidate with number {number} was evaluated.", "The leaderboard shows all.")
        return CandidateView(
            evaluation=evaluation,
            rationale=proposal.candidate.rationale,
            source=proposal.candidate.source,
            log=run.study.log(number),
            decision=proposal.decision,
            broken=violations(proposal.candidate.source, run.problem.space, run.desk.wishes()),
        )


def queue_view(run: OpenRun) -> QueueView:
    """What waits for a person, in order."""
    with run.lock:
        run.refresh()
        waiting = tuple(
            WaitingView(
                number=item.number,
                candidate=item.candidate.id,
                author=item.candidate.author,
                kind=kind_of(item.candidate),
                claim=item.candidate.claim,
                proposed_at=item.proposed_at,
            )
            for item in run.reader.waiting()
        )
    return QueueView(waiting=waiting)


def card_of(run: OpenRun, number: int) -> Card:
    """The card of a proposal.

    Raises:
        MissingError: there is none with this number.
    """
    with run.lock:
        proposal_of(run, number)
        return run.desk.card(number)


def proposal_of(run: OpenRun, number: int) -> Proposal:
    """A proposal, as of now.

    Raises:
        MissingError: there is none with this number.
    """
    with run.lock:
        run.refresh()
        found = run.reader.proposals.get(number)
    if found is None:
        raise MissingError(f"There is no proposal with number {number}.", "The queue shows those that wait.")
    return found
