"""Run jobs at arm's length: in a process of their own, with limits, killed as a whole when they go beyond them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from archsearch.errors import MachineError
from archsearch.sandbox.confinement import LOG_FILE
from archsearch.settings import Limits

ENTRY = "import sys; sys.argv[0] = 'archsearch-zygote'; from archsearch.sandbox.zygote import main; main()"


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


class Sandbox:
    """A zygote and the folders of its jobs; one job at a time, so use one sandbox per worker.

    Args:
        limits: what each job may use.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._zygote: subprocess.Popen[bytes] | None = None
        self._place = Path(tempfile.mkdtemp(prefix="archsearch-"))

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the zygote with whatever it runs, and remove the folders."""
        if self._zygote is not None:
            self._end()
        shutil.rmtree(self._place, ignore_errors=True)

    def folder(self) -> Path:
        """A new empty folder for one job."""
        return Path(tempfile.mkdtemp(dir=self._place))

    def run(self, entry: str, folder: Path) -> Report:
        """Run one job.

        Args:
            entry: `module:function`; the function takes the job's folder, which is then its working directory.
            folder: where its files lie, from `folder()`.
        """
        for _ in range(2):  # a zygote that died between two jobs is replaced once
            report = self._ask({"entry": entry, "folder": str(folder), "limits": self._limits.model_dump()})
            if report is not None:
                break
        log = _read_log(folder / LOG_FILE, self._limits.log_kb)
        if report is None:
            return Report(None, None, 0.0, 0.0, log)
        return Report(report["exit"], report["killed"], report["wall_seconds"], report["cpu_seconds"], log)

    def _ask(self, job: dict[str, Any]) -> dict[str, Any] | None:
        zygote = self._zygote or self._start()
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        try:
            zygote.stdin.write(json.dumps(job).encode() + b"\n")
            zygote.stdin.flush()
            line = zygote.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            self._end()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the zygote in an empty environment, isolated from the user's packages and working directory."""
        zygote = subprocess.Popen(
            [sys.executable, "-I", "-c", ENTRY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            cwd="/",
            start_new_session=True,
        )
        assert zygote.stdout is not None
        if not zygote.stdout.readline():
            zygote.wait()
            raise MachineError(
                "the process that runs candidates does not start", "see the lines above; then try `archsearch doctor`"
            )
        self._zygote = zygote
        return zygote

    def _end(self) -> None:
        """Close the zygote's input, which makes it kill its job and exit; then make sure of it."""
        zygote, self._zygote = self._zygote, None
        assert zygote is not None
        for pipe in (zygote.stdin, zygote.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # it is gone already
        try:
            zygote.wait(timeout=2)
        except subprocess.TimeoutExpired:
            zygote.kill()
            zygote.wait()


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
