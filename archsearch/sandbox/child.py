"""The life of one job: forked, walled in, run, gone. What it runs after the walls stand is in a stranger's hands."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from archsearch.sandbox.confinement import Confinement
from archsearch.sandbox.frames import frame_head
from archsearch.sandbox.message import Job
from archsearch.sandbox.progress import Teller
from archsearch.sandbox.sealed import mapped, write_all

CRASHED = 70
"""Exit code of a job that raised."""


def run(job: Job, ends: list[int], contents: list[int], confinement: Confinement) -> NoReturn:
    """Run one job in this process, which was just forked and never returns.

    Args:
        job: what to run.
        ends: descriptors that the job is heard by: for its frame, for its log, which becomes standard output and
            standard error, and for its progress if it tells of it. The first and the last stay open.
        contents: descriptors of what the job is given.
        confinement: what it is walled in by before the job begins.
    """
    result, log, *progress = ends
    try:
        signal.set_wakeup_fd(-1)  # else a signal writes into whatever has that number by then
        function = imported(job.entry)
        sizes = zip(contents, job.sizes, strict=True)
        given = dict(zip(job.names, (mapped(content, size) for content, size in sizes), strict=True))
        for standard in (1, 2):
            os.dup2(log, standard)
        confinement.enter((result, *progress))
    except BaseException:  # noqa: BLE001  # whatever went wrong, this process must not go on as a zygote
        traceback.print_exc()
        os._exit(CRASHED)
    answer(function, given, result, *map(Teller, progress))


def answer(function: Callable[..., Any], given: Mapping[str, memoryview], result: int, *tell: Teller) -> NoReturn:
    """Do the job behind walls that stand, send its frame and end.

    Args:
        function: what the job is.
        given: what it is given, by name.
        result: descriptor that the frame is written to.
        tell: what it says how far it is, if it does.
    """
    code = CRASHED
    try:
        header, blob = function(given, *tell)
        for piece in (frame_head(header, len(blob)), blob):
            write_all(result, memoryview(piece))
        code = 0
    except BaseException:  # noqa: BLE001  # whatever a candidate raises, this process must end here
        with contextlib.suppress(BaseException):  # even printing it may: an exception is an object of the candidate's
            traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def imported(entry: str) -> Callable[..., Any]:
    """The function behind `module:function`."""
    module, function = entry.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _flush() -> None:
    """Write out what was printed, if the candidate left anything to print with."""
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
