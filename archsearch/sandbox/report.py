"""What is known of a job that has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Killed = Literal["time", "cpu", "memory", "threads", "output", "result"]


@dataclass(frozen=True)
class Report:
    """How a job ended, and what it sent.

    Attributes:
        exit: exit code, negative for a signal; None if nobody knows, because the process that watched it died too or
            the sandbox was closed.
        killed: which limit it broke, if it was killed for that.
        wall_seconds: how long it took.
        cpu_seconds: processor time that it used.
        log: the end of what it printed, control characters replaced. A stranger wrote it.
        header: the header of its frame: a claim, nothing else. None if there is no frame that can be read.
        blob: the bytes of its frame, of a length that was asked for; None without a header.
        bad: why there is no frame, if there is none.
    """

    exit: int | None
    killed: Killed | None = None
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    log: str = ""
    header: dict[str, Any] | None = None
    blob: bytes | None = None
    bad: str | None = None
