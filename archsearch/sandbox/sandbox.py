"""Run jobs at arm's length: in a process of their own, with limits, killed as a whole when they go beyond them."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from archsearch.sandbox.confinement import LOG_FILE
from archsearch.sandbox.process import ZygoteProcess
from archsearch.settings import Limits


@dataclass(frozen=True)
class Report:
    """How a job ended.

    Attributes:
        exit: exit code, negative for a signal; None if the process that watched it died.
        killed: why it was killed, if it was.
        wall_seconds: how long it took.
        cpu_seconds: processor time that it used.
        log: what it printed, cut to the limit, control characters replaced.
    """

    exit: int | None
    killed: Literal["time", "memory"] | None
    wall_seconds: float
    cpu_seconds: float
    log: str


class ClosedError(Exception):
    """A folder was asked for in a sandbox that is closed."""


class Sandbox:
    """A zygote and the folders of its jobs; one job at a time, so use one sandbox per worker.

    `close` may be called from another thread, whatever this one is doing.

    Args:
        limits: what each job may use.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()  # held while the three below are looked at and changed, never while waiting
        self._closed = False
        self._place: Path | None = None
        self._zygote: ZygoteProcess | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the zygote with whatever it runs, for good, and remove the folders."""
        with self._lock:
            self._closed = True
            zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.end()
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)

    def folder(self) -> Path:
        """A new empty folder for one job.

        Raises:
            ClosedError: the sandbox is closed.
        """
        if self._current() is None:
            raise ClosedError("expected an open sandbox, found one that is closed")
        return Path(tempfile.mkdtemp(dir=self._place))

    def clear(self) -> None:
        """Remove the folders of all jobs so far."""
        with contextlib.suppress(FileNotFoundError):  # `close` was faster
            for folder in self._place.iterdir() if self._place is not None else ():
                shutil.rmtree(folder, ignore_errors=True)

    def run(self, entry: str, folder: Path) -> Report:
        """Run one job.

        Args:
            entry: `module:function`; the function takes the job's folder, which is then its working directory.
            folder: where its files lie, from `folder()`.

        Raises:
            MachineError: no job can be run on this machine.
        """
        job = {"entry": entry, "folder": str(folder), "limits": self._limits.model_dump()}
        report = None
        for _ in range(2):  # a zygote that died between two jobs is replaced once
            zygote = self._current()
            report = None if zygote is None else zygote.ask(job)
            if report is not None or zygote is None:
                break
            self._discard(zygote)
        log = _read_log(folder / LOG_FILE, self._limits.log_kb)
        if report is None:
            return Report(None, None, 0.0, 0.0, log)
        return Report(report["exit"], report["killed"], report["wall_seconds"], report["cpu_seconds"], log)

    def _current(self) -> ZygoteProcess | None:
        """The zygote, started if there is none; None if the sandbox is closed.

        The folder is made just before the zygote that will remove it, so that it outlives no search that is killed.
        """
        with self._lock:
            if self._closed:
                return None
            if self._place is None:
                self._place = Path(tempfile.mkdtemp(prefix="archsearch-"))
            if self._zygote is None:
                self._zygote = ZygoteProcess(self._place)
            return self._zygote

    def _discard(self, zygote: ZygoteProcess) -> None:
        """End a zygote that died; nothing if another thread does so already."""
        with self._lock:
            mine = self._zygote is zygote
            self._zygote = None if mine else self._zygote
        if mine:
            zygote.end()


def read_capped(path: Path, most_bytes: int) -> bytes | None:
    """The content of a file that a job left; None if there is none, it is no regular file, or it is too large."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most_bytes)


def _read_log(path: Path, most_kb: int) -> str:
    """The end of a log as text that is safe to show."""
    content = read_capped(path, 1 << 30) or b""  # the limit on file size has kept it small
    return printable(content[-most_kb * 1024 :].decode("utf-8", "replace"))


def printable(text: str) -> str:
    """Text without control characters, which could rewrite a terminal."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
