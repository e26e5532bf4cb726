"""A process tries to break through its own walls, once they stand: what is only switched on may still not hold.

Each canary is something that must fail, in a way that only the wall in question makes it fail.
"""

from __future__ import annotations

import errno
import os
import signal

from archsearch.sandbox import kernel
from archsearch.sandbox.steps import Step, system_call
from archsearch.sandbox.tiers import Tier

AF_INET, SOCK_STREAM = 2, 1
AT_FDCWD = -100
CLONE_SIGHAND = 0x800
"""From linux/sched.h. Without CLONE_VM the kernel itself says EINVAL to it: where the wall is missing there is no new
process that somebody would have to end."""


def singing(tier: Tier, parent_pid: int) -> tuple[Step, ...]:
    """All that must fail in a tier.

    Args:
        tier: the walls that are said to stand.
        parent_pid: the process that forked this one.
    """
    closed = errno.EACCES if tier is Tier.LANDLOCK_SECCOMP else errno.EPERM  # Landlock says this, the filter that
    root = kernel.in_memory(b"/\0")  # there whatever else a container leaves out
    return (
        system_call("list the root folder", "openat", AT_FDCWD, root, os.O_RDONLY | os.O_DIRECTORY, 0, error=closed),
        system_call("open a network socket", "socket", AF_INET, SOCK_STREAM, 0, error=errno.EPERM),
        system_call("fork", "clone", CLONE_SIGHAND | signal.SIGCHLD, 0, 0, 0, 0, error=errno.EPERM),
        system_call("signal the parent", "kill", parent_pid, 0, error=errno.EPERM),
    )
