"""What runs now can be looked at from outside, and nothing that stands there can do harm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from archsearch.candidate.candidate import Candidate
from archsearch.study.lock import LOCK, run_lock
from archsearch.study.running import MOST_POINTS, RUNNING, Curve, Running, RunningFile, RunningFits, read_running

CANDIDATE = Candidate("x = 1\n", "grammar", claim="A net in the place of gain.")


@pytest.fixture
def searched(tmp_path: Path) -> Iterator[Path]:
    """A folder that a search holds."""
    with run_lock(tmp_path / LOCK):
        yield tmp_path


def test_what_runs_is_read_as_it_was_kept(searched: Path) -> None:
    now = [0.0]
    fits, file = RunningFits(lambda: now[0]), RunningFile(searched, lambda: now[0])
    fits.start(7, CANDIDATE)
    fits.start(8, CANDIDATE)
    for step in range(1, 4):
        fits.tell(7, "states and unknowns", step, 1.0 / step)
    fits.tell(7, "predictions", 0, None)
    fits.tell(99, "nothing of ours", 1, 1.0)
    fits.end(8)
    now[0] = 2.5
    file.keep(lambda: Running(fits=fits.now(), evaluated=6, failed=1, waiting=2))
    found = read_running(searched)
    assert found is not None
    assert (found.evaluated, found.failed, found.waiting, found.paused) == (6, 1, 2, False)
    (fit,) = found.fits
    assert (fit.number, fit.author, fit.claim) == (7, "grammar", CANDIDATE.claim)
    assert (fit.stage, fit.step, fit.error, fit.seconds) == ("predictions", 0, 1.0 / 3, 2.5)
    assert fit.curve == (1.0, 0.5, 1.0 / 3)


def test_it_is_written_once_a_second_at_most_and_gone_at_the_end(searched: Path) -> None:
    now, written = [0.0], list[float]()
    file = RunningFile(searched, lambda: now[0])
    for tick in range(51):
        now[0] = tick / 10
        file.keep(lambda: (written.append(now[0]), Running())[1])
    assert written == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    file.remove()
    assert read_running(searched) is None
    assert not (searched / RUNNING).exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"fits": 3}', b"\xff\x00", b"[" * 100_000, b'{"fits": [{"number": "x"}]}']
)
def test_a_damaged_file_says_nothing(searched: Path, content: bytes) -> None:
    (searched / RUNNING).write_bytes(content)
    assert read_running(searched) is None


def test_what_a_killed_search_left_is_not_what_runs_now(tmp_path: Path) -> None:
    with run_lock(tmp_path / LOCK):
        RunningFile(tmp_path).keep(Running)
        assert read_running(tmp_path) == Running()
    assert (tmp_path / RUNNING).exists()
    assert read_running(tmp_path) is None


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    file = RunningFile(tmp_path / "gone")
    file.keep(Running)
    file.remove()
    assert os.listdir(tmp_path) == []


def test_a_curve_is_bounded_and_keeps_its_shape() -> None:
    curve = Curve()
    for value in range(100_000):
        curve.add(float(value))
    values = curve.values()
    assert MOST_POINTS / 2 <= len(values) <= MOST_POINTS
    steps = {after - before for before, after in pairwise(values)}
    assert len(steps) == 1, "evenly spread"
    assert values[0] == 0.0
    assert values[-1] > 0.95 * 100_000
