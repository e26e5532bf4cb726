"""What two jobs could tell each other: a fit its predictions, past the count of weights; one prediction the other.

Nothing that one job may set in the kernel may be seen by another, while it runs or later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from attacks import SOME, Place
from sandboxes import children_of, run, until, zygote_of

from archsearch.sandbox.report import Report

FLAGS = """
import fcntl, os
def flags():
    found = {}
    for number in range(64):
        try: found[number] = fcntl.fcntl(number, fcntl.F_GETFL)
        except OSError: pass
    return [found[number] for number in sorted(found)]
"""
CHANGED = """
import array
for number in range(64):
    for wanted in (os.O_NONBLOCK, os.O_APPEND, os.O_NOATIME, os.O_NONBLOCK | os.O_APPEND):
        try: fcntl.fcntl(number, fcntl.F_SETFL, wanted)
        except OSError: pass
    try: fcntl.ioctl(number, 0x5421, array.array("i", [1]))  # FIONBIO
    except OSError: pass
    try: os.lseek(number, 12345, 0)
    except OSError: pass
os.set_blocking(1, True)
header = {"flags": flags()}
"""


def flags_of(pid: int) -> list[str]:
    """Flags and place of a process's standard descriptors, as the kernel tells them."""
    return [Path(f"/proc/{pid}/fdinfo/{number}").read_text() for number in range(3)]


@SOME
def test_the_flags_of_descriptors_are_a_jobs_own(where: Place) -> None:
    """Own: an open file has one set of flags and one place, however many processes have inherited it."""
    look = FLAGS + "header = {'flags': flags()}"
    zygote = zygote_of(where.sandbox)
    before, inherited = run(where.sandbox, look).header, flags_of(zygote)
    changed = run(where.sandbox, FLAGS + CHANGED).header
    assert changed is not None
    assert changed != before, "it has changed some"
    assert flags_of(zygote) == inherited
    assert run(where.sandbox, look).header == before


@contextmanager
def beside(where: Place, source: str) -> Iterator[tuple[int, list[Report]]]:
    """A job that runs while another does; its number, and afterwards its report."""
    zygote, ended = zygote_of(where.sandbox), list[Report]()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, where.sandbox, source)
        assert until(lambda: children_of(zygote) != [], 20)
        yield children_of(zygote)[0], ended
        ended.append(running.result(30))


PRELUDE = """
import ctypes, os, time
from archsearch.sandbox import kernel
libc = ctypes.CDLL(None, use_errno=True)
page = ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095  # of the C library, the same in both
content = ctypes.c_uint32.from_address(page).value
class Time(ctypes.Structure): _fields_ = [("seconds", ctypes.c_long), ("more", ctypes.c_long)]
def futex(operation, *more):
    return libc.syscall(kernel.own_table().numbers["futex"], ctypes.c_long(page), operation, *more)
"""
WAITING = """
woken, until = 0, time.monotonic() + 3
while time.monotonic() < until:
    for operation in {operations}:
        woken += futex(operation, content, ctypes.byref(Time(0, 200_000_000)), None, -1) == 0
header = {{"woken": woken}}
"""
WAKING = """
found, until = 0, time.monotonic() + 1.5
while time.monotonic() < until:
    found += sum(max(0, futex(operation, 9, 0, 0, -1)) for operation in {operations})
    time.sleep(0.01)
header = {{"found": found}}
"""


@SOME
def test_nobody_waits_where_another_wakes(where: Place) -> None:
    """Own: a lock in a page of a file is one and the same for all who have mapped the file, for reading or writing.

    By FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE and FUTEX_WAKE_BITSET; with the private flag they mean oneself alone.
    """
    for private in (0, 128):
        waiting, waking = ([operation | private for operation in pair] for pair in ((0, 9), (1, 10)))
        with beside(where, PRELUDE + WAITING.format(operations=waiting)) as (_, ended):
            found = run(where.sandbox, PRELUDE + WAKING.format(operations=waking))
        assert found.header == {"found": 0}, found
        assert ended[0].header == {"woken": 0}, ended


@SOME
def test_the_processors_of_a_job_are_not_its_own_to_choose(where: Place) -> None:
    """Own: any process may ask on which processors another runs, so this must say nothing."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one processor")
    source = (
        PRELUDE
        + """
answers = []
for who in (0, os.getpid()):
    try: answers.append(os.sched_setaffinity(who, {max(os.sched_getaffinity(0))}))
    except OSError as error: answers.append(error.errno)
time.sleep(1.5)
header = {"answers": answers}
"""
    )
    usual = os.sched_getaffinity(zygote_of(where.sandbox))
    with beside(where, source) as (pid, ended):
        assert not until(lambda: os.path.exists(f"/proc/{pid}") and os.sched_getaffinity(pid) != usual, 1.0)
    assert ended[0].header == {"answers": [1, 1]}


@SOME
def test_threads_of_the_c_library_are_waited_for_all_the_same(where: Place) -> None:
    """Not an attack: the C library waits for the end of a thread by a lock that is not private."""
    source = """
import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
threads = (ctypes.c_ulong * 4)()
began = time.monotonic()
sleep = ctypes.c_void_p(300_000)
made = [libc.pthread_create(ctypes.byref(threads, 8 * n), None, libc.usleep, sleep) for n in range(4)]
ended = [libc.pthread_join(ctypes.c_ulong(thread), None) for thread in threads]
header = {"made": made, "ended": ended, "waited": time.monotonic() - began > 0.25}
"""
    assert run(where.sandbox, source).header == {"made": [0] * 4, "ended": [0] * 4, "waited": True}
