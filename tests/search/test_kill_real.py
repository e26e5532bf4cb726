"""A real search, with real fits in real processes, that is killed and resumed ends as one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed_runs import finished_in, result_of, until

TRIALS = 14


def begin(*arguments: str | Path, place: Path) -> subprocess.Popen[bytes]:
    """Start a command line that puts its temporary files into `place`."""
    place.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(place), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "archsearch", *map(str, arguments), "--json"]
    return subprocess.Popen(command, env=environment, cwd=place, stdout=subprocess.DEVNULL)


def running_in(place: Path) -> list[str]:
    """The command lines of the processes that have anything to do with a folder; dead ones have none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:  # it ended meanwhile
            continue
    return [line for line in found if str(place) in line]


def nothing_left(place: Path) -> bool:
    return not running_in(place) and not list(place.iterdir())


@pytest.mark.slow
def test_a_real_search_that_is_killed_three_times_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole, run, place = tmp_path / "whole", tmp_path / "killed", tmp_path / "files"
    asked = ("run", "hare_lynx", "--trials", str(TRIALS), "--seed", "1", "--run-dir")
    undisturbed = begin(*asked, whole, place=tmp_path / "other")
    moments, search = random.Random(20261121), begin(*asked, run, place=place)
    for done, longest in ((0, 5.0), (2, 2.0), (4, 1.5)):
        until(lambda done=done: len(finished_in(run)) >= done, 60)  # type: ignore[misc]  # evaluated at once
        time.sleep(moments.uniform(0.0, longest))
        assert any("archsearch" in line for line in running_in(tmp_path))
        search.send_signal(signal.SIGKILL)
        assert search.wait() == -signal.SIGKILL
        assert until(lambda: nothing_left(place), 20), (running_in(place), list(place.iterdir()))
        known = finished_in(run)
        search = begin(*(("resume", run) if (run / "run.json").exists() else (*asked, run)), place=place)
    assert 4 <= len(known) < TRIALS
    assert search.wait() == 0
    assert undisturbed.wait() == 0
    assert len(result_of(whole)) == TRIALS
    assert result_of(run) == result_of(whole)
    assert known <= finished_in(run)
    assert nothing_left(place)
    assert nothing_left(tmp_path / "other")
