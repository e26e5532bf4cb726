"""Workers that are loaded ahead and used once each: the zygote's stand-in where a fork after torch is not safe.

For macOS, whose frameworks allow almost nothing in a forked child. A worker takes seconds to load, so the next ones
load while this one works. Best effort: tried on Linux without its walls, never on a Mac.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import IO, final

from archsearch.sandbox.frames import FrameReader, frame_head
from archsearch.sandbox.message import say
from archsearch.sandbox.process import ENVIRONMENT, PYTHON
from archsearch.sandbox.progress import Listener, Tell
from archsearch.sandbox.report import Report
from archsearch.sandbox.seatbelt import PROGRAM, profile
from archsearch.sandbox.watch import Ends, Watch
from archsearch.sandbox.worker import described
from archsearch.settings import Limits

ENTRY = "import sys; sys.argv[0] = 'archsearch-worker'; from archsearch.sandbox.worker import main; main()"
LOADED_AHEAD = 2
LOADED_MB = 400.0
"""About what a worker holds before its job; what it may use comes on top."""


def behind_seatbelt() -> tuple[str, ...]:
    """The command that runs another behind the walls of macOS."""
    return (PROGRAM, "-p", profile())


@final
class WorkerPool:
    """Workers of one kind.

    Args:
        limits: what each job may use.
        warm_up: entries that a worker runs before it takes its job.
        prefix: a command that runs another behind walls, e.g. sandbox-exec with its profile.
    """

    def __init__(self, limits: Limits, warm_up: Sequence[str], prefix: Sequence[str]) -> None:
        self._limits, self._warm_up, self._prefix = limits, tuple(warm_up), tuple(prefix)
        self._lock = threading.Lock()
        self._waiting: deque[_Worker] = deque()
        self._running: set[_Worker] = set()
        self._closed = False

    def start(self) -> None:
        """Begin to load workers, if there are too few."""
        with self._lock:
            self._fill()

    def run(self, entry: str, given: Mapping[str, bytes], reader: FrameReader, tell: Tell | None = None) -> Report:
        """Run one job and wait for it."""
        with self._lock:
            self._fill()
            if not self._waiting:
                return Report(None, bad="the sandbox is closed")
            worker = self._waiting.popleft()
            self._running.add(worker)
            self._fill()
        try:
            return worker.work(entry, given, reader, tell)
        finally:
            with self._lock:
                self._running.discard(worker)

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            self._closed = True
            waiting, running = list(self._waiting), list(self._running)
            self._waiting.clear()
        for worker in running:
            worker.end()
        for worker in waiting:
            worker.discard()

    def _fill(self) -> None:
        while not self._closed and len(self._waiting) < LOADED_AHEAD:
            self._waiting.append(_Worker(self._limits, self._warm_up, self._prefix))


@final
class _Worker:
    """One process."""

    def __init__(self, limits: Limits, warm_up: Sequence[str], prefix: Sequence[str]) -> None:
        self._limits = limits
        self._stack = ExitStack()
        (self._result, result), (self._log, log), (self._progress, progress) = os.pipe(), os.pipe(), os.pipe()
        os.set_blocking(progress, False)
        for end in (self._result, self._log, self._progress):
            self._stack.callback(os.close, end)
        self._process = subprocess.Popen(
            [*prefix, *PYTHON, "-c", ENTRY, str(result), str(progress), described(limits), *warm_up],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            pass_fds=(result, progress),
        )
        for end in (result, log, progress):
            os.close(end)

    def work(self, entry: str, given: Mapping[str, bytes], reader: FrameReader, tell: Tell | None) -> Report:
        """Hand the job over and wait for its end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # macOS has no SEQPACKET
        helpers = [
            threading.Thread(target=self._tell, args=(theirs,), daemon=True),
            threading.Thread(target=self._send, args=(entry, given, tell is not None), daemon=True),
        ]
        listener = None if tell is None else Listener(self._progress, tell)
        with self._stack, ours:
            for helper in helpers:
                helper.start()
            ends = Ends(ours, self._result, self._log, listener, self.end)
            return Watch(ends, self._limits, LOADED_MB, reader).to_the_end()

    def end(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended; so has all of its group
            os.killpg(self._process.pid, signal.SIGKILL)

    def discard(self) -> None:
        """Kill it before it has had a job."""
        self.end()
        self._process.wait()
        self._input().close()
        self._stack.close()

    def _tell(self, channel: socket.socket) -> None:
        """Say to the watch what a zygote says."""
        with channel, contextlib.suppress(OSError):  # it has given up waiting
            say(channel, {"pid": self._process.pid, "handle": False})
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)  # so that nobody waits for it again
            say(channel, {"exit": self._process.returncode, "cpu_seconds": usage.ru_utime + usage.ru_stime})

    def _send(self, entry: str, given: Mapping[str, bytes], tells: bool) -> None:
        """In a thread of its own: a worker that still loads does not read."""
        sizes = [len(content) for content in given.values()]
        what = {"entry": entry, "names": list(given), "sizes": sizes, "tells": tells}
        head = frame_head(what, sum(sizes))
        with contextlib.suppress(BrokenPipeError), self._input() as pipe:  # it died: the watch sees that
            for piece in (head, *given.values()):
                pipe.write(piece)

    def _input(self) -> IO[bytes]:
        pipe = self._process.stdin
        assert pipe is not None
        return pipe
