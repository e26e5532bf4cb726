"""Bytes that a job may read and nobody can change any more: how data get in, with no file and no copy per job."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
from typing import final

F_ADD_SEALS = 1033
"""From linux/fcntl.h; Python names it from 3.12 on only on some systems."""
SEALS = 0x1 | 0x2 | 0x4 | 0x8
"""F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE. Without them a job that inherits the descriptor for reading
could open it anew for writing through /proc/self/fd and change what every later job is given."""


@final
class Sealed:
    """A memory file whose content is fixed for good; made once, handed to as many jobs as one likes.

    Where there are no memory files (macOS), the content is kept here and sent to each job.
    """

    def __init__(self, descriptor: int, size: int, content: bytes = b"") -> None:
        self._descriptor = descriptor
        self.size = size
        self.content = content

    @staticmethod
    def kept(content: bytes) -> Sealed:
        """A content that is sent and not shared."""
        return Sealed(-1, len(content), content)

    @staticmethod
    def of(name: str, content: bytes | memoryview) -> Sealed:
        """Seal a content.

        Args:
            name: how it is called in lists of open files; for people only.
            content: what a job is to read.

        Raises:
            OSError: there is no memory or no file descriptor left.
        """
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            write_all(descriptor, memoryview(content).cast("B"))
            fcntl.fcntl(descriptor, F_ADD_SEALS, SEALS)
        except BaseException:
            os.close(descriptor)
            raise
        return Sealed(descriptor, len(memoryview(content).cast("B")))

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""
        return self._descriptor

    def close(self) -> None:
        """Give it up; jobs that have it keep it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def mapped(descriptor: int, size: int) -> memoryview:
    """A sealed content as read-only memory of this process, which outlives the descriptor.

    By the C library, because Python's own `mmap` keeps a duplicate of the descriptor for as long as it lives, and no
    descriptor is to stay open in a job that it does not need.

    Raises:
        OSError: it cannot be mapped.
    """
    if size == 0:
        return memoryview(b"")
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    address = library.mmap(None, size, mmap.PROT_READ, mmap.MAP_PRIVATE, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B").toreadonly()


def write_all(descriptor: int, rest: memoryview) -> None:
    """Write until nothing is left."""
    while rest:
        rest = rest[os.write(descriptor, rest) :]
