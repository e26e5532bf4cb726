"""Calls of the C library that are written down before a fork, so that the fork has only to make them.

A fork copies every page of memory that it writes to, and Python writes to each object that it looks at, because it
counts references. So what walls cost a fork is less the kernel's work than the objects touched on the way to it. A list
made beforehand touches few: one loop makes call after call and sees whether what must come of it has come.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

from archsearch.sandbox import kernel

_Call = tuple[Callable[..., int], tuple[ctypes.c_long, ...], int | None, int | None]


class WallMissingError(Exception):
    """A process could do what its walls forbid."""


@dataclass(frozen=True)
class Step:
    """One call, and what must come of it.

    Attributes:
        deed: what it does, as a verb.
        function: its name in the C library.
        arguments: numbers, and memory, of which it is given the address.
        error: the number of the error that it must fail with; None if it must not fail.
        answer: what it must return; None if anything but an error will do.
        own_pid: words of that memory that are to hold the number of the process which takes the step.
    """

    deed: str
    function: str
    arguments: tuple[int | kernel.Memory, ...] = ()
    error: int | None = None
    answer: int | None = None
    own_pid: tuple[ctypes.c_uint32, ...] = ()


def system_call(deed: str, name: str, *arguments: int | kernel.Memory, error: int | None = None) -> Step:
    """A step that the C library has no name for.

    Raises:
        OSError: this architecture has no table of calls.
    """
    return Step(deed, "syscall", (kernel.own_table().numbers[name], *arguments), error)


@final
class Steps:
    """Steps that are ready to be taken, by this process or by a fork of it."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = tuple(steps)
        self._own_pid = tuple(word for step in self._steps for word in step.own_pid)
        self._calls: list[_Call] = [
            (kernel.function(step.function), tuple(map(_number, step.arguments)), step.error, step.answer)
            for step in self._steps
        ]
        ctypes.get_errno()  # what it needs is made on its first call

    def take(self) -> None:
        """Make every call, in order, until one does not do what it must.

        Raises:
            OSError: one failed that must not.
            WallMissingError: one did not fail as it must.
        """
        last_error, pid = ctypes.get_errno, os.getpid()
        for word in self._own_pid:
            word.value = pid
        for call in self._calls:
            function, arguments, error, answer = call
            result = function(*arguments)
            if result < 0 and error is None:
                raise OSError(last_error(), f"cannot {self._of(call).deed}: {os.strerror(last_error())}")
            if result < 0 and last_error() != error:
                raise WallMissingError(_expected(self._of(call), f"error {last_error()}"))
            if result >= 0 and (error is not None or answer not in (None, result)):
                raise WallMissingError(_expected(self._of(call), str(result)))

    def _of(self, call: _Call) -> Step:
        return self._steps[self._calls.index(call)]


def _number(argument: int | kernel.Memory) -> ctypes.c_long:
    return ctypes.c_long(argument if isinstance(argument, int) else ctypes.addressof(argument))


def _expected(step: Step, found: str) -> str:
    wanted = f"error {step.error} ({os.strerror(step.error)})" if step.error else f"{step.answer}"
    return f"expected {wanted} of an attempt to {step.deed}, found {found}"
