"""A terminal of a known size with a program in it, as a person would sit at one."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
PATIENCE = 90.0


class Terminal:
    """Runs `archsearch` with these arguments on a pseudo-terminal.

    Args:
        arguments: of the command line.
        columns: the width of the terminal.
        more: further environment variables.
    """

    def __init__(self, *arguments: str | Path, columns: int = 80, more: Mapping[str, str] | None = None) -> None:
        self._side, inside = pty.openpty()
        self.resize(columns)
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "archsearch", *map(str, arguments)],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=kept | {"TERM": "xterm-256color", "ARCHSEARCH_PERSON": "ann"} | dict(more or {}),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(inside)
        self.raw = ""
        self._read_to = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def resize(self, columns: int) -> None:
        """Give the terminal another width."""
        fcntl.ioctl(self._side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def type(self, text: str) -> None:
        """Type text as it is: `\\n` for Enter, `\\x04` for the end of input, `\\x03` to interrupt."""
        os.write(self._side, text.encode())

    def until(self, text: str) -> str:
        """Wait until this text is shown; returns everything since the last wait, without escape sequences."""
        deadline = time.monotonic() + PATIENCE
        while text not in self._plain():
            if not self._more(deadline):
                raise AssertionError(f"waited for {text!r}, saw:\n{self._plain()[-3000:]}")
        shown = self._plain()
        end = shown.index(text) + len(text)
        self._read_to += end
        return shown[:end]

    def say(self, text: str, then: str) -> str:
        """Type a line, and wait for what it brings."""
        self.type(f"{text}\n")
        return self.until(then)

    def end(self) -> int:
        """Wait until the program is over; its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._more(deadline):
            pass
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """End the program, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        os.close(self._side)

    def all(self) -> str:
        """Everything that was shown, without escape sequences."""
        return ESCAPES.sub("", self.raw).replace("\r", "")

    def _plain(self) -> str:
        return self.all()[self._read_to :]

    def _more(self, deadline: float) -> bool:
        """Read what is there; False at the end of the program, or when patience is."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._side], [], [], left)[0]:
            return False
        try:
            data = os.read(self._side, 65536)
        except OSError:  # the program is over
            return False
        self.raw += self._decoder.decode(data)
        return bool(data)
