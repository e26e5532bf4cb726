"""What a job says of how far it is: bounded, read without belief, and of no cost to anybody but the job."""

from __future__ import annotations

import math
import os
import struct
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sandboxes import ENTRY, LIMITS, open_files, run, text_sandbox

from archsearch.sandbox.progress import EVERY_SECONDS, MOST, RECORD, Listener, Teller, Told, packed, told_in
from archsearch.sandbox.report import Report
from archsearch.sandbox.sandbox import Sandbox
from archsearch.sandbox.tiers import Tier

SLOWLY = f"""
import time
for step in range(5):
    tell("descent", step, 1.0 / (1 + step))
    time.sleep({3 * EVERY_SECONDS})
blob = b"done"
"""
FAST = """
import time
end, step = time.monotonic() + 1.0, 0
while time.monotonic() < end:
    tell("descent", step, 0.5)
    step += 1
header = {"steps": step}
"""
HANDLE = "fd = tell._descriptor; import os, struct\n"
FLOOD = (
    HANDLE
    + """
import time
os.set_blocking(fd, True)
end = time.monotonic() + 1.5
while time.monotonic() < end: os.write(fd, b"\\xff" * 65536)
blob = b"done"
"""
)
GARBAGE = HANDLE + "os.write(fd, bytes(range(256)) * 16 + b'odd'); blob = b'done'"


def told_by(sandbox: Sandbox, source: str) -> tuple[Report, list[Told]]:
    """What a text says of how far it is."""
    found: list[Told] = []
    return sandbox.run(ENTRY, {"source": source.encode()}, tell=found.append), found


@pytest.mark.parametrize("tier", [None, Tier.NONE])
def test_a_job_says_how_far_it_is_while_it_runs(tier: Tier | None) -> None:
    with text_sandbox(tier=tier) as sandbox:
        report, found = told_by(sandbox, SLOWLY)
    assert report.blob == b"done"
    assert [told.step for told in found] == [0, 1, 2, 3, 4]
    assert found[1] == Told("descent", 1, 0.5)


def test_a_job_that_nobody_listens_to_has_nothing_to_say_it_with(sandbox: Sandbox) -> None:
    assert run(sandbox, "header = {'told': tell is not None}").header == {"told": False}


def test_a_job_speaks_a_few_times_a_second_however_fast_it_is(sandbox: Sandbox) -> None:
    report, found = told_by(sandbox, FAST)
    assert report.header is not None
    assert report.header["steps"] > 10_000
    assert len(found) <= 1.0 / EVERY_SECONDS + 2


@pytest.mark.parametrize("source", [FLOOD, GARBAGE], ids=["flood", "garbage"])
def test_a_flood_or_garbage_is_cut_off_without_harm(sandbox: Sandbox, source: str) -> None:
    before = open_files()
    started, cpu = time.monotonic(), time.process_time()
    report, found = told_by(sandbox, source)
    assert (report.exit, report.blob, report.killed) == (0, b"done", None)
    assert len(found) <= (time.monotonic() - started) / EVERY_SECONDS + 2 + MOST
    assert all(len(told.stage) <= 52 and told.stage.isprintable() for told in found)
    assert time.process_time() - cpu < 0.3, "the process that watches has other things to do"
    assert open_files() == before


def test_a_job_that_waits_for_its_reader_still_ends_in_time() -> None:
    endless = HANDLE + "os.set_blocking(fd, True)\nwhile True: os.write(fd, b'x' * 65536)"
    with text_sandbox(LIMITS.model_copy(update={"wall_seconds": 1.0})) as sandbox:
        report, _ = told_by(sandbox, endless)
        assert report.killed == "time"
        assert told_by(sandbox, "blob = b'next'")[0].blob == b"next"


def test_what_is_told_is_the_last_records_and_claims_nothing_that_cannot_be_shown() -> None:
    assert told_in(b"", 9) == told_in(b"x" * (RECORD.size - 1), 9) == []
    both = packed("one", 1, 2.0) + packed("two", 2, 1.0) + b"torn"
    assert told_in(both, 9) == [Told("one", 1, 2.0), Told("two", 2, 1.0)]
    assert told_in(both, 1) == [Told("two", 2, 1.0)]
    assert told_in(packed("windows of 7 intervals", 3, math.nan), 9) == [Told("windows of 7 intervals", 3, None)]
    assert told_in(packed("\x1b[2J\nclear", 3, math.inf), 9) == [Told("\N{REPLACEMENT CHARACTER}[2J clear", 3, None)]
    negative = struct.pack("<dI52s", -1.0, 7, b"\xff\xfe")
    assert told_in(negative, 9) == [Told("\N{REPLACEMENT CHARACTER}" * 2, 7, None)]
    assert len(packed("e" * 500, 1 << 40, 0.0)) == RECORD.size


@given(st.binary(max_size=4 * RECORD.size))
@example(b"\x00" * RECORD.size)
def test_whatever_is_read_can_be_shown(piece: bytes) -> None:
    for told in told_in(piece, MOST):
        assert told.stage.isprintable()
        assert len(told.stage) <= 52
        assert 0 <= told.step < 1 << 32
        assert told.error is None or (math.isfinite(told.error) and told.error >= 0)


def test_nobody_waits_for_a_reader_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    teller, found = Teller(writer), list[Told]()
    listener = Listener(reader, found.append)
    monkeypatch.setattr("archsearch.sandbox.progress.EVERY_SECONDS", 1e-9)
    assert all(teller("descent", step, 1.0) for step in range(5000))
    listener.look(math.inf)
    assert len(found) == MOST
    assert found[-1].step < 4999, "what does not fit is lost"
    for descriptor in (reader, writer):
        os.close(descriptor)
