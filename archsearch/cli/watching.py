"""A live view of a search in a terminal: drawn again and again, and doing what keys ask."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, final

import typer

from archsearch.cli.output import console
from archsearch.cli.screen import LostError, Screen
from archsearch.errors import ArchsearchError
from archsearch.plain_text import printable
from archsearch.study.control import read_control, write_control

if TYPE_CHECKING:
    from archsearch.cli.live import LiveView
    from archsearch.problem.problem import Problem
    from archsearch.study.store import Study

REDRAW_SECONDS = 0.25
PATIENCE_SECONDS = 2.0
"""How long the end of a search waits for whoever draws."""


@final
class Watching:
    """Shows a view until the end of the block, in a thread of its own; to be entered in the main thread.

    Args:
        view: what is shown.
        screen: where.
        study: the run.
        problem: what is asked.
    """

    def __init__(self, view: LiveView, screen: Screen, study: Study, problem: Problem) -> None:
        self._view, self._screen, self._study, self._problem = view, screen, study, problem
        self._over = threading.Event()
        self._reviewing, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="live-view", daemon=True)
        self._before: dict[str, Any] = {}

    def __enter__(self) -> Watching:
        handlers: dict[str, Callable[[int, FrameType | None], None]] = {
            "SIGINT": self._interrupted,
            "SIGTERM": self._terminated,
            "SIGTSTP": self._suspended,
        }
        for name, handler in handlers.items():
            if hasattr(signal, name):
                self._before[name] = signal.signal(getattr(signal, name), handler)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._end(in_order=kind is None)
        finally:
            self._screen.hold_back()
            for name, handler in self._before.items():
                signal.signal(getattr(signal, name), handler)
        for note in self._view.notes:
            typer.echo(printable(note))

    def _end(self, in_order: bool) -> None:
        """Draw no more; a person who is in the middle of a decision may finish it, unless they want to get out."""
        self._over.set()
        if not in_order:
            self._leave.set()
        elif self._reviewing.is_set():
            self._thread.join()
        self._thread.join(PATIENCE_SECONDS)

    # ---- the thread that draws -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        try:
            while not self._over.is_set():
                self._once()
        except LostError:
            return  # the terminal is gone; the search goes on without it
        finally:
            self._screen.give_back()

    def _once(self) -> None:
        """Draw, and do what a key asks; nothing while the terminal is somebody else's."""
        ours = self._screen.in_foreground()
        if not ours:
            self._screen.give_back()
        if not ours or not self._screen.take():
            self._over.wait(REDRAW_SECONDS)
            return
        self._insist()
        self._screen.draw(self._view.render(*self._screen.size))
        key = self._screen.key(REDRAW_SECONDS)
        asked = {"p": self._pause, "r": self._review, "q": self._stop, "?": self._help, "h": self._help}
        if key.lower() in asked:
            try:
                asked[key.lower()]()
            except OSError as error:  # the disk is full, the folder is gone: the search will say so, too
                self._view.tell(f"{key}: {error}")

    def _pause(self) -> None:
        paused = read_control(self._study.folder) == "pause"
        if not self._view.stopping:
            write_control(self._study.folder, "run" if paused else "pause")

    def _stop(self) -> None:
        if self._view.stopping:
            os.kill(os.getpid(), signal.SIGINT)
            return
        self._view.stopping = True
        write_control(self._study.folder, "stop")

    def _insist(self) -> None:
        """Say again that it is to stop: a search that begins after that was said forgets what was wanted before."""
        if self._view.stopping and read_control(self._study.folder) != "stop":
            with contextlib.suppress(OSError):  # and again at the next look
                write_control(self._study.folder, "stop")

    def _help(self) -> None:
        self._view.help = not self._view.help

    def _review(self) -> None:
        from archsearch.cli.review import review_session

        self._leave.clear()
        self._reviewing.set()
        self._screen.give_back()
        try:
            review_session(self._study, self._problem, console(), self._ask)
        except LostError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the review, the search and its view go on
            known = isinstance(error, ArchsearchError)
            self._view.tell(f"review: {error}" if known else traceback.format_exc())
        finally:
            self._reviewing.clear()

    def _ask(self, question: str) -> str | None:
        """What a person types after a question; None at the end of input, and on Ctrl-C, which leaves the review."""
        typer.echo(question, nl=False)
        while not self._leave.is_set():
            try:
                typed = self._screen.line(REDRAW_SECONDS)
            except EOFError:
                return None
            if typed is not None:
                return typed
        typer.echo()
        return None

    # ---- signals, in the main thread -------------------------------------------------------------------------------

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._reviewing.is_set() and not self._leave.is_set():
            self._leave.set()
        else:
            raise KeyboardInterrupt

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        """As Ctrl-C: what is finished is recorded, and the terminal is given back."""
        self._leave.set()
        signal.raise_signal(signal.SIGINT)  # which somebody may hold back for a moment

    def _suspended(self, number: int, frame: FrameType | None) -> None:
        """Stop with the terminal as it was; this goes on here when the shell says so (fg, bg)."""
        self._screen.hold_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._screen.let_go()
