"""The runs that the pages show, each read once and then kept up to date."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from archsearch.candidate.outcome import Evaluation
from archsearch.errors import ArchsearchError
from archsearch.problem.problem import Problem
from archsearch.review.desk import Desk
from archsearch.service.problems import MissingError
from archsearch.service.timeline import Timeline
from archsearch.study.files import RUN
from archsearch.study.lookup import list_runs
from archsearch.study.reader import RunReader
from archsearch.study.store import Study

MOST_OPEN = 12
"""Runs kept in memory; the one that nobody asked for the longest goes first."""


class OpenRun:
    """One run in memory. Whoever reads it holds `lock`, because several requests may be answered at once.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._written = _written(folder)
        self.study = Study.open(folder)
        self.timeline = Timeline(folder)
        self.lock = threading.RLock()

    @cached_property
    def problem(self) -> Problem:
        """What is asked; loaded when somebody wants to know."""
        return self.study.problem()

    @cached_property
    def desk(self) -> Desk:
        """Where proposals are decided."""
        return Desk(self.study, self.problem)

    @property
    def reader(self) -> RunReader:
        """What is remembered of the run."""
        return self.desk.reader

    def baselines(self) -> dict[str, Evaluation]:
        """The evaluated baselines by key, as of the last `refresh`."""
        known = {evaluation.candidate: evaluation for evaluation in self.reader.evaluations.values()}
        return {str(key): known[item] for key, item in self.study.record.baselines.items() if item in known}

    def refresh(self) -> None:
        """Take in what is new."""
        self._reread()
        self.desk.refresh()
        self.timeline.refresh()

    def _reread(self) -> None:
        """Read the record again if a search has written it since."""
        written = _written(self.study.folder)
        if written != self._written:
            self.study.reread()
            self._written = written


class OpenRuns:
    """All runs of a folder.

    Args:
        runs_dir: where runs are.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._open: OrderedDict[str, OpenRun] = OrderedDict()
        self._timelines: dict[str, Timeline] = {}
        self._lock = threading.Lock()

    def folders(self) -> list[Path]:
        """The folders of all runs, the newest first."""
        return list_runs(self.runs_dir)[::-1]

    def folder(self, run: str) -> Path:
        """The folder of a run, by its id alone: a path is no id.

        Raises:
            MissingError: there is no such run.
        """
        folder = self.runs_dir / run
        plain = run not in ("", ".", "..") and not set(run) & set("/\\\0") and not run.startswith(".")
        if not plain or not (folder / RUN).is_file():
            raise MissingError(f"There is no run called {run!r}.", "The page of all runs shows those that there are.")
        return folder

    def get(self, run: str) -> OpenRun:
        """A run, opened if it is not open yet.

        Raises:
            MissingError: there is no such run.
            RunError: it is damaged.
        """
        folder = self.folder(run)
        with self._lock:
            if run not in self._open:
                self._open[run] = OpenRun(folder)
            self._open.move_to_end(run)
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
            return self._open[run]

    def open_newest(self, number: int = 3) -> None:
        """Read the newest runs before anybody asks: the first look at a run of a thousand candidates takes seconds."""
        for folder in self.folders()[:number]:
            with suppress(ArchsearchError):  # whoever opens its page is told what is wrong with it
                run = self.get(folder.name)
                with run.lock:
                    run.refresh()

    def timeline(self, folder: Path) -> Timeline:
        """What the log of a run says of its evaluations, whether the run is open or not."""
        with self._lock:
            found = self._timelines.setdefault(folder.name, Timeline(folder))
            found.refresh()
            return found


def _written(folder: Path) -> tuple[int, int]:
    """What tells one version of a run's record from the next, each of which is a file of its own."""
    try:
        found = (folder / RUN).stat()
    except FileNotFoundError:  # whoever reads the run says so
        return 0, 0
    return found.st_ino, found.st_mtime_ns
