"""A process tries to break through its own walls, once they stand: what is only switched on may still not hold.

Each canary is something that must fail, in a way that only the wall in question makes it fail.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable

from archsearch.sandbox import kernel
from archsearch.sandbox.tiers import Tier

AF_INET, SOCK_STREAM = 2, 1


class WallMissingError(Exception):
    """A process could do what its walls forbid."""


def sing(tier: Tier, parent_pid: int) -> None:
    """Try all that must fail in a tier.

    Args:
        tier: the walls that are said to stand.
        parent_pid: the process that forked this one.

    Raises:
        WallMissingError: something did not fail, or failed for another reason.
    """
    landlock = tier is Tier.LANDLOCK_SECCOMP  # it says EACCES, the filter EPERM
    _must_fail("list the root folder", errno.EACCES if landlock else errno.EPERM, _list_root)
    _must_fail("open a network socket", errno.EPERM, _socket)
    _must_fail("fork", errno.EPERM, _fork)
    _must_fail("signal its parent", errno.EPERM, lambda: os.kill(parent_pid, 0))


def _must_fail(deed: str, error_number: int, attempt: Callable[[], None]) -> None:
    try:
        attempt()
    except OSError as error:
        if error.errno == error_number:
            return
        raise WallMissingError(f"expected that it cannot {deed} for {error_number}, found {error}") from error
    raise WallMissingError(f"expected that it cannot {deed}, found that it can")


def _list_root() -> None:
    """The root is there whatever else a container leaves out."""
    os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY))


def _socket() -> None:
    os.close(kernel.call("socket", AF_INET, SOCK_STREAM, 0))


def _fork() -> None:
    """Without Python's own fork, which runs what others have registered for it.

    Nobody waits for the new process: this one ends as soon as it knows that there is one.
    """
    if kernel.call("clone", signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)
