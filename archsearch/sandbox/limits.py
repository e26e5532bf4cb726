"""Limits that the kernel enforces on one job, set in the job's own process before it runs anything of a candidate."""

from __future__ import annotations

import resource
import struct
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from archsearch.sandbox import kernel
from archsearch.sandbox.status import fields
from archsearch.sandbox.steps import Step

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


def limiting(limits: Limits, gpu: bool = False) -> Iterator[Step]:
    """Limit memory, processor time, files and open files of the process for good.

    Memory is limited above what this process has now: torch alone maps hundreds of megabytes. Memory that is marked as
    shared counts as address space only, so that is limited too, but not with a GPU, whose driver reserves terabytes of
    it. Processor time has its soft and its hard limit at once: SIGXCPU could be ignored, SIGKILL cannot.

    Args:
        limits: what a job may use.
        gpu: whether it uses a GPU, whose driver also sizes a file in memory.
    """
    mapped, data = _held()
    yield _limit("private memory", resource.RLIMIT_DATA, ((data or 512) + limits.memory_mb) * MEGABYTE)
    if mapped and not gpu:
        yield _limit("address space", resource.RLIMIT_AS, (mapped + 2 * limits.memory_mb + RESERVE_MB) * MEGABYTE)
    yield _limit("the size of files", resource.RLIMIT_FSIZE, (limits.memory_mb if gpu else 0) * MEGABYTE)
    yield _limit("processor time", resource.RLIMIT_CPU, limits.cpu_seconds)
    yield _limit("open files", resource.RLIMIT_NOFILE, OPEN_FILES)
    yield _limit("locked memory", resource.RLIMIT_MEMLOCK, limits.memory_mb * MEGABYTE if gpu else 0)
    yield _limit("the stack", resource.RLIMIT_STACK, STACK_MB * MEGABYTE)
    yield _limit("cores", resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":
        yield _limit("message queues", resource.RLIMIT_MSGQUEUE, 0)
        yield _limit("its priority", resource.RLIMIT_NICE, 0)
        yield _limit("its real-time priority", resource.RLIMIT_RTPRIO, 0)
        yield _limit("signals that wait", resource.RLIMIT_SIGPENDING, PENDING_SIGNALS)


def _held() -> tuple[int, int]:
    """Megabytes of address space and of private memory that this process has; 0 if the system does not tell."""
    found = fields("self", "VmSize", "VmData")
    return found.get("VmSize", 0) // 1024, found.get("VmData", 0) // 1024


def _limit(of_what: str, number: int, value: int) -> Step:
    """Soft and hard at once, so that it cannot be raised again; never above what the process was given."""
    _, hard = resource.getrlimit(number)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    return Step(f"limit {of_what}", "setrlimit", (number, kernel.in_memory(struct.pack("@LL", value, value))))
