"""A terminal that is drawn as a whole and gives single keys, and that is always given back as it was.

What stood there before comes back, because all is drawn in the terminal's other buffer. Bytes go straight to the
terminal: a signal may ask for it back at any moment, also in the middle of somebody else's print.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

try:
    import termios
except ImportError:  # Windows has none: nothing can be typed there while a search runs
    termios = None  # type: ignore[assignment]

TAKE = b"\x1b[?1049h\x1b[?25l"
"""To the other buffer; no cursor. See ctlseqs of xterm."""
GIVE_BACK = b"\x1b[?25h\x1b[?1049l"
HOME, TO_LINE_END, TO_END = "\x1b[H", "\x1b[K", "\x1b[J"
MOST_TYPED = 4096
PATIENCE_SECONDS = 1.0
"""How long a signal waits for whoever draws."""


class LostError(Exception):
    """The terminal is gone."""


@final
class Screen:
    """The terminal on standard output, with the keys of standard input if that is the same terminal.

    Args:
        console: whose width, colours and terminal count.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._out = sys.stdout.fileno()
        self._keys: int | None = sys.stdin.fileno() if termios and sys.stdin and sys.stdin.isatty() else None
        self._lock = threading.RLock()
        self._taken = self._held = False
        self._before: list[Any] | None = None

    @property
    def has_keys(self) -> bool:
        """Whether anything can be typed."""
        return self._keys is not None

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, as of now: COLUMNS and LINES, which a console believes, know of no change."""
        try:
            columns, lines = os.get_terminal_size(self._out)
        except OSError:  # it is gone: whoever draws will see
            return 80, 24
        return columns or 80, lines or 24

    def in_foreground(self) -> bool:
        """Whether the terminal is ours to draw on: not while the shell runs us in the background."""
        if not hasattr(os, "tcgetpgrp"):
            return True
        try:
            return os.tcgetpgrp(self._out) == os.getpgrp()
        except OSError:  # it is no terminal of ours, or it is gone: whoever draws will see
            return True

    def take(self) -> bool:
        """Clear it and hear each key as it is typed, unless that is so already; False while it is held back.

        Raises:
            LostError: the terminal is gone.
        """
        with self._lock:
            if self._taken or self._held:
                return not self._held
            self._taken = True
            self._hear_keys()
            self._write(TAKE)
            return True

    def hold_back(self) -> None:
        """Leave it as it was before, and do not take it again until `let_go`. As `give_back` otherwise."""
        self._held = True
        self.give_back()

    def let_go(self) -> None:
        """It may be taken again."""
        self._held = False

    def give_back(self) -> None:
        """Leave it as it was before; nothing if it is so. Never fails, and may be called from a signal."""
        ours = self._lock.acquire(timeout=PATIENCE_SECONDS)
        try:
            if not self._taken:
                return
            self._taken = False
            with contextlib.suppress(LostError):
                self._write(GIVE_BACK)
            if self._before is not None and self._keys is not None:
                with contextlib.suppress(termios.error):  # it is gone
                    termios.tcsetattr(self._keys, termios.TCSANOW, self._before)
        finally:
            if ours:
                self._lock.release()

    def draw(self, content: RenderableType) -> None:
        """Show this from the upper left corner, cut off where the terminal ends; nothing unless it is taken.

        Raises:
            LostError: the terminal is gone.
        """
        from rich.console import ConsoleDimensions

        self._console.size = ConsoleDimensions(*self.size)
        with self._console.capture() as capture:
            self._console.print(content, end="")
        lines = capture.get().split("\n")[: self.size[1]]
        with self._lock:
            if self._taken:
                self._write((HOME + f"{TO_LINE_END}\n".join(lines) + TO_LINE_END + TO_END).encode())

    def key(self, seconds: float) -> str:
        """The next key that is typed within this time; empty if none is, or if it is one without a letter."""
        typed = self._typed(seconds)
        if typed == b"":  # the end of input; a Ctrl-D is a key like others
            self._keys = None
        return "" if not typed or typed.startswith(b"\x1b") else typed[:1].decode("ascii", "replace")

    def line(self, seconds: float) -> str | None:
        """The next line that is typed after the terminal was given back; None if there is none within this time.

        Raises:
            EOFError: somebody ended it with Ctrl-D, or there will be no more.
        """
        typed = self._typed(seconds)
        if self._keys is None or typed == b"":
            raise EOFError
        return None if typed is None else typed.decode("utf-8", "replace").rstrip("\r\n")

    def _typed(self, seconds: float) -> bytes | None:
        """What is typed within this time, nothing at an end of input; None if nothing is typed."""
        if self._keys is None:
            time.sleep(seconds)
            return None
        if not select.select([self._keys], [], [], seconds)[0]:
            return None
        try:
            return os.read(self._keys, MOST_TYPED)
        except OSError:  # the terminal is gone
            return b""

    def _hear_keys(self) -> None:
        """Each key at once and without an echo; Ctrl-C and Ctrl-Z mean what they always do."""
        if self._keys is None:
            return
        try:
            self._before = termios.tcgetattr(self._keys)
            wanted = termios.tcgetattr(self._keys)
            wanted[0] &= ~termios.IXON  # a Ctrl-S would stop what draws
            wanted[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(self._keys, termios.TCSANOW, wanted)
        except termios.error as error:
            raise LostError from error

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError as error:
            raise LostError from error


def full_screen(console: Console) -> Screen | None:
    """The terminal behind a console, if all of it may be drawn on: it is one, it can, and it is not another's now."""
    if not sys.stdout.isatty() or console.is_dumb_terminal or not console.encoding.startswith("utf"):
        return None
    screen = Screen(console)
    return screen if screen.in_foreground() else None
