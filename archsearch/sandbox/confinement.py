"""The place where a candidate's process is walled in, after the fork and before it runs anything of the candidate.

The order matters. Rights are given up (capabilities, no_new_privs) before the fork, which inherits that. The fork
closes descriptors, leaves its parent and takes on its limits, then its walls go up, and at last it tries to break
through them itself. All of it happens while there is one thread, which after a fork is always so: a thread from before
would stay outside of Landlock.

What can be done or written down before the fork is: see `steps`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, final

from archsearch.sandbox import canaries, capabilities, gpu, kernel, landlock, limits, rules, seccomp
from archsearch.sandbox.descriptors import close_all_but
from archsearch.sandbox.steps import Step, Steps
from archsearch.sandbox.tiers import Tier

if TYPE_CHECKING:
    from archsearch.settings import Limits

WALL_MISSING = 97
"""Exit code of a process that found a wall missing and therefore ran nothing."""

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
"""From linux/prctl.h."""

NO_SIGNALS = bytes(128)
"""An empty sigset_t."""


@dataclass(frozen=True)
class Walls:
    """What stands between one candidate and everything else.

    Attributes:
        tier: which walls.
        limits: what it may use.
        gpu: the number of the one GPU that it may use, if any.
    """

    tier: Tier
    limits: Limits
    gpu: int | None = None


@final
class Confinement:
    """Walls around forks of this process, made ready once for all of them.

    Making them ready changes this process: it gives up its environment and the rights of root. Its forks inherit that.
    It must have imported all that they will use.

    Raises:
        OSError: the kernel refused; then so would every fork.
    """

    def __init__(self, walls: Walls) -> None:
        self._walls, self._parent = walls, os.getpid()
        os.environ.clear()
        if _has_walls(walls.tier):
            give_up_rights()
        with contextlib.suppress(OSError):  # without a table of calls each fork finds another way to do without
            kernel.own_table()
        # a GPU needs rules about the very process that uses it: they cannot be made before the fork
        self._ready = self._made() if walls.gpu is None else None

    def enter(self, keep: Sequence[int]) -> None:
        """Wall in the calling fork for good; where a wall cannot be built it ends with `WALL_MISSING`.

        Args:
            keep: the descriptors that stay open besides 0, 1 and 2; every other one is closed.
        """
        try:
            ruleset, steps = self._ready or self._made()
            close_all_but({0, 1, 2, *keep, *ruleset})
            steps.take()
        except BaseException as error:  # noqa: BLE001  # whatever went wrong, no candidate may run between half the walls
            _refuse(error)

    def _made(self) -> tuple[tuple[int, ...], Steps]:
        """The descriptors that the walls need until they stand, and what raises them."""
        tier, gpu_index = self._walls.tier, self._walls.gpu
        ruleset = _ruleset(tier, gpu_index)
        steps = (
            *_leaving(self._parent),
            *limits.limiting(self._walls.limits, gpu=gpu_index is not None),
            *_raising(tier, gpu_index, ruleset, self._parent),
        )
        return ruleset, Steps(steps)


def raise_walls(tier: Tier, parent_pid: int) -> None:
    """Only what the kernel must enforce, without limits: to try whether a machine can do it.

    Raises:
        OSError: the kernel refused a wall.
        WallMissingError: a wall does not hold.
    """
    give_up_rights()
    Steps(_raising(tier, None, _ruleset(tier, None), parent_pid)).take()


def _has_walls(tier: Tier) -> bool:
    return tier in (Tier.LANDLOCK_SECCOMP, Tier.SECCOMP)


def give_up_rights() -> None:
    """Those that this process has, and those that a program could gain by being executed; for good."""
    capabilities.give_up()
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)


def be_first_to_go() -> None:
    """Where memory runs out, the kernel is to end this process and no other; no wall, so it may fail.

    Of a process and its forks, which inherit this, the kernel takes the largest: the one that grows.
    """
    with contextlib.suppress(OSError):
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        os.write(score, b"1000")
        os.close(score)


def _ruleset(tier: Tier, gpu_index: int | None) -> tuple[int, ...]:
    """The descriptor of the Landlock rules of a tier; none if it has no Landlock."""
    if tier is not Tier.LANDLOCK_SECCOMP:
        return ()
    more = () if gpu_index is None else gpu.openings(gpu_index)
    return (landlock.ruleset((*landlock.libraries_only(), *more)),)


# ---- what a fork does ------------------------------------------------------------------------------------------------


def _leaving(parent_pid: int) -> Iterator[Step]:
    """Take nothing over from the parent but memory and descriptors, and die with it."""
    yield Step("leave the parent's session", "setsid")
    if sys.platform == "linux":
        yield Step("die with the parent", "prctl", (PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    yield Step("find the process that this candidate belongs to", "getppid", answer=parent_pid)
    for number in _handled_signals():
        yield Step(f"take back what signal {number} does", "signal", (number, signal.SIG_DFL))
    yield Step("let all signals in", "sigprocmask", (signal.SIG_SETMASK, kernel.in_memory(NO_SIGNALS), 0))
    # what was open already is shared with every other job, and so are its flags, which each of them can set and read
    yield Step("close the parent's standard input", "close", (0,))
    yield Step("open one of its own", "open", (kernel.in_memory(b"/dev/null\0"), os.O_RDONLY), answer=0)
    yield Step("keep what it makes to itself", "umask", (0o077,))
    yield Step("go to the root folder", "chdir", (kernel.in_memory(b"/\0"),))


def _handled_signals() -> Iterator[int]:
    """Those that this process does something about, and SIGCHLD, about which one that has children will."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if number == signal.SIGCHLD or signal.getsignal(number) != signal.SIG_DFL:
            yield int(number)


def _raising(tier: Tier, gpu_index: int | None, ruleset: Sequence[int], parent_pid: int) -> Iterator[Step]:
    """Build the walls, and try to break through them."""
    if not _has_walls(tier):
        return
    if gpu_index is None:  # its driver reads /proc/self, which this would close
        yield _leaving_no_core()
    for descriptor in ruleset:
        yield from landlock.restricting(descriptor)
    allowed = rules.for_walls(paths=tier is Tier.LANDLOCK_SECCOMP, gpu=gpu_index is not None)
    yield seccomp.installing(seccomp.assembled(allowed))
    yield from canaries.singing(tier, parent_pid)


def _leaving_no_core() -> Step:
    """Whatever kills the process, its memory is not written down.

    The limit on core files does not see to that where the kernel hands them to a program (systemd-coredump, apport):
    that one is started all the same, by root, outside of all walls. See core(5).
    """
    return Step("leave no core", "prctl", (PR_SET_DUMPABLE, 0, 0, 0, 0))


def _refuse(error: BaseException) -> NoReturn:
    """End this process, with what is wrong on standard error, before it has run anything of a candidate."""
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # its exit code is to say what happened
        os.write(2, f"the walls around this candidate do not stand: {type(error).__name__}: {error}\n".encode())
    finally:  # whether anybody hears it or not
        os._exit(WALL_MISSING)
