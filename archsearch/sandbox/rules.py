"""Which system calls a candidate may make, and why; whatever is not listed here is refused.

A candidate computes: it needs memory, threads, clocks, and the descriptors that it was given. It needs no network, no
other process, no right and no new file. An allow-list keeps that promise for calls that do not exist yet, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

OWN_PID = "own pid"
"""Stands in a check for the number of the process that the filter is built for."""


class Answer(Enum):
    """What the kernel does with a call."""

    RUN = "run"
    REFUSED = "refused"
    """Say EPERM."""
    UNKNOWN = "unknown"
    """Say ENOSYS, as a kernel that lacks the call, so that the C library takes the older one."""
    CHANGED = "changed"
    """Say EAGAIN, which of a lock means that it has changed meanwhile, so that the caller looks again."""


@dataclass(frozen=True)
class OneOf:
    """An argument must have one of some values.

    Attributes:
        argument: which one, from 0.
        values: what it may be.
        words: how many 32-bit words of it the kernel reads: 1 for an `int`, whose upper half may hold anything.
    """

    argument: int
    values: tuple[int | str, ...]
    words: int = 1


@dataclass(frozen=True)
class NoneOf:
    """An argument (an `int`) must have none of some values."""

    argument: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class WithoutBits:
    """An argument (an `int`) must have none of some bits."""

    argument: int
    bits: int


@dataclass(frozen=True)
class WithBits:
    """An argument (an `int`) must have one of some bits at least."""

    argument: int
    bits: int


Check = OneOf | NoneOf | WithoutBits | WithBits


@dataclass(frozen=True)
class Rule:
    """One family of system calls.

    Attributes:
        calls: their names; a name that an architecture lacks is passed over.
        reason: why a candidate needs them, and why they are safe.
        check: what an argument must be; without it, any argument will do.
        answer: what happens to a call that passes.
        otherwise: what happens to one that does not.
        paths: whether they name files, so that they need Landlock beside them.
    """

    calls: tuple[str, ...]
    reason: str
    check: Check | None = None
    answer: Answer = Answer.RUN
    otherwise: Answer = Answer.REFUSED
    paths: bool = False


def _rule(
    calls: str,
    reason: str,
    check: Check | None = None,
    answer: Answer = Answer.RUN,
    otherwise: Answer = Answer.REFUSED,
    paths: bool = False,
) -> Rule:
    return Rule(tuple(calls.split()), reason, check, answer, otherwise, paths)


PTHREAD_FLAGS = (0x3D0F00, 0x7D0F00)
"""What glibc and musl give to clone(2) for a thread: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID,
CHILD_CLEARTID; musl adds DETACHED, which does nothing. From linux/sched.h."""

FCNTL = (0, 1, 2, 3, 4, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC."""

IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""

PRCTL = (15, 16, 0x53564D41, 3)
"""PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE."""

NOT_READING = 0o3 | 0o100 | 0o1000 | 0o10000000
"""Bits of open(2) that do more or less than read: the access mode (WRONLY, RDWR), CREAT, TRUNC, and PATH, a handle that
Landlock does not see. TMPFILE needs one of the first. From asm-generic/fcntl.h, the same on both architectures."""

FUTEX_PRIVATE = 128
"""FUTEX_PRIVATE_FLAG of linux/futex.h."""

UNCOUNTED = 0x1 | 0x100 | 0x40000
"""Bits of mmap(2), MAP_SHARED, MAP_GROWSDOWN and MAP_HUGETLB, for memory that no limit counts: shared pages stay when
all but one of them are unmapped, and the other two have accounts of their own. The same on both architectures."""

HARMLESS = (
    _rule(
        "munmap mprotect mremap madvise brk msync",
        "memory of its own, whose size is limited",
    ),
    _rule(
        "read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek close close_range fstat",
        "the descriptors that it was given: sealed inputs, the result pipe, the log pipe",
    ),
    _rule("dup dup2 dup3 pipe pipe2 eventfd2", "descriptors within itself; how many is limited"),
    _rule(
        "poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2",
        "waiting for its own descriptors",
    ),
    _rule(
        "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getitimer setitimer alarm",
        "reading clocks and sleeping; its timers signal only itself",
    ),
    _rule(
        "set_robust_list rseq set_tid_address membarrier sched_yield",
        "locks and start of threads, all within its own memory",
    ),
    _rule(
        "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack pause"
        " restart_syscall",
        "handling its own signals; SIGKILL of the watchdog cannot be handled",
    ),
    _rule(
        "getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp",
        "numbers that say who it is; they give no right",
    ),
    _rule(
        "uname sysinfo getrusage getrlimit getcpu sched_get_priority_max sched_get_priority_min"
        " sched_getaffinity sched_getparam sched_getscheduler",
        "facts about machine and use that libraries size their thread pools by; the last three take any process number,"
        " because thread libraries ask them of their threads, and so tell whether a number is in use; no job can set"
        " what they tell of it, else another could read that",
    ),
    _rule("getrandom", "seeds; on x86 the processor gives the same without a call"),
    _rule("exit exit_group", "ending itself"),
)

