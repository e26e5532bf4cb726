"""What a running job says of how far it is: a claim for a person to look at, never a score.

Each record has the same length, is written at once and means nothing to any other. The job's end of the pipe does not
wait: what nobody reads in time is lost. The broker looks at the pipe some times a second, reads no more than a piece of
it and takes no more of its records than an honest job writes, so that a job that floods it costs no more than others.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from archsearch.plain_text import one_line

LONGEST_STAGE = 52
RECORD = struct.Struct(f"<dI{LONGEST_STAGE}s")
"""Error, iteration, and the name of the stage in UTF-8, filled up with zeros: 64 bytes, less than a pipe may tear."""
EVERY_SECONDS = 0.05
PIECE_BYTES = 1024 * RECORD.size
MOST = 64
"""Records that are taken at once, however long nobody looked."""


@dataclass(frozen=True)
class Told:
    """How far a job says that it is.

    Attributes:
        stage: what it does.
        step: the iteration of this stage.
        error: what this stage lowers, finite and not negative; None if that is not known.
    """

    stage: str
    step: int = 0
    error: float | None = None


Tell = Callable[[Told], None]


def nobody(_: Told) -> None:
    """Nobody wants to know."""


def packed(stage: str, step: int, error: float) -> bytes:
    """A record, the name of the stage cut where it is too long."""
    return RECORD.pack(error, min(step, 0xFFFFFFFF), stage.encode()[:LONGEST_STAGE])


def told_in(piece: bytes, most: int) -> list[Told]:
    """The last whole records of what was read, whatever it is, in order and no more than so many."""
    whole = len(piece) // RECORD.size
    first = max(0, whole - most)
    return [_told(*RECORD.unpack_from(piece, index * RECORD.size)) for index in range(first, whole)]


def _told(error: float, step: int, stage: bytes) -> Told:
    name = one_line(stage.rstrip(b"\0").decode("utf-8", "replace"), LONGEST_STAGE)
    return Told(name, step, error if math.isfinite(error) and error >= 0 else None)


@final
class Teller:
    """The job's end.

    Args:
        descriptor: of a pipe that does not make its writer wait.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._next = -math.inf

    def __call__(self, stage: str, step: int, error: float) -> bool:
        """Say how far the job is, unless it has just done so; always True: nobody wants to stop it."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY_SECONDS
            with contextlib.suppress(OSError):  # nobody reads as fast as that
                os.write(self._descriptor, packed(stage, step, error))
        return True


@final
class Listener:
    """The broker's end.

    Args:
        descriptor: of the pipe; whoever made it closes it.
        tell: told what the job says, in the thread that watches it, a few times a second at most.
    """

    def __init__(self, descriptor: int, tell: Tell) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor, self._tell = descriptor, tell
        self._looked, self._credit = time.monotonic(), 1.0

    def look(self, now: float) -> None:
        """Take what was said since, if it is time to, but no more than an honest job says in that time."""
        passed = now - self._looked
        if passed < EVERY_SECONDS:
            return
        self._looked, self._credit = now, min(self._credit + passed / EVERY_SECONDS, MOST)
        with contextlib.suppress(BlockingIOError):  # nothing was said
            found = told_in(os.read(self._descriptor, PIECE_BYTES), int(self._credit))
            self._credit -= len(found)
            for told in found:
                self._tell(told)
