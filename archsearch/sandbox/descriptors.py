"""Closing what a process inherited: a descriptor that is open is a wall that is open."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Set
from itertools import pairwise

from archsearch.sandbox import kernel

BEYOND_ALL = 1 << 31
"""Above every number that a descriptor can have."""

LISTINGS = ("/proc/self/fd", "/dev/fd")
"""Where Linux and macOS list the descriptors of a process."""


def close_all_but(kept: Set[int]) -> None:
    """Close every descriptor but some.

    Raises:
        OSError: there is no way to tell which ones are open.
    """
    try:
        for first, beyond in _gaps(kept):
            kernel.call("close_range", first, beyond - 1, 0)
    except OSError:  # before Linux 5.9, or not Linux
        for descriptor in _open() - kept:
            _close(descriptor)


def _gaps(kept: Set[int]) -> Iterator[tuple[int, int]]:
    """The ranges of numbers between those that are kept: the first, and the one after the last."""
    for before, after in pairwise([-1, *sorted(kept), BEYOND_ALL]):
        if before + 1 < after:
            yield before + 1, after


def _open() -> set[int]:
    place = next((place for place in LISTINGS if os.path.isdir(place)), LISTINGS[0])
    return {int(name) for name in os.listdir(place)}


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError as error:
        if error.errno != errno.EBADF:  # it was the listing's own
            raise
