"""Run jobs at arm's length: forked from a zygote, walled in, watched, killed when they go beyond their limits.

The process that calls this is the broker: it holds keys, targets and results, and a job gets none of it but what it is
given. What comes back is one frame, and bytes of it are read, never run. No file is written and no folder made.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TypeVar, final

from archsearch.errors import MachineError
from archsearch.sandbox.confinement import Walls
from archsearch.sandbox.frames import FrameReader
from archsearch.sandbox.message import Job
from archsearch.sandbox.pool import WorkerPool, behind_seatbelt
from archsearch.sandbox.process import GoneError, NotLoadedError, ZygoteProcess, not_starting
from archsearch.sandbox.progress import Listener, Tell
from archsearch.sandbox.report import Report
from archsearch.sandbox.sealed import Sealed
from archsearch.sandbox.tiers import Tier, probe
from archsearch.sandbox.watch import Ends, NoRoomError, NotStartedError, SilentError, Watch
from archsearch.settings import Limits

__all__ = ["Report", "Sandbox"]

T = TypeVar("T")

NO_ROOM = (errno.EMFILE, errno.ENFILE)
ROOM_SECONDS = 10.0
"""How long to wait for descriptors, memory or processes that are all in use: other jobs give theirs back."""
PAUSE_SECONDS = 0.05
ZYGOTES = 3
"""How many zygotes one job may lose: one that was killed from outside is replaced."""


class ClosedError(Exception):
    """Something was sealed in a sandbox that is closed."""


@final
class Sandbox:
    """A zygote, whose jobs any number of threads may run at the same time.

    `close` may be called from any thread at any time; jobs that run then end with `Report.exit` None.

    Args:
        limits: what each job may use.
        tier: the walls; None for the strongest that hold on this machine.
        gpu: the number of the one GPU that jobs may use, if any.
        warm_up: entries that the zygote runs once before it serves, for what they import and build; what is not
            imported then cannot be imported by a job where walls allow no reading of files.
    """

    def __init__(
        self, limits: Limits, tier: Tier | None = None, gpu: int | None = None, warm_up: Sequence[str] = ()
    ) -> None:
        self.tier = probe() if tier is None else tier
        self._limits = limits
        self._walls = Walls(self.tier, limits, gpu)
        self._warm_up = tuple(warm_up)
        self._pool = _workers(self.tier, limits, warm_up)
        self._lock = threading.Lock()  # held while the three below are looked at and changed, never while waiting
        self._closed = False
        self._zygote: ZygoteProcess | None = None
        self._sealed: list[Sealed] = []

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the zygote with whatever it runs, for good, and give up what was sealed."""
        with self._lock:
            self._closed = True
            zygote, self._zygote = self._zygote, None
            sealed, self._sealed = self._sealed, []
        if zygote is not None:
            zygote.end()
        if self._pool is not None:
            self._pool.close()
        for content in sealed:  # only now: until its zygote has ended, a thread may be handing one over
            content.close()

    def start(self) -> None:
        """Begin to load what jobs need, in the background; the first job does so otherwise."""
        if self._pool is not None:
            self._pool.start()
        else:
            self._current()

    def seal(self, name: str, content: bytes) -> Sealed:
        """Seal what many jobs will be given, once; it is given up with the sandbox.

        Raises:
            ClosedError: the sandbox is closed.
            MachineError: there is no file descriptor left.
        """
        sealed = Sealed.kept(content) if self._pool else _with_room(lambda: Sealed.of(name, content))
        with self._lock:
            if not self._closed:
                self._sealed.append(sealed)
                return sealed
        sealed.close()
        raise ClosedError("expected an open sandbox, found one that is closed")

    def run(
        self,
        entry: str,
        given: Mapping[str, Sealed | bytes],
        blob_bytes: int | None = None,
        tell: Tell | None = None,
    ) -> Report:
        """Run one job and wait for it.

        Args:
            entry: `module:function`; the function takes the contents by name and returns a header and a blob. Only
                entries of our own: the module is imported outside of the walls.
            given: contents by name.
            blob_bytes: the length of the blob, exactly, unless it is empty; None if any up to the limit will do.
            tell: told what the job says of how far it is, in this thread; the function then takes what says so as its
                second argument.

        Raises:
            MachineError: no job can be run on this machine.
        """
        if self._pool is not None:
            contents = {name: item.content if isinstance(item, Sealed) else item for name, item in given.items()}
            return self._pool.run(entry, contents, self._reader(blob_bytes), tell)
        found, lost = Report(None), None
        for _ in range(ZYGOTES):
            zygote = self._current()
            if zygote is None:
                return Report(None, bad="the sandbox is closed")
            try:
                found, lost = self._run(zygote, entry, given, blob_bytes, tell), None
            except GoneError as error:
                found, lost = Report(None), error
            if found.exit is not None or found.killed is not None:
                return found
            self._discard(zygote)
        if isinstance(lost, NotLoadedError):
            raise not_starting(str(lost), "if memory is short, use fewer --workers; then try `archsearch doctor`")
        return found

    def _run(
        self,
        zygote: ZygoteProcess,
        entry: str,
        given: Mapping[str, Sealed | bytes],
        blob_bytes: int | None,
        tell: Tell | None,
    ) -> Report:
        """Run a job on one zygote, again and again while this machine is too busy to start it."""
        base_mb = zygote.base_mb()
        until = time.monotonic() + ROOM_SECONDS
        while True:
            reader = self._reader(blob_bytes)
            with ExitStack() as stack:
                ends = _hand_over(zygote, entry, given, tell, stack)
                try:
                    return Watch(ends, self._limits, base_mb, reader).to_the_end()
                except SilentError:
                    raise GoneError from None
                except (NotStartedError, NoRoomError):
                    if not zygote.alive():
                        raise GoneError from None
                    if time.monotonic() > until:
                        raise _no_room() from None
            time.sleep(PAUSE_SECONDS)

    def _reader(self, blob_bytes: int | None) -> FrameReader:
        most = self._limits.result_mb << 20 if blob_bytes is None else blob_bytes
        return FrameReader(most, exact=blob_bytes is not None)

    def _current(self) -> ZygoteProcess | None:
        """The zygote, started if there is none; None if the sandbox is closed."""
        with self._lock:
            if self._zygote is None and not self._closed:
                self._zygote = _with_room(lambda: ZygoteProcess(self._walls, self._warm_up))
            return self._zygote

    def _discard(self, zygote: ZygoteProcess) -> None:
        """End a zygote that died; nothing if another thread does so already."""
        with self._lock:
            mine = self._zygote is zygote
            self._zygote = None if mine else self._zygote
        if mine:
            zygote.end()


