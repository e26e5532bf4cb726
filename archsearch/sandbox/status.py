"""What the kernel tells of a running process in /proc."""

from __future__ import annotations

import os

HELD = ("RssAnon", "RssShmem")
"""Memory that no file backs, shared memory included, in kilobytes."""


def memory_mb(pid: str) -> float | None:
    """Memory that a process holds and no file backs, shared memory included; None if the system does not tell."""
    found = fields(pid, *HELD)
    return _held_mb(found) if "RssAnon" in found else None


def thread_count(pid: str) -> int | None:
    """Its number of threads; None if the system does not tell."""
    return fields(pid, "Threads").get("Threads")


def usage(pid: int) -> tuple[float, int]:
    """Memory as `memory_mb` counts it and number of threads, both 0 if the system does not tell or it has ended."""
    found = fields(str(pid), *HELD, "Threads")
    threads = found.get("Threads", 0)
    if threads and "RssAnon" not in found:
        found = _of_a_living_thread(pid)
    return _held_mb(found), threads


def end_of(pid: int) -> tuple[int, float] | None:
    """Exit code, negative for a signal, and processor seconds of a process that has ended and was not yet waited for.

    Only of one all of whose threads are known to have ended. None if the system does not tell.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as told:
            words = told.read().rpartition(b")")[2].split()  # the name before may have spaces and brackets
    except OSError:
        return None
    if words[0] != b"Z":
        return None
    ticks = int(words[11]) + int(words[12])
    return os.waitstatus_to_exitcode(int(words[-1])), ticks / os.sysconf("SC_CLK_TCK")


def _held_mb(found: dict[str, int]) -> float:
    return sum(found.get(name, 0) for name in HELD) / 1024


def _of_a_living_thread(pid: int) -> dict[str, int]:
    """Its memory as another thread tells it: of a first thread that has left, the kernel tells none."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return {}
    told = (fields(f"{pid}/task/{thread}", *HELD) for thread in threads)
    return next((found for found in told if "RssAnon" in found), {})


def fields(pid: str, *names: str) -> dict[str, int]:
    """The numbers behind some names, memory in kilobytes; those that are not there are left out."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            lines = status.read().decode("ascii", "replace").splitlines()
    except OSError:
        return {}
    split = (line.split() for line in lines)
    return {words[0][:-1]: int(words[1]) for words in split if words and words[0][:-1] in names}
