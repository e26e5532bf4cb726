"""What the kernel tells of a running process in /proc."""

from __future__ import annotations

import os


def memory_mb(pid: str) -> float | None:
    """Memory that a process holds and no file backs, shared memory included; None if the system does not tell."""
    found = _fields(pid, "RssAnon", "RssShmem")
    return (found["RssAnon"] + found.get("RssShmem", 0)) / 1024 if "RssAnon" in found else None


def thread_count(pid: str) -> int | None:
    """Its number of threads; None if the system does not tell."""
    return _fields(pid, "Threads").get("Threads")


def usage(pid: int) -> tuple[float, int]:
    """Memory as `memory_mb` counts it and number of threads, both 0 if the system does not tell or it has ended."""
    found = _fields(str(pid), "RssAnon", "RssShmem", "Threads")
    threads = found.get("Threads", 0)
    if threads and "RssAnon" not in found:
        found = _of_a_living_thread(pid)
    return (found.get("RssAnon", 0) + found.get("RssShmem", 0)) / 1024, threads


def _of_a_living_thread(pid: int) -> dict[str, int]:
    """Its memory as another thread tells it: of a first thread that has left, the kernel tells none."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return {}
    told = (_fields(f"{pid}/task/{thread}", "RssAnon", "RssShmem") for thread in threads)
    return next((found for found in told if "RssAnon" in found), {})


def _fields(pid: str, *names: str) -> dict[str, int]:
    """The numbers behind some names; those that are not there are left out."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            lines = status.read().decode("ascii", "replace").splitlines()
    except OSError:
        return {}
    split = (line.split() for line in lines)
    return {words[0][:-1]: int(words[1]) for words in split if words and words[0][:-1] in names}
