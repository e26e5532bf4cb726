"""The zygote as the process sees it that gives it jobs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from archsearch.errors import MachineError

ENTRY = "import sys; sys.argv[0] = 'archsearch-zygote'; from archsearch.sandbox.zygote import main; main()"
PATIENCE_SECONDS = 2.0
"""How long the zygote has to end by itself."""


class ZygoteProcess:
    """Starts a zygote in an empty environment, isolated from the user's packages and working directory.

    One thread asks; another one may end it meanwhile.

    Args:
        place: the folder that its jobs' folders lie in. It removes it at its end, even if this process is killed.
    """

    def __init__(self, place: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", ENTRY, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            cwd="/",
            start_new_session=True,
        )
        self._ready = False
        self._ended = False

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, job: dict[str, Any]) -> dict[str, Any] | None:
        """The report on a job; None if the zygote died, or was ended, before it had one.

        Raises:
            MachineError: it did not even start.
        """
        line = self._answer_to(job) if self._starts() else b""
        if not line:
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Close its input, which makes it kill its job, remove its folder and exit; then make sure of it."""
        self._ended = True
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it is gone already
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # only now, since a thread that waits for an answer holds its lock

    def _starts(self) -> bool:
        """Wait until it is ready; whether it is."""
        if not self._ready:
            self._ready = bool(self._read())
        if not self._ready and not self._ended:
            raise MachineError(
                "the process that runs candidates does not start", "see the lines above; then try `archsearch doctor`"
            )
        return self._ready

    def _answer_to(self, job: dict[str, Any]) -> bytes:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):  # it died; it was ended by another thread
            return b""
        return self._read()

    def _read(self) -> bytes:
        """The next line that it says; nothing if it is gone."""
        assert self._process.stdout is not None
        try:
            return self._process.stdout.readline()
        except ValueError:  # it was ended by another thread
            return b""
