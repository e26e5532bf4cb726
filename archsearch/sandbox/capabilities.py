"""Giving up the rights of root, which otherwise lift limits and open files that belong to others.

A process of an ordinary user has none; then nothing is done. Reference: capabilities(7), linux/capability.h.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from archsearch.sandbox import kernel

VERSION_3 = 0x20080522
"""Capabilities in two 32-bit words."""

NO_SETS = bytes(24)
"""Three sets of two words: effective, permitted, inheritable."""

PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
MOST = 64


def give_up() -> None:
    """Give up every capability, and the way to get one back, for good.

    Raises:
        OSError: the kernel refused, or one is left.
    """
    if not held():
        return
    _empty_bounding_set()
    kernel.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    _set_none()
    if held():
        raise OSError(errno.EPERM, "a capability is left")


def held() -> bool:
    """Whether any capability is effective, permitted or inheritable."""
    header, sets = _header(), kernel.in_memory(NO_SETS)
    kernel.call("capget", ctypes.addressof(header), ctypes.addressof(sets))
    return any(sets.raw)


def _empty_bounding_set() -> None:
    """Take every capability that the kernel knows out of what could ever be gained; it says EINVAL after the last."""
    for number in range(MOST):
        try:
            present = kernel.prctl(PR_CAPBSET_READ, number)
        except OSError:
            return
        if present:
            _drop(number)


def _drop(number: int) -> None:
    """Not every root may: without CAP_SETPCAP the set stays, which no_new_privs makes harmless."""
    try:
        kernel.prctl(PR_CAPBSET_DROP, number)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise


def _set_none() -> None:
    header, sets = _header(), kernel.in_memory(NO_SETS)
    kernel.call("capset", ctypes.addressof(header), ctypes.addressof(sets))


def _header() -> ctypes.Array[ctypes.c_char]:
    """Struct __user_cap_header_struct: the version, and 0 for this process."""
    return kernel.in_memory(struct.pack("=Ii", VERSION_3, 0))
