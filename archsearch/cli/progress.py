"""What a person sees while a search works: a live leaderboard in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from archsearch.cli.output import console
from archsearch.cli.plain import PlainView
from archsearch.cli.screen import full_screen
from archsearch.cli.tally import Tally
from archsearch.study.proposals import read_log
from archsearch.study.writer import PROPOSALS

if TYPE_CHECKING:
    from archsearch.problem.problem import Problem
    from archsearch.search import Event
    from archsearch.settings import RunSettings
    from archsearch.study.store import Study


class View(Protocol):
    """What a search is shown by."""

    cost: Callable[[], str]
    """What the LLM has cost so far, in words; empty if there is none."""

    def __call__(self, event: Event) -> None:
        """Takes an event of the search."""

    def tell(self, text: str) -> None:
        """Takes a line that somebody has to say."""


@contextmanager
def progress(study: Study, problem: Problem, settings: RunSettings, quiet: bool) -> Iterator[View]:
    """Shows how a search goes; yields what the search tells its events to.

    Args:
        study: the run.
        problem: what is asked.
        settings: whose budget counts; that of a resumed run may differ from what it was started with.
        quiet: standard output is for a program: plain lines on standard error instead.
    """
    used = read_log(study.folder / PROPOSALS).seconds
    tally = Tally(settings.budget, study.evaluations(), time.monotonic(), used)
    screen = None if quiet else full_screen(console())
    if screen is None:
        yield PlainView(tally, study.id, stderr=quiet)
        return
    from archsearch.cli.live import LiveView
    from archsearch.cli.watching import Watching

    view = LiveView(tally, study, screen.has_keys)
    with Watching(view, screen, study, problem):
        yield view
