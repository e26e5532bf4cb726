"""The place where a job's process is walled in, after the fork and before it runs anything of a candidate.

Today's walls: an emptied environment, a folder of its own, a session of its own that is killed as a whole, no open file
but its log, and limits on memory, time, file size and open files. They stop accidents, not attackers: kernel
confinement (a Landlock and seccomp tier) belongs into `confine`, and `tier` names what is in force.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from archsearch.sandbox.limits import apply_limits
from archsearch.settings import Limits

LOG_FILE = "log.txt"
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def tier() -> str:
    """What is in force on this machine, in words for a person."""
    return "process limits only: stops accidents, not attackers"


def confine(folder: str, limits: Limits) -> None:
    """Wall in the calling process for good.

    Args:
        folder: the job's own folder; becomes its working directory, and its log lies there.
        limits: what it may use.
    """
    os.setsid()
    _die_with_the_zygote()
    os.chdir(folder)
    os.umask(0o077)
    _only_log_open()
    os.environ.clear()
    apply_limits(limits)


def _die_with_the_zygote() -> None:
    """On Linux, be killed when the process that watches the limits dies, whoever killed it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _only_log_open() -> None:
    """Standard input is empty, output and errors go to the log, every other descriptor is closed."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, 4096)
