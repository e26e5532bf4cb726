"""Using up time, memory, threads and output, and staying when it is over; each ends, and the next job runs."""

from __future__ import annotations

import os
import signal
import time

import pytest
from attacks import FIND_RESULT, SOME, Place
from ends import ENDS
from sandboxes import run

MACHINE_THREADS = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
page.write(bytes.fromhex("b838000000 bf000f3d00 31f6 31d2 4d31d2 4d31c0 0f05 85c0 7509 b822000000 0f05 ebf7 ebdb"))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""
"""Threads of x86_64 that only wait, made in a loop of four instructions."""


@SOME
@pytest.mark.parametrize("name", ENDS)
def test_it_ends_and_takes_nobody_along(where: Place, name: str) -> None:
    end = ENDS[name]
    with where.within(end.seconds):
        report = where.suffer_source(FIND_RESULT + end.source)
    assert report.killed in end.killed, report
    assert report.exit in end.exits, report
    assert report.header is report.blob is None, "what it claimed before does not count"
    assert run(where.sandbox, "blob = b'next'").blob == b"next"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="machine code of x86_64")
@SOME
def test_threads_made_as_fast_as_a_processor_can_are_ended(where: Place) -> None:
    """Own: without Python or the C library, which would need memory for each."""
    with where.within(30.0):
        report = where.suffer_source(MACHINE_THREADS)
    assert (report.killed, report.exit) == ("threads", -signal.SIGKILL)


@SOME
def test_what_waits_for_the_end_of_a_process_does_not_run_after_it(where: Place) -> None:
    """Row 44: handlers, finalizers and threads that stay, each of which would be heard of, and take a minute."""
    source = """
import atexit, os, sys, threading, time, weakref
def late(name):
    os.write(1, name.encode())
    time.sleep(60)
atexit.register(late, "atexit")
class Last:
    def __del__(self): late("deleted")
sys.modules["keeps"] = Last()
threading.Thread(target=time.sleep, args=(60,)).start()
threading._register_atexit(late, "threads")
blob = b"done"
"""
    began = time.monotonic()
    report = where.suffer_source(source)
    assert (report.exit, report.blob, report.log) == (0, b"done", "")
    assert time.monotonic() - began < 30
