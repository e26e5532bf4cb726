"""Watch one job until it ends or must be ended, from the thread that waits for it.

The kernel limits what a process can be limited in; what it cannot, memory that is shared, threads, output, the wall
clock, is looked at here every 20 ms. A job is killed by a handle that can mean no other process.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from archsearch.plain_text import printable
from archsearch.sandbox.frames import FrameError, FrameReader
from archsearch.sandbox.message import hear
from archsearch.sandbox.progress import Listener
from archsearch.sandbox.report import Killed, Report
from archsearch.sandbox.status import end_of, usage
from archsearch.settings import Limits

POLL_SECONDS = 0.02
OUTPUT_BYTES = 4 << 20
"""A job that prints more is killed."""
PIECE_BYTES = 1 << 17
PATIENCE_SECONDS = 2.0
"""How long a job may take to die; one that hangs inside the kernel is given up, and dies when it comes back."""
START_SECONDS = 60.0
"""How long a job may wait to be started; a fork takes milliseconds, on a machine that swaps some seconds."""


class NotStartedError(Exception):
    """The zygote took a job, started nothing and says so."""


class SilentError(Exception):
    """The zygote took a job and was not heard of since."""


class NoRoomError(Exception):
    """A job was started, and this process had no descriptor free to hold on to it."""


@dataclass(frozen=True)
class Ends:
    """This side of a job's connections; whoever made them closes them."""

    job: socket.socket
    result: int
    log: int
    progress: Listener | None = None
    kill: Callable[[], None] | None = None
    """Ends the job where there is no zygote that has sent a handle on it."""


