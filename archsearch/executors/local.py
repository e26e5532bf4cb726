"""Evaluations on this machine: one thread per worker, each with an evaluator of its own."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from archsearch.candidate.candidate import Candidate
from archsearch.evaluation import Outcome, Tell, Told
from archsearch.executors.base import Evaluates, Executor, evaluate_safely

PATIENCE_SECONDS = 5.0
"""How long a worker has to notice that it is to stop; it is a daemon and ends with the process at the latest."""
MOST_TOLD = 4096
"""Of what evaluations say of how far they are, so many are kept until somebody asks."""


class LocalExecutor(Executor):
    """Worker threads; the work itself is done in the evaluators' child processes.

    The threads are daemons: a person who presses Ctrl-C does not wait for the fits that run.

    Args:
        make_evaluator: called once per worker, here, so that what it raises is raised here.
        workers: how many evaluations run at once.
    """

    def __init__(self, make_evaluator: Callable[[], Evaluates], workers: int) -> None:
        self._todo: SimpleQueue[tuple[Candidate, int] | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome | BaseException] = SimpleQueue()
        self._told: deque[tuple[int, Told]] = deque(maxlen=MOST_TOLD)
        self._evaluators = [make_evaluator() for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._work, args=(evaluator,), name=f"worker-{index}", daemon=True)
            for index, evaluator in enumerate(self._evaluators)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def capacity(self) -> int:
        """How many evaluations run at once."""
        return len(self._evaluators)

    def submit(self, candidate: Candidate, number: int) -> None:
        """Hand a candidate to the next free worker."""
        self._todo.put((candidate, number))

    def next_done(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the next outcome."""
        try:
            item = self._done.get(timeout=timeout)
        except Empty:
            return None
        if isinstance(item, BaseException):
            raise item
        return item

    def drain(self) -> list[Outcome]:
        """The outcomes that are there already."""
        found: list[Outcome] = []
        while True:
            try:
                item = self._done.get_nowait()
            except Empty:
                return found
            if isinstance(item, Outcome):
                found.append(item)

    def progress(self) -> list[tuple[int, Told]]:
        """What evaluations have said since this was last asked."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def close(self) -> None:
        """Send the workers home and end the processes of their evaluators, with whatever they run."""
        self._discard_queued()
        for _ in self._evaluators:
            self._todo.put(None)
        for evaluator in self._evaluators:
            evaluator.close()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _discard_queued(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._todo.get_nowait()

    def _work(self, evaluator: Evaluates) -> None:
        while (item := self._todo.get()) is not None:
            try:
                self._done.put(evaluate_safely(evaluator, *item, self._teller(item[1])))
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                self._done.put(error)

    def _teller(self, number: int) -> Tell:
        return lambda told: self._told.append((number, told))
