"""The place where a candidate's process is walled in, after the fork and before it runs anything of the candidate.

The order matters. What needs a right comes first (descriptors, limits), then rights are given up (capabilities,
no_new_privs), then the walls go up, and at last the process tries to break through them itself. All of it happens while
there is one thread, which after a fork is always so: a thread from before would stay outside of Landlock.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from archsearch.sandbox import canaries, capabilities, gpu, kernel, landlock, rules, seccomp
from archsearch.sandbox.descriptors import close_all_but
from archsearch.sandbox.limits import apply_limits, baseline, common_limits
from archsearch.sandbox.tiers import Tier

if TYPE_CHECKING:
    from archsearch.settings import Limits

WALL_MISSING = 97
"""Exit code of a process that found a wall missing and therefore ran nothing."""

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
"""From linux/prctl.h."""


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


def prepare(tier: Tier, gpu_index: int | None = None) -> None:
    """Do once what is the same for all children, in the process that will fork them, after it has imported all.

    This process itself gives up its environment and the rights of root by it, takes on the limits that all jobs have,
    and is the first to go where memory runs out; its children inherit that. Optional: without it, each child does all
    of it, which costs it milliseconds.

    Raises:
        OSError: the kernel refused; then so will every child.
    """
    os.environ.clear()
    _handled_signals()
    _blocked_signals()
    kernel.default_signal(signal.SIGXCPU)  # which nobody handles; what it takes to call this is then found
    baseline()
    with contextlib.suppress(OSError, ValueError):  # then each child tries again, and says why it cannot run anything
        common_limits()
    if sys.platform == "linux":
        _first_to_go()
    if tier in (Tier.LANDLOCK_SECCOMP, Tier.SECCOMP):
        _give_up_rights()
        _filter(tier, gpu_index)
        if gpu_index is None:  # a GPU's ruleset is about the very process that makes it
            _ruleset(tier, None)


def confine(walls: Walls, keep: Sequence[int], parent_pid: int) -> None:
    """Wall in the calling process for good; where a wall cannot be built it ends with `WALL_MISSING`.

    Args:
        walls: what to build.
        keep: the descriptors that stay open besides 0, 1 and 2; every other one is closed.
        parent_pid: the process that forked this one; if that has died since, this one ends too.
    """
    try:
        _leave_parent(parent_pid)
        ruleset = _ruleset(walls.tier, walls.gpu)
        close_all_but({0, 1, 2, *keep, *ruleset})
        apply_limits(walls.limits, gpu=walls.gpu is not None)
        _raise(walls.tier, walls.gpu, ruleset, parent_pid)
    except BaseException as error:  # noqa: BLE001  # whatever went wrong, no candidate may run between half the walls
        _refuse(error)


def raise_walls(tier: Tier, parent_pid: int) -> None:
    """Only what the kernel must enforce, without limits: to try whether a machine can do it.

    Raises:
        OSError: the kernel refused a wall.
        WallMissingError: a wall does not hold.
    """
    _raise(tier, None, _ruleset(tier, None), parent_pid)


def _raise(tier: Tier, gpu_index: int | None, ruleset: tuple[int, ...], parent_pid: int) -> None:
    """Give up every right, build the walls, and try to break through them."""
    if tier not in (Tier.LANDLOCK_SECCOMP, Tier.SECCOMP):
        return
    _give_up_rights()
    if gpu_index is None:  # its driver reads /proc/self, which this would close
        _leave_no_core()
    for descriptor in ruleset:
        landlock.restrict(descriptor)
        os.close(descriptor)
    seccomp.install(_filter(tier, gpu_index).of_process(os.getpid()))
    canaries.sing(tier, parent_pid)


@functools.cache
def _give_up_rights() -> None:
    """Those that this process has, and those that a program could gain by being executed.

    Done once: a fork inherits that they are gone, and nothing brings them back.
    """
    capabilities.give_up()
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)


def _leave_no_core() -> None:
    """Whatever kills this process, its memory is not written down.

    The limit on core files does not see to that where the kernel hands them to a program (systemd-coredump, apport):
    that one is started all the same, by root, outside of all walls. See core(5).
    """
    kernel.prctl(PR_SET_DUMPABLE, 0)


@functools.cache
def _filter(tier: Tier, gpu_index: int | None) -> seccomp.Filter:
    return seccomp.assembled(rules.for_walls(paths=tier is Tier.LANDLOCK_SECCOMP, gpu=gpu_index is not None))


def _ruleset(tier: Tier, gpu_index: int | None) -> tuple[int, ...]:
    """The descriptor of the Landlock rules of a tier; none if it has no Landlock.

    A GPU needs rules about this very process, so they cannot be made before the fork.
    """
    if tier is not Tier.LANDLOCK_SECCOMP:
        return ()
    if gpu_index is None:
        return (landlock.shared_ruleset(),)
    return (landlock.ruleset((*landlock.libraries_only(), *gpu.openings(gpu_index))),)


def _leave_parent(parent_pid: int) -> None:
    """Take nothing over from the parent but memory and descriptors, and die with it."""
    os.setsid()
    if sys.platform == "linux":
        kernel.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _first_to_go()
    if os.getppid() != parent_pid:
        raise ProcessLookupError("the process that this candidate belongs to has ended")
    _reset_signals()
    os.umask(0o077)
    os.chdir("/")
    if os.environ:
        os.environ.clear()


@functools.cache
def _first_to_go() -> None:
    """Where memory runs out, the kernel is to end this process and no other; no wall, so it may fail.

    Done once, and inherited. Of the zygote and its children the kernel takes the largest, which is the one that grows.
    """
    with contextlib.suppress(OSError):
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        os.write(score, b"1000")
        os.close(score)


def _reset_signals() -> None:
    """No signal is handled, ignored or blocked as the parent had it."""
    for number in _handled_signals():
        kernel.default_signal(number)
    if _blocked_signals():
        signal.pthread_sigmask(signal.SIG_SETMASK, ())


@functools.cache
def _blocked_signals() -> bool:
    """Whether this process blocks any; asked once, since a fork blocks what its parent did."""
    return bool(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


@functools.cache
def _handled_signals() -> tuple[int, ...]:
    """Those that this process does something about, and SIGCHLD, about which one that has children will."""
    changeable = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
    handled = (int(number) for number in changeable if signal.getsignal(number) != signal.SIG_DFL)
    return (int(signal.SIGCHLD), *handled)


def _refuse(error: BaseException) -> NoReturn:
    """End this process, with what is wrong on standard error, before it has run anything of a candidate."""
    try:
        os.write(2, f"the walls around this candidate do not stand: {type(error).__name__}: {error}\n".encode())
    finally:  # whether anybody hears it or not
        os._exit(WALL_MISSING)
