"""Limits that the kernel enforces on one job, set in the job's own process before it runs anything of a candidate."""

from __future__ import annotations

import os
import resource

from archsearch.settings import Limits

OPEN_FILES = 64


def apply_limits(limits: Limits) -> None:
    """Limit memory, processor time, file size and open files of this process for good.

    Memory is limited above what the process already has: torch alone maps hundreds of megabytes. Address space is not
    limited, because it says nothing about use. Processor time gets the wall limit: one thread cannot use more.
    """
    megabyte = 1 << 20
    _limit(resource.RLIMIT_DATA, (data_mb() + limits.memory_mb) * megabyte)
    _limit(resource.RLIMIT_FSIZE, limits.file_mb * megabyte)
    _limit(resource.RLIMIT_CPU, int(limits.wall_seconds) + 1)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def data_mb() -> int:
    """Megabytes of private writable memory that this process has mapped; 512 where the system does not tell."""
    return _status_mb("self", "VmData") or 512


def resident_mb(pid: int) -> int:
    """Megabytes of memory that a process really holds; 0 where the system does not tell."""
    return _status_mb(str(pid), "RssAnon") + _status_mb(str(pid), "RssShmem")


def _status_mb(pid: str, key: str) -> int:
    path = f"/proc/{pid}/status"
    if not os.path.exists(path):
        return 0
    try:
        with open(path) as status:
            lines = [line for line in status if line.startswith(f"{key}:")]
    except OSError:  # the process ended between the two calls
        return 0
    return int(lines[0].split()[1]) // 1024 if lines else 0
