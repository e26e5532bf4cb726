"""The zygote as the process sees it that gives it jobs."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import final

from archsearch.errors import MachineError
from archsearch.sandbox.confinement import Walls
from archsearch.sandbox.message import Job, hear, send_job

ENTRY = "import sys; sys.argv[0] = 'archsearch-zygote'; from archsearch.sandbox.zygote import main; main()"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
"""All that the zygote is told of its surroundings: no library may start a thread, and a set of names has the same order
in every process, so that a candidate that goes through one computes the same wherever it is evaluated."""
PYTHON = (sys.executable, "-s", "-P")
"""Python without the user's packages and working directory. Not `-I`: that would ignore the seed of hashes, too, and
there are no other variables to ignore."""
PATIENCE_SECONDS = 2.0
"""How long the zygote has to end by itself, and to die where it does not."""
LOADING_SECONDS = 120.0
"""How long it may load; seconds are usual, and some tens of them from a slow disk."""


class GoneError(Exception):
    """The zygote died, or was ended."""


class NotLoadedError(GoneError):
    """It was killed, or did not get ready in time, before it took a job; the text says which."""


@final
class ZygoteProcess:
    """Starts a zygote in an empty environment, isolated from the user's packages and working directory.

    Any thread may hand jobs over or end it, at any time.

    Args:
        walls: what every job is walled in by.
        warm_up: entries that the zygote runs once, for what they import and build.
    """

    def __init__(self, walls: Walls, warm_up: Sequence[str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        described = {"tier": walls.tier.value, "limits": walls.limits.model_dump(), "gpu": walls.gpu}
        command = [*PYTHON, "-c", ENTRY, str(theirs.fileno()), json.dumps(described), *warm_up]
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the search, which ends it in order
                pass_fds=(theirs.fileno(),),
            )
        self._starting = threading.Lock()
        self._sending = threading.Lock()  # while held, no descriptor that is sent can be closed by `end`
        self._base_mb: float | None = None
        self._failed: MachineError | GoneError | None = None
        self._ended = False

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it can take another job."""
        return not self._ended and self._process.poll() is None

    def base_mb(self) -> float:
        """Memory that a job holds when it begins, all of it shared with the zygote. Waits until that is ready.

        Raises:
            GoneError: it was ended meanwhile, or killed.
            MachineError: it refuses to start.
        """
        with self._starting:
            if self._base_mb is None and self._failed is None:
                self._base_mb = self._first_words()
            if self._base_mb is None:
                self._failed = self._failed or self._not_loaded()  # each thread that waits is to hear the same
                raise self._failed
            return self._base_mb

    def send(self, job: Job, descriptors: Sequence[int]) -> None:
        """Hand a job over; waits until the zygote is ready.

        Raises:
            GoneError: there is nobody to take it.
        """
        self.base_mb()
        with self._sending:
            if self._ended:
                raise GoneError
            try:
                send_job(self._control, job, list(descriptors))
            except (BrokenPipeError, ConnectionError) as error:
                raise GoneError from error

    def end(self) -> None:
        """Close the connection, which makes it kill its jobs and exit; then make sure of it."""
        with self._sending:
            self._ended = True
            with contextlib.suppress(OSError):  # it is gone already
                self._control.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it to start
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
        with self._starting, self._sending:
            self._control.close()

    def _first_words(self) -> float | None:
        """The memory that it holds, once it is ready; None if it does not say so in time."""
        try:
            waiting = select.poll()
            waiting.register(self._control, select.POLLIN)
            heard = hear(self._control) if waiting.poll(1000 * LOADING_SECONDS) else None
        except (OSError, ValueError):  # ValueError: it is closed
            return None
        return None if heard is None else float(heard[0]["resident_mb"] or 0.0)

    def _not_loaded(self) -> MachineError | GoneError:
        """Why it is not ready, once it has ended for good."""
        if self._ended:
            return GoneError()
        try:
            code = self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            return NotLoadedError(f"it was not ready after {LOADING_SECONDS:g} s")
        if code < 0:
            return NotLoadedError(f"it was ended by signal {-code}")
        return not_starting(f"it ended with exit code {code}", "see the lines above; then try `archsearch doctor`")

    def _kill(self) -> None:
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs inside the kernel, and dies when it comes back
            self._process.wait(PATIENCE_SECONDS)


def not_starting(why: str, remedy: str) -> MachineError:
    """No job can be run, and why."""
    return MachineError(f"the process that runs candidates does not start: {why}", remedy)
