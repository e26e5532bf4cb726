"""A search that is killed at any moment resumes to the result of one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from killed_runs import finished_in, result_of, until
from search_fakes import write_space

from archsearch.study.store import Study

SCRIPT = Path(__file__).with_name("search_script.py")
TRIALS, SLOWEST, KILLS = 30, 0.05, 10


class Sessions:
    """Searches in processes of their own, one at a time."""

    def __init__(self, space: Path) -> None:
        self.space = space
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parent)}
        command = [sys.executable, str(SCRIPT)]
        pipe = subprocess.PIPE
        self.server = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def start(self, run: Path) -> int:
        """The id of the process that searches."""
        assert self.server.stdin is not None
        self.server.stdin.write(f"{run}\t{self.space}\t3\t{TRIALS}\t{SLOWEST}\n")
        self.server.stdin.flush()
        return self._answer()

    def end(self) -> int:
        """Wait for the process; its exit code, negative for a signal."""
        return self._answer()

    def close(self) -> None:
        self.server.communicate(timeout=20)

    def _answer(self) -> int:
        assert self.server.stdout is not None
        return int(self.server.stdout.readline())


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    found = Sessions(write_space(tmp_path / "space"))
    yield found
    found.close()


def wait_for_more(run: Path, known: set[str]) -> None:
    """Wait until the session has finished something new, so that every kill hits it at work."""
    until(lambda: len(finished_in(run)) > len(known) or len(known) >= TRIALS, 20)


@pytest.mark.slow
def test_killed_ten_times_and_resumed_gives_the_same_result(sessions: Sessions, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "killed"
    sessions.start(whole)
    assert sessions.end() == 0
    moments, known = random.Random(20261121), set[str]()
    for kill in range(KILLS):
        process = sessions.start(run)
        if kill % 3:  # the others fall anywhere into the beginning of a session
            wait_for_more(run, known)
        time.sleep(moments.uniform(0.0, 0.1))
        os.kill(process, signal.SIGKILL)
        assert sessions.end() in (-signal.SIGKILL, 0)
        assert known <= finished_in(run)
        known = finished_in(run)
    assert 0 < len(known) < TRIALS
    sessions.start(run)
    assert sessions.end() == 0
    assert len(result_of(whole)) == TRIALS
    assert result_of(run) == result_of(whole)
    assert not list(run.rglob("*.partial"))


def test_lock_of_a_killed_search_is_free_and_of_a_running_one_is_not(sessions: Sessions, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = sessions.start(run)
    wait_for_more(run, set())
    study = Study.open(run)
    with pytest.raises(Exception, match=f"process {process} is searching this run"), study.writing(study.problem()):
        pass
    os.kill(process, signal.SIGKILL)
    sessions.end()
    with study.writing(study.problem()) as writer:
        assert writer.evaluations
