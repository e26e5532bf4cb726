"""What a machine lacks while a run is written: a search ends, and says how to go on with it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archsearch.errors import MachineError

NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


@contextmanager
def telling_what_lacks(folder: Path, then: str) -> Iterator[None]:
    """Turn errors for which only the machine is to blame into one that says so.

    Args:
        folder: the run that is written meanwhile.
        then: what to do once the machine has what it lacked.

    Raises:
        MachineError: the disk is full or cannot be written to, no file can be opened any more, or what the block says.
    """
    try:
        yield
    except MachineError as error:
        raise MachineError(error.message, f"{error.remedy}\n  {then}".strip()) from error
    except OSError as error:
        if error.errno in NO_PLACE:
            message, remedy = "its files cannot be written", "Make room on that disk."
        elif error.errno in NO_DESCRIPTORS:
            message, remedy = "no file can be opened", "Allow more of them (`ulimit -n 4096`), or use fewer --workers."
        else:
            raise
        raise MachineError(f"{folder}: {message} ({error.strerror}).", f"{remedy}\n  {then}") from error
