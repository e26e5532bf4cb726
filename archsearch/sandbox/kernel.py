"""Calls into the Linux kernel that Python has no name for, by the numbers of the committed tables."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TABLES = Path(__file__).with_name("syscalls")


@dataclass(frozen=True)
class Table:
    """The system calls of one architecture, made by scripts/make_syscall_tables.py.

    Attributes:
        machine: its name, as uname(2) gives it.
        audit: its number in the kernel's audit and seccomp interfaces (linux/audit.h).
        headers: the version of the kernel headers that the table was made from.
        numbers: the number of each call, by name.
    """

    machine: str
    audit: int
    headers: str
    numbers: dict[str, int]


@functools.cache
def table(machine: str) -> Table | None:
    """The table of an architecture; None if there is none."""
    path = TABLES / f"{machine}.json"
    if not path.is_file():
        return None
    made = json.loads(path.read_text(encoding="utf-8"))
    return Table(machine, made["audit"], made["headers"], made["calls"])


@functools.cache
def own_table() -> Table:
    """The table of this process, which is of the kernel's own word size.

    Raises:
        OSError: this architecture has no table, so no wall can be built on it.
    """
    machine = os.uname().machine
    found = table(machine) if sys.platform == "linux" and sys.maxsize > 1 << 32 else None
    if found is None:
        raise OSError(f"no table of system calls for {sys.platform} on {machine}")
    return found


def call(name: str, *arguments: int) -> int:
    """Make a system call.

    Args:
        name: of the call.
        arguments: numbers, and addresses of memory that the caller keeps alive.

    Raises:
        OSError: the kernel refused.
    """
    number = own_table().numbers[name]
    return _checked(name, function("syscall")(number, *(ctypes.c_long(argument) for argument in arguments)))


def prctl(option: int, *arguments: int) -> int:
    """Change or ask something of the process itself, through the C library, which needs no table.

    Raises:
        OSError: the kernel refused.
    """
    given = (*arguments, 0, 0, 0, 0)[:4]  # the kernel refuses some options unless the rest is zero
    return _checked("prctl", function("prctl")(option, *(ctypes.c_long(argument) for argument in given)))


Memory = ctypes.Array[ctypes.c_char] | ctypes.Structure
"""What has an address, `ctypes.addressof`, for as long as it is held."""


def in_memory(content: bytes) -> ctypes.Array[ctypes.c_char]:
    """Bytes that the kernel can be given the address of."""
    return (ctypes.c_char * len(content)).from_buffer_copy(content)


def _checked(name: str, result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


@functools.cache
def function(name: str) -> Callable[..., int]:
    """A function of the C library, looked up on first use: other systems lack some.

    What it returns, -1 for an error, is read as a number of the machine's word size: for `signal` it is an address.
    """
    found: Callable[..., int] = getattr(ctypes.CDLL(None, use_errno=True), name)
    found.restype = ctypes.c_long if name in ("syscall", "signal") else ctypes.c_int  # type: ignore[attr-defined]
    return found
