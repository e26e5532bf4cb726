"""Limits that the kernel enforces on one job, set in the job's own process before it runs anything of a candidate."""

from __future__ import annotations

import functools
import resource
import sys
from typing import TYPE_CHECKING

from archsearch.sandbox.status import fields

if TYPE_CHECKING:
    from archsearch.settings import (
        Limits,
    )  # at run time this would load pydantic, which the trial of the walls can do without

MEGABYTE = 1 << 20

OPEN_FILES = 64

STACK_MB = 64
"""Of the first thread; a stack is not counted as data, so without a limit it could grow into all address space."""

RESERVE_MB = 1024
"""Address space beyond what a job may use: threads and their allocators reserve far more than they touch."""

PENDING_SIGNALS = 256


def apply_limits(limits: Limits, gpu: bool = False) -> None:
    """Limit memory, processor time, files and open files of this process for good.

    Memory is limited above what the process already has: torch alone maps hundreds of megabytes. Memory that is marked
    as shared counts as address space only, so that is limited too, but not with a GPU, whose driver reserves terabytes
    of it. Processor time has its soft and its hard limit at once: SIGXCPU could be ignored, SIGKILL cannot.

    Args:
        limits: what a job may use.
        gpu: whether it uses a GPU, whose driver also sizes a file in memory.
    """
    mapped, data = baseline()
    _limit(resource.RLIMIT_DATA, ((data or 512) + limits.memory_mb) * MEGABYTE)
    if mapped and not gpu:
        _limit(resource.RLIMIT_AS, (mapped + 2 * limits.memory_mb + RESERVE_MB) * MEGABYTE)
    _limit(resource.RLIMIT_FSIZE, (limits.memory_mb if gpu else 0) * MEGABYTE)
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_MEMLOCK, limits.memory_mb * MEGABYTE if gpu else 0)
    common_limits()


@functools.cache
def common_limits() -> None:
    """Those that are the same for every job, and that a process which only forks jobs can live with as well.

    Set once: a fork inherits them, and nothing raises them again.
    """
    _limit(resource.RLIMIT_STACK, STACK_MB * MEGABYTE)
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":
        _limit(resource.RLIMIT_MSGQUEUE, 0)
        _limit(resource.RLIMIT_NICE, 0)
        _limit(resource.RLIMIT_RTPRIO, 0)
        _limit(resource.RLIMIT_SIGPENDING, PENDING_SIGNALS)


@functools.cache
def baseline() -> tuple[int, int]:
    """Megabytes of address space and of private memory that this process has before it has done anything.

    0 if the system does not tell. Asked once: a fork has what its parent had, and asking costs it as much as all its
    other limits.
    """
    found = fields("self", "VmSize", "VmData")
    return found.get("VmSize", 0) // 1024, found.get("VmData", 0) // 1024


def _limit(what: int, value: int) -> None:
    """Soft and hard at once, so that it cannot be raised again; never above what the process was given."""
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))