@final
class Watch:
    """One job.

    Args:
        ends: what it is heard by.
        limits: what it may use.
        base_mb: memory that it holds before it has asked for any.
        reader: takes its result.
    """

    def __init__(self, ends: Ends, limits: Limits, base_mb: float, reader: FrameReader) -> None:
        self._ends, self._limits, self._base_mb, self._reader = ends, limits, base_mb, reader
        self._pid: int | None = None
        self._handle: int | None = None
        self._exit: int | None = None
        self._cpu_seconds = 0.0
        self._killed: Killed | None = None
        self._bad: str | None = None
        self._log, self._printed = bytearray(), 0
        self._began = time.monotonic()
        self._give_up = self._began + START_SECONDS
        self._next_look = self._began
        self._over = False
        self._poll = select.poll()
        self._listeners: dict[int, Callable[[], None]] = {
            ends.job.fileno(): self._hear,
            ends.result: self._take_result,
            ends.log: self._take_log,
        }
        for descriptor in self._listeners:
            self._poll.register(descriptor, select.POLLIN)

    def to_the_end(self) -> Report:
        """Wait until the job has ended and everything it left is read.

        Raises:
            NotStartedError: it was not started; nothing of it runs.
            SilentError: nobody knows whether it was started.
            NoRoomError: it was started and is killed, because this process has no descriptor free to watch it by.
            MemoryError: it was started and is killed, because this process has no memory free for its result.
        """
        try:
            while self._listeners and not self._over:
                for descriptor, _ in self._poll.poll(self._pause_ms()):
                    self._listeners[descriptor]()
                self._look()
            self._listen(math.inf)
        except MemoryError:
            self._kill("result")  # nobody can read it
            raise
        finally:
            if self._handle is not None:
                os.close(self._handle)
        if self._pid is None:
            raise SilentError if self._ends.job.fileno() in self._listeners else NotStartedError
        return self._report()

    # ---- what is heard ---------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """The zygote says that the job has started, and then how it ended."""
        try:
            heard = hear(self._ends.job)
        except OSError:
            heard = None
        if heard is None:
            self._forget(self._ends.job.fileno())
            self._end_orphan()
            return
        said, handles = heard
        if "pid" in said:
            self._started(int(said["pid"]), bool(said["handle"]), handles)
        else:
            self._has_ended(int(said["exit"]), float(said["cpu_seconds"]))

    def _started(self, pid: int, sent: bool, handles: list[int]) -> None:
        self._pid = pid
        self._handle = handles[0] if handles else None
        if sent and self._handle is None:
            raise NoRoomError
        self._began = time.monotonic()
        self._give_up = self._began + self._limits.wall_seconds

    def _has_ended(self, code: int, cpu_seconds: float) -> None:
        self._exit, self._cpu_seconds = code, cpu_seconds
        self._forget(self._ends.job.fileno())
        self._set_deadline(PATIENCE_SECONDS)  # nothing but its own end can hold its pipes open

    def _end_unheard(self) -> tuple[int, float] | None:
        """How a job has ended whose zygote hangs, and so does not say it; None if it runs, or nobody knows."""
        if self._pid is None or self._handle is None:
            return None
        of_all_threads = select.poll()
        of_all_threads.register(self._handle, select.POLLIN)
        return end_of(self._pid) if of_all_threads.poll(0) else None

    def _end_orphan(self) -> None:
        """The zygote died. Its children die with it; this makes sure of it."""
        self._set_deadline(PATIENCE_SECONDS)
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def _take_result(self) -> None:
        piece = os.read(self._ends.result, PIECE_BYTES)
        if not piece:
            self._forget(self._ends.result)
            return
        try:
            self._reader.feed(piece)
        except FrameError as error:
            self._bad = str(error)
            self._forget(self._ends.result)  # it gets no second chance
            self._kill("result")

    def _take_log(self) -> None:
        piece = os.read(self._ends.log, PIECE_BYTES)
        if not piece:
            self._forget(self._ends.log)
            return
        self._printed += len(piece)
        self._log += piece
        kept = self._limits.log_kb << 10
        if len(self._log) > 2 * kept:
            del self._log[:-kept]
        if self._printed > OUTPUT_BYTES:
            self._forget(self._ends.log)
            self._kill("output")

    def _listen(self, now: float) -> None:
        if self._ends.progress is not None:
            self._ends.progress.look(now)

    # ---- limits ----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Kill what has gone beyond a limit; stop waiting for what cannot be killed."""
        now = time.monotonic()
        self._listen(now)
        if now > self._give_up:
            waited_for_death = self._killed is not None or self._exit is not None or self._pid is None
            if waited_for_death or self._ends.job.fileno() not in self._listeners:
                self._over = True
            elif (end := self._end_unheard()) is not None:
                self._has_ended(*end)
            else:
                self._kill("time")
        if self._pid is None or self._killed is not None or self._exit is not None or now < self._next_look:
            return
        self._next_look = now + POLL_SECONDS
        memory_mb, threads = usage(self._pid)
        if memory_mb - self._base_mb > self._limits.memory_mb:
            self._kill("memory")
        elif threads > self._limits.threads:
            self._kill("threads")

    def _kill(self, why: Killed) -> None:
        """End the job, unless it has ended."""
        if self._killed is not None or self._exit is not None:
            return
        self._set_deadline(PATIENCE_SECONDS)
        if self._handle is None:
            self._killed = why
            if self._ends.kill is not None:
                self._ends.kill()
            else:  # Linux before 5.3: the zygote, whose child it is, can name it without mistake
                self._ends.job.shutdown(socket.SHUT_RDWR)
            return
        with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            self._killed = why

    def _set_deadline(self, seconds: float) -> None:
        self._give_up = time.monotonic() + seconds

    def _pause_ms(self) -> int:
        soon = min(POLL_SECONDS, self._give_up - time.monotonic())
        return max(1, round(1000 * soon))

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._listeners[descriptor]

    # ---- what came of it -------------------------------------------------------------------------------------------

    def _report(self) -> Report:
        header, blob = None, None
        if self._bad is None:
            try:
                header, blob = self._reader.finish()
            except FrameError as error:
                self._bad = str(error)
        text = self._log[-(self._limits.log_kb << 10) :].decode("utf-8", "replace")
        wall = time.monotonic() - self._began
        killed = self._killed or self._killed_by_the_kernel()
        if killed is not None:
            header, blob = None, None
        return Report(self._exit, killed, wall, self._cpu_seconds, printable(text), header, blob, self._bad)

    def _killed_by_the_kernel(self) -> Killed | None:
        """Whether it used up its processor time, for which the kernel kills without a word."""
        spent = self._cpu_seconds > self._limits.cpu_seconds - 0.5
        return "cpu" if spent and self._exit in (-signal.SIGKILL, -signal.SIGXCPU) else None
