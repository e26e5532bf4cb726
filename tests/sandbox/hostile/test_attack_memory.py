"""Memory in ways that a look at the process does not show; measured at the machine and at each of its threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attacks import SOME, Place
from sandboxes import LIMITS, children_of, zygote_of


@contextmanager
def watched(measure: str, pid: int) -> Iterator[list[int]]:
    """The most, in MB, of what the machine tells of shared memory, or of the private memory of a job's live threads."""
    found, over = [0], threading.Event()
    begin = _shared_mb()

    def watch() -> None:
        while not over.wait(0.01):
            found[0] = max(found[0], _shared_mb() - begin if measure == "shared" else _private_mb(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


def _shared_mb() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("Shmem:"))


def _private_mb(zygote: int) -> int:
    most = 0
    for child in children_of(zygote):
        for status in Path(f"/proc/{child}/task").glob("*/status"):
            try:
                lines = status.read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue
            most = max([most, *(int(line.split()[1]) >> 10 for line in lines if line.startswith("RssAnon:"))])
    return most


HOARD = """
import ctypes, os, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
size = 64 << 20
def hoard(flags, keep):
    for _ in range(40):
        at = libc.mmap(None, size, 3, flags, -1, 0)
        if at == ctypes.c_void_p(-1).value: break
        ctypes.memset(at, 1, size)
        if keep < size: libc.munmap(at + keep, size - keep)
    time.sleep(0.3)
    os.kill(os.getpid(), 9)
"""
HOARDS = {
    "shared pages that stay when they are unmapped": ("shared", "hoard(0x21, 4096)"),
    "the same, validated": ("shared", "hoard(0x23, 4096)"),
    "private memory of a process whose first thread is gone": (
        "private",
        "threading.Thread(target=hoard, args=(0x22, size)).start()\nlibc.syscall(60, 0)",
    ),
    "stacks of a process whose first thread is gone": (
        "private",
        "threading.Thread(target=hoard, args=(0x122, size)).start()\nlibc.syscall(60, 0)",
    ),
    "memory made writable later": (
        "private",
        "real = libc.mmap\nprotect = libc.mprotect\n"
        "protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)\n"
        "class Later:\n  def mmap(self, at, size, _, flags, fd, offset):\n"
        "    at = real(None, size, 1, flags, fd, offset)\n"
        "    return ctypes.c_void_p(-1).value if protect(at, size, 3) else at\n"
        "  munmap = libc.munmap\nlibc = Later()\nhoard(0x22, size)",
    ),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of calls of x86_64")
@SOME
@pytest.mark.parametrize("name", HOARDS)
def test_memory_that_nobody_counts_is_not_had(where: Place, name: str) -> None:
    """Own: 2.5 GB in ways that a look at the process does not show; measured at the machine and at its threads."""
    measure, source = HOARDS[name]
    zygote = zygote_of(where.sandbox)
    base = _private_mb_of(zygote)
    with where.within(30.0), watched(measure, zygote) as most:
        report = where.suffer_source(HOARD + source)
    assert report.header is None
    assert most[0] < (0 if measure == "shared" else base) + 2 * LIMITS.memory_mb


def _private_mb_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("RssAnon:"))