CHECKED = (
    _rule(
        "mmap",
        "memory of its own; a mapping of a file needs a descriptor, which it cannot open for writing",
        WithoutBits(3, UNCOUNTED),
    ),
    _rule(
        "clone",
        "threads, by the very flags of the C library: no other process, no namespace, no other parent",
        OneOf(0, PTHREAD_FLAGS, words=2),
    ),
    _rule(
        "clone3",
        "its flags lie in memory, where a filter cannot read them; the C library then falls back to clone",
        answer=Answer.UNKNOWN,
    ),
    _rule(
        "futex",
        "locks of its own threads; one that is not private may lie in a page of a file, say of a library, that other"
        " jobs have too: who waits there hears who wakes. The C library waits like that for the end of a thread; it is"
        " told to look again, until the thread has ended",
        WithBits(1, FUTEX_PRIVATE),
        otherwise=Answer.CHANGED,
    ),
    _rule(
        "kill tgkill",
        "abort() and raise() signal the process itself; the search and other candidates must not hear from it",
        OneOf(0, (OWN_PID,)),
    ),
    _rule(
        "prlimit64",
        "reading and lowering its own limits; of another process it could lower them",
        OneOf(0, (0, OWN_PID)),
    ),
    _rule(
        "fcntl",
        "duplicates and flags of descriptors; F_SETOWN and F_SETSIG would let the kernel send signals for it,"
        " F_ADD_SEALS and F_SETPIPE_SZ would change what others hold",
        OneOf(1, FCNTL),
    ),
    _rule(
        "ioctl",
        "questions that the C library asks of every stream; TIOCSTI would type into a terminal, FIOSETOWN is F_SETOWN,"
        " and every device driver adds its own",
        OneOf(1, IOCTL),
    ),
    _rule(
        "prctl",
        "names of threads and of memory; PR_SET_PDEATHSIG would let it outlive its parent",
        OneOf(0, PRCTL),
    ),
)

PATHS = (
    _rule(
        "open",
        "reading the Python libraries that Landlock leaves open; Landlock refuses writing, and so does this",
        WithoutBits(1, NOT_READING),
        paths=True,
    ),
    _rule("openat", "the same as open", WithoutBits(2, NOT_READING), paths=True),
    _rule("getdents64", "listing the folders of the Python libraries, which an import does", paths=True),
    _rule(
        "stat lstat newfstatat statx access faccessat faccessat2 getcwd statfs fstatfs",
        "an import asks whether files exist; Landlock does not cover these, so they tell it of files elsewhere, too."
        " Nor does it cover reading where a link points, which is content, and which no import needs",
        paths=True,
    ),
)

UNSAFE_IOCTL = (0x5410, 0x5412, 0x541C, 0x5423, 0x540E, 0x8901, 0x8902)
"""TIOCSPGRP, TIOCSTI, TIOCLINUX, TIOCSETD, TIOCSCTTY, FIOSETOWN, SIOCSPGRP."""

AF_UNIX = 1
MFD_SEALABLE = 0x1 | 0x2 | 0x8
"""MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, from linux/memfd.h: no huge pages, no executable."""

GPU = (
    _rule("ioctl", "a GPU driver is talked to by its own ioctl numbers, hundreds of them", NoneOf(1, UNSAFE_IOCTL)),
    _rule("memfd_create", "the CUDA driver refuses to start without it (error 304)", WithoutBits(1, ~MFD_SEALABLE)),
    _rule("ftruncate", "sizing the memfd that the driver made; no other descriptor of it is open for writing"),
    _rule(
        "socket",
        "the CUDA driver makes one; it is never connected, since connect and bind are refused",
        OneOf(0, (AF_UNIX,)),
    ),
    _rule("mmap", "memory is shared with the driver; how much, the address space of a GPU job does not limit either"),
    _rule("open", "device files are opened for writing; which ones, Landlock decides", paths=True),
    _rule("openat", "the same as open", paths=True),
    _rule("readlink readlinkat", "what /sys says of a device is reached over links", paths=True),
    _rule("mbind get_mempolicy set_mempolicy", "placing pinned memory near the GPU"),
)
"""What a GPU needs besides; a rule here takes the place of the one for the same call. Not verified: see gpu.py."""


def for_walls(paths: bool, gpu: bool) -> tuple[Rule, ...]:
    """The rules of one kind of walls.

    Args:
        paths: whether Landlock stands beside the filter, so that calls that name files can be let through.
        gpu: whether a GPU is to be used, which needs device files and therefore Landlock.

    Raises:
        ValueError: a GPU was asked for without Landlock, which alone tells one device file from another.
    """
    if gpu and not paths:
        raise ValueError(
            "expected Landlock beside a GPU, found none: the filter alone cannot tell one file from another"
        )
    usual = HARMLESS + CHECKED + (PATHS if paths else ())
    return tuple(_without(usual, GPU) + GPU) if gpu else usual


def _without(usual: tuple[Rule, ...], others: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The usual rules, less the calls that others speak of."""
    spoken = {call for rule in others for call in rule.calls}
    kept = ((rule, tuple(call for call in rule.calls if call not in spoken)) for rule in usual)
    return tuple(replace(rule, calls=calls) for rule, calls in kept if calls)
