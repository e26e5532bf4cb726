"""What pages and API tell of a run, as values: the page shows the very same that the API answers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from archsearch.candidate.outcome import Evaluation
from archsearch.report.leaderboard import Row
from archsearch.study.record import Decision, Wish
from archsearch.study.running import RunningFit

State = Literal["starting", "searching", "paused", "stopping", "finished", "stopped", "failed", "damaged"]


class View(BaseModel):
    """Common to all views: frozen; what is not finite becomes null in JSON."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


class RunLine(View):
    """A run in the list of all runs.

    Attributes:
        run: its id.
        space: the search space as it was asked for.
        title: of the problem.
        created: UTC, ISO 8601.
        state: what becomes of it now.
        evaluated: candidates so far, failures included.
        failed: how many of them failed.
        trials: how many there may be.
        least_error: the least validation nrmse.
        note: what is wrong with it, where something is.
    """

    run: str
    space: str = ""
    title: str = ""
    created: str = ""
    state: State
    evaluated: int = 0
    failed: int = 0
    trials: int = 0
    least_error: float | None = None
    note: str = ""


class RunLines(View):
    """All runs, the newest first."""

    runs: tuple[RunLine, ...]


class WishView(View):
    """A hint, a ban, a pin, a preference, or what takes one back, with who wished it when."""

    wish: Wish
    by: str
    at: str
    number: int


class WaitingView(View):
    """A proposal that waits for a person."""

    number: int
    candidate: str
    author: str
    kind: str
    claim: str
    proposed_at: str


class DecidedView(View):
    """A proposal that somebody decided on."""

    number: int
    candidate: str
    claim: str
    author: str
    decision: Decision
    decided_at: str


class RunView(View):
    """A run as its page shows it.

    Attributes:
        run: its id.
        space: as it was asked for.
        title: of the problem.
        description: of the problem.
        created: UTC, ISO 8601.
        state: what becomes of it now.
        process: the process that searches it.
        review: whether and how a person decides.
        trials: how many candidates may be evaluated.
        minutes: how long it may search.
        seed: of the search.
        evaluated: candidates so far, failures included.
        failed: how many of them failed.
        waiting: proposals that wait for a person.
        seconds: search time so far.
        best: the number of the best, see `leaderboard.chosen`.
        leaderboard: smallest error first, failures last.
        running: what is trained now.
        wishes: what persons wished so far, in order.
        decided: what persons decided, the newest first.
    """

    run: str
    space: str
    title: str
    description: str
    created: str
    state: State
    process: int | None
    review: str
    trials: int
    minutes: float | None
    seed: int
    evaluated: int
    failed: int
    waiting: int
    seconds: float
    best: int | None
    leaderboard: tuple[Row, ...]
    running: tuple[RunningFit, ...]
    wishes: tuple[WishView, ...]
    decided: tuple[DecidedView, ...]


class CandidateView(View):
    """An evaluated candidate, with its source and what it printed."""

    evaluation: Evaluation
    rationale: str
    source: str
    log: str
    decision: Decision | None
    broken: tuple[str, ...]
    """Which bans and pins it breaks now, in sentences without a subject."""


class QueueView(View):
    """What waits for a person."""

    waiting: tuple[WaitingView, ...]


class SpacesView(View):
    """The search spaces that a search may be started on."""

    spaces: tuple[str, ...]


class StartedView(View):
    """The id of a run whose search begins."""

    run: str


class DoneView(View):
    """A request was carried out; `number` is that of the proposal that it made, if it made one."""

    done: str
    number: int | None = None
