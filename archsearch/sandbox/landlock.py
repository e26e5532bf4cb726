"""The wall around files: Landlock, which lets a process give up, for good, every file but those that it names.

Everything that the running kernel can refuse is refused; each newer ABI of Landlock adds to that. What it cannot refuse
(chmod, chown, times, attributes of a file by its name, stat) the seccomp filter does, but for stat.

Reference: linux/landlock.h, Documentation/userspace-api/landlock.rst of the kernel.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from archsearch.sandbox import kernel, libraries
from archsearch.sandbox.steps import Step, system_call

CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""The rights that a rule about a single file may name; the kernel refuses others."""

READ = READ_FILE | READ_DIR
USE_DEVICE = READ_FILE | WRITE_FILE | IOCTL_DEV

DEVICES = ("/dev/urandom", "/dev/zero", "/dev/null", "/sys/devices/system/cpu", "/sys/devices/system/node")
"""Randomness, nothing, and the facts about processors that thread pools are sized by: to be read."""


@dataclass(frozen=True)
class Handled:
    """What a kernel's Landlock can refuse, as bits: on files, on the network, and on what lies outside of the walls."""

    files: int
    network: int
    scopes: int


@dataclass(frozen=True)
class Opening:
    """A path that is left open, and the rights on it and on all below it."""

    path: str
    rights: int


def abi() -> int:
    """The version of Landlock on this machine; 0 if there is none.

    Old container engines refuse the call with EPERM instead of not knowing it: any error means that there is none.
    """
    try:
        return kernel.call("landlock_create_ruleset", 0, 0, CREATE_RULESET_VERSION)
    except OSError:
        return 0


def handled(version: int) -> Handled:
    """All that a version of Landlock can refuse.

    2 brought moving files between folders, 3 truncating, 4 TCP, 5 ioctl on devices, 6 abstract sockets and signals.
    Later versions than these have brought nothing to refuse that the filter does not refuse already.
    """
    files = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    return Handled((1 << files) - 1, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)


def libraries_only() -> tuple[Opening, ...]:
    """What a candidate may read: the libraries that this process has imported, and a few devices."""
    return tuple(Opening(path, READ) for path in (*libraries.readable(), *DEVICES))


def ruleset(openings: Sequence[Opening]) -> int:
    """A descriptor of a set of rules: nothing but these openings. A path that cannot be found opens nothing.

    Raises:
        OSError: this kernel has no Landlock.
    """
    all_of_it = handled(abi())
    attributes = struct.pack("=QQQ", all_of_it.files, all_of_it.network, all_of_it.scopes)
    size = 24 if all_of_it.scopes else 16 if all_of_it.network else 8  # an older kernel refuses fields it does not know
    buffer = kernel.in_memory(attributes)
    made = kernel.call("landlock_create_ruleset", ctypes.addressof(buffer), size, 0)
    for opening in openings:
        _leave_open(made, opening, all_of_it.files)
    return made


def restricting(made: int) -> tuple[Step, ...]:
    """Put the process, which must have one thread, behind a ruleset for good, and close that."""
    return (
        system_call("put up Landlock's rules", "landlock_restrict_self", made, 0),
        Step("close Landlock's rules", "close", (made,)),
    )


def _leave_open(made: int, opening: Opening, known: int) -> None:
    try:
        at = os.open(opening.path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):  # what this process cannot reach, no child of it could either
        return
    try:
        whole = known if stat.S_ISDIR(os.fstat(at).st_mode) else known & OF_A_FILE
        rule = kernel.in_memory(struct.pack("=Qi", opening.rights & whole, at))
        kernel.call("landlock_add_rule", made, RULE_PATH_BENEATH, ctypes.addressof(rule), 0)
    finally:
        os.close(at)
