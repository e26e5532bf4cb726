"""The loop: propose, review, evaluate, record; until the budget is spent."""

from __future__ import annotations

from archsearch.candidate.ranking import rank
from archsearch.search.events import (
    Event,
    Finished,
    Paused,
    Progress,
    Proposed,
    Refused,
    Resumed,
    Started,
    Stopped,
    Stopping,
    Summary,
    Waits,
)
from archsearch.search.loop import approve_all, run_search
from archsearch.search.queue import QUEUE

__all__ = [
    "QUEUE",
    "Event",
    "Finished",
    "Paused",
    "Progress",
    "Proposed",
    "Refused",
    "Resumed",
    "Started",
    "Stopped",
    "Stopping",
    "Summary",
    "Waits",
    "approve_all",
    "rank",
    "run_search",
]
