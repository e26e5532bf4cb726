"""A terminal with a program in it, as a person sees and uses it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import pyte

PIECE = 1 << 16
OTHER_BUFFER, FIRST_BUFFER, CLEARED = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[2J\x1b[H"
"""The emulator has one buffer only: a change of buffers empties it."""


class Terminal:
    """A pseudo-terminal of this size; ends what runs in it when it is closed.

    Args:
        command: what runs in it, the leader of a session of its own.
        columns: of the terminal.
        lines: of the terminal.
        environment: of the command, on top of this process's.
    """

    def __init__(
        self, command: Sequence[str], columns: int = 80, lines: int = 24, environment: Mapping[str, str] | None = None
    ) -> None:
        self.raw = b""
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", **(environment or {})})
            os.execvp(command[0], list(command))
        self.status: int | None = None
        self.resize(columns, lines)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        if self.status is None:
            os.waitpid(self.pid, 0)
        os.close(self.descriptor)

    @property
    def shown(self) -> list[str]:
        """The lines on the screen."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.shown)

    def resize(self, columns: int, lines: int) -> None:
        """Make it smaller or larger, and tell the program."""
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.descriptor, keys.encode())

    def hang_up_input(self) -> None:
        """End of input, as Ctrl-D types it."""
        self.press("\x04")

    def until(self, holds: Callable[[], bool], within: float = 60.0) -> None:
        """Read until something holds."""
        end = time.monotonic() + within
        while not holds():
            assert time.monotonic() < end, f"not within {within} s; the screen shows:\n{self.text}"
            self.read(0.1)

    def sees(self, *texts: str, within: float = 60.0) -> None:
        """Read until all of these are on the screen."""
        self.until(lambda: all(text in self.text for text in texts), within)

    def read(self, seconds: float = 0.0) -> bool:
        """Take what the program has written; False at its end."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.descriptor, PIECE)
        except OSError:  # how a pseudo-terminal says that nobody has it open any more
            return False
        self.raw += piece
        for buffer in (OTHER_BUFFER, FIRST_BUFFER):
            piece = piece.replace(buffer, buffer + CLEARED)
        self._stream.feed(piece)
        return bool(piece)

    def ended(self, within: float = 60.0) -> int:
        """Read to the end; the exit code, negative for a signal."""
        end = time.monotonic() + within
        while self.status is None:
            assert time.monotonic() < end, f"it does not end; the screen shows:\n{self.text}"
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        while select.select([self.descriptor], [], [], 0.0)[0] and self.read():
            pass
        return os.waitstatus_to_exitcode(self.status)

    def is_cooked(self) -> bool:
        """Whether lines and an echo are as a shell wants them."""
        wanted = termios.ICANON | termios.ECHO
        return termios.tcgetattr(self.descriptor)[3] & wanted == wanted
