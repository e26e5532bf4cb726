"""Memory of the zygote in huge pages, so that a fork has five hundred times fewer entries of page tables to copy.

Most of what a fork of a process with torch costs is the copying, and later the freeing, of page tables for a quarter of
a gigabyte of small objects. A child that writes to a huge page gets a copy of 4 kB of it, as with any other page.

Reference: MADV_COLLAPSE in madvise(2), Linux 6.1.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

MADV_COLLAPSE = 25
"""From linux/mman.h."""
HUGE = 1 << 21


def collapse() -> None:
    """Gather this process's own memory in huge pages, as far as kernel and memory allow; else nothing changes."""
    library = ctypes.CDLL(None)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for start, end in _own_memory():
        library.madvise(start, end - start, MADV_COLLAPSE)  # refused where a part cannot be; the rest is done


def _own_memory() -> Iterator[tuple[int, int]]:
    """Addresses of what is writable, private and backed by no file, where there is room for a huge page."""
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        lines = [line.split() for line in maps]
    for addresses, rights, _, _, _, *name in lines:
        start, end = (int(address, 16) for address in addresses.split("-"))
        if rights == "rw-p" and name in ([], ["[heap]"]) and end - start >= HUGE:
            yield start, end
