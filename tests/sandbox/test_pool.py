"""Single-use workers do what forks of a zygote do, here without the walls of macOS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sandboxes import ENTRY, ON_PATH, alive, open_files, until

from archsearch.sandbox import pool as room
from archsearch.sandbox.frames import FrameReader
from archsearch.sandbox.pool import WorkerPool
from archsearch.sandbox.progress import Told
from archsearch.sandbox.report import Report
from archsearch.sandbox.sandbox import Sandbox
from archsearch.sandbox.tiers import Tier
from archsearch.settings import Limits

ENDLESS = "while True: pass"
LIMITS = Limits(wall_seconds=30.0)


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "ENTRY", ON_PATH + room.ENTRY)
        yield


@pytest.fixture(scope="module")
def workers(patched: None) -> Iterator[WorkerPool]:
    made = WorkerPool(LIMITS, (), ())
    made.start()
    yield made
    made.close()


def run(workers: WorkerPool, source: str, most: int = 1 << 20, **given: bytes) -> Report:
    return workers.run(ENTRY, {"source": source.encode(), **given}, FrameReader(most, exact=False))


def test_contents_go_in_and_a_frame_comes_back(workers: WorkerPool) -> None:
    source = "print('said'); header, blob = {'a': 1}, bytes(given['x']) + bytes(given['y'])"
    report = run(workers, source, x=b"1" * 200_000, y=b"2")
    assert (report.exit, report.header, report.log) == (0, {"a": 1}, "said\n")
    assert report.blob == b"1" * 200_000 + b"2"


def test_a_worker_is_used_once(workers: WorkerPool) -> None:
    run(workers, "import torch; torch.ones = None")
    assert run(workers, "import torch; header = {'sum': torch.ones(2).sum().item()}").header == {"sum": 2.0}


def test_names_have_one_order_in_every_worker(workers: WorkerPool) -> None:
    found = [run(workers, "header = {'hash': str(hash('name'))}").header for _ in range(2)]
    assert found[0] is not None
    assert found[0] == found[1]


@pytest.mark.parametrize(("source", "code"), [("raise ValueError", 70), ("import os; os.abort()", -6)])
def test_a_job_that_fails_says_how(workers: WorkerPool, source: str, code: int) -> None:
    report = run(workers, source)
    assert (report.exit, report.header) == (code, None)


def test_a_job_that_never_ends_is_killed(patched: None) -> None:
    hasty = WorkerPool(Limits(wall_seconds=8.0), (), ())  # loading counts here
    report = run(hasty, ENDLESS)
    hasty.close()
    assert (report.killed, report.exit) == ("time", -9)


def test_too_much_output_or_result_is_refused(workers: WorkerPool) -> None:
    assert run(workers, "while True: print('x' * 1000)").killed == "output"
    assert "at most 10" in str(run(workers, "blob = b'x' * 11", most=10).bad)


def test_closing_ends_what_waits_and_what_runs(patched: None) -> None:
    before = open_files()
    made = WorkerPool(LIMITS, (), ())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, made, ENDLESS)
        assert until(lambda: len(made._waiting) == room.LOADED_AHEAD and bool(made._running), 20)
        processes = [worker._process.pid for worker in (*made._waiting, *made._running)]
        made.close()
        assert waiting.result(10).header is None
    assert until(lambda: not any(alive(pid) for pid in processes), 5)
    assert run(made, "pass").exit is None
    assert until(lambda: open_files() <= before, 5)


@pytest.mark.parametrize("tier", [Tier.SEATBELT, Tier.NONE])
def test_on_macos_a_sandbox_needs_neither_forks_nor_memory_files(
    patched: None, monkeypatch: pytest.MonkeyPatch, tier: Tier
) -> None:
    monkeypatch.setattr("archsearch.sandbox.sandbox.behind_seatbelt", tuple)
    monkeypatch.setattr("archsearch.sandbox.sandbox.sys.platform", "darwin")
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.delattr(os, "pidfd_open")
    with Sandbox(LIMITS, tier) as sandbox:
        shared = sandbox.seal("shared", b"for many")
        assert shared.fileno() == -1
        given = {"source": b"blob = bytes(given['x'])", "x": shared}
        assert [sandbox.run(ENTRY, given).blob for _ in range(2)] == [b"for many"] * 2


def test_a_worker_says_how_far_it_is(workers: WorkerPool) -> None:
    found: list[Told] = []
    source = b"tell('descent', 3, 0.25); blob = b'done'"
    report = workers.run(ENTRY, {"source": source}, FrameReader(4, exact=True), found.append)
    assert report.blob == b"done"
    assert found == [Told("descent", 3, 0.25)]