def _workers(tier: Tier, limits: Limits, warm_up: Sequence[str]) -> WorkerPool | None:
    """What takes the place of a zygote where a fork after torch is not safe, which is everywhere but on Linux."""
    if tier is Tier.SEATBELT:
        return WorkerPool(limits, warm_up, behind_seatbelt())
    return None if sys.platform == "linux" else WorkerPool(limits, warm_up, ())


def _hand_over(
    zygote: ZygoteProcess, entry: str, given: Mapping[str, Sealed | bytes], tell: Tell | None, stack: ExitStack
) -> Ends:
    """Send a job; what it is heard by is closed with the stack, all that only it needs is closed here."""
    with ExitStack() as theirs:
        contents = {name: _sealed(name, content, theirs) for name, content in given.items()}
        ours, other = _with_room(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        stack.enter_context(ours)
        theirs.enter_context(other)
        result, log, *progress = (_pipe(stack, theirs) for _ in range(2 if tell is None else 3))
        job = Job(entry, tuple(contents), tuple(content.size for content in contents.values()), bool(progress))
        for _, writer in progress:
            os.set_blocking(writer, False)
        writers = [writer for _, writer in (result, log, *progress)]
        descriptors = [other.fileno(), *writers, *(content.fileno() for content in contents.values())]
        zygote.send(job, descriptors)
        listener = None if tell is None else Listener(progress[0][0], tell)
        return Ends(ours, result[0], log[0], listener)


def _sealed(name: str, content: Sealed | bytes, stack: ExitStack) -> Sealed:
    """The content sealed, for this job alone if it is not yet."""
    if isinstance(content, Sealed):
        return content
    made = _with_room(lambda: Sealed.of(name, content))
    stack.callback(made.close)
    return made


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    ends = _with_room(os.pipe)
    for stack, end in zip((reader, writer), ends, strict=True):
        stack.callback(os.close, end)
    return ends


def _with_room(make: Callable[[], T]) -> T:
    """Make something that takes file descriptors, and wait a while if all are in use.

    Raises:
        MachineError: none became free.
    """
    until = time.monotonic() + ROOM_SECONDS
    while True:
        try:
            return make()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            if time.monotonic() > until:
                raise _no_room() from error
        time.sleep(PAUSE_SECONDS)


def _no_room() -> MachineError:
    return MachineError(
        "this machine has no room for another candidate: file descriptors, processes or memory are all in use",
        "use fewer --workers, or allow more open files (`ulimit -n 4096`) and processes (`ulimit -u`)",
    )
