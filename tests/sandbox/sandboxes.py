"""Sandboxes for tests, whose jobs are text, and what to look at from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archsearch.sandbox import process
from archsearch.sandbox.report import Report
from archsearch.sandbox.sandbox import Sandbox
from archsearch.sandbox.sealed import Sealed
from archsearch.sandbox.tiers import Tier
from archsearch.settings import Limits

LIMITS = Limits(wall_seconds=60.0, memory_mb=512, result_mb=1, log_kb=4)
ENTRY = "text_job:run_text"
ON_PATH = f"import sys; sys.path.append({str(Path(__file__).parent)!r}); "


@contextmanager
def text_sandbox(limits: Limits = LIMITS, tier: Tier | None = None) -> Iterator[Sandbox]:
    """A sandbox whose jobs may be text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "ENTRY", ON_PATH + process.ENTRY)
        with Sandbox(limits, tier) as made:
            yield made


def run(sandbox: Sandbox, source: str, blob_bytes: int | None = None, **given: Sealed | bytes) -> Report:
    """Run a text as a job."""
    return sandbox.run(ENTRY, {"source": source.encode(), **given}, blob_bytes)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(holds: Callable[[], bool], within: float) -> bool:
    """Wait until something holds; whether it does."""
    end = time.monotonic() + within
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def gone(pid: int, within: float = 5.0) -> bool:
    """Whether a process ends in time."""
    return until(lambda: not alive(pid), within)


def children_of(pid: int) -> list[int]:
    """The children of a process that run."""
    try:
        names = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [int(name) for name in names if alive(int(name))]


def zygote_of(sandbox: Sandbox) -> int:
    """The process that forks its jobs, started if it is not."""
    zygote = sandbox._zygote
    if zygote is None:
        run(sandbox, "pass")
        zygote = sandbox._zygote
    assert zygote is not None
    return zygote.pid


def open_files() -> int:
    """How many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))
