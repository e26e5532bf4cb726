"""One search at a time in one run folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from archsearch.errors import RunError

LOCK = "lock"
"""The file of a run that is held while it is searched."""
TRIES = 10
PAUSE_SECONDS = 0.02


@contextmanager
def run_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a run; the kernel lets go of it when the process ends, however it ends.

    Raises:
        RunError: another process (or another search of this process) holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(handle, path)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def searching(path: Path) -> int | None:
    """The process that holds this lock, and so searches its run; None if none does."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        told = os.pread(handle, 32, 0).decode(errors="replace").strip()
        return int(told) if told.isdecimal() else 0
    finally:
        os.close(handle)
    return None


def _take(handle: int, path: Path) -> None:
    for _ in range(TRIES):  # who asks whether somebody searches holds it for an instant
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(PAUSE_SECONDS)
    holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
    raise RunError(
        f"{path.parent}: process {holder} is searching this run, and only one may.",
        "Wait until it is done, or stop it (Ctrl-C there), then resume.",
    )
