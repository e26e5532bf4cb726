"""A process that has loaded torch once and forks itself for every job, so that a job starts in milliseconds.

It runs in an empty environment and knows nothing of the user. It reads one job per line on standard input and answers
with one report per line on standard output. When its standard input ends, because the search ended or was killed, it
kills the job at hand, removes the folder that its command line names and exits, so that nothing is left behind.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import sys
import time
import traceback
from typing import Any

from archsearch.sandbox.confinement import confine
from archsearch.sandbox.limits import resident_mb
from archsearch.settings import Limits

POLL_SECONDS = 0.02
CRASHED = 70


def main() -> None:
    """Serve jobs until standard input ends, then remove the folder that the command line names."""
    os.environ.clear()
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    _preload()
    with contextlib.suppress(BrokenPipeError):  # nobody waits for the answer
        _serve_all()
    shutil.rmtree(sys.argv[1], ignore_errors=True)


def _serve_all() -> None:
    """Answer one line after the other."""
    report: dict[str, Any] | None = {"ready": True}
    while report is not None:
        _say(report)
        line = sys.stdin.buffer.raw.readline()  # type: ignore[union-attr]  # unbuffered: `select` must see the rest
        report = _serve(json.loads(line)) if line else None


def _preload() -> None:
    """Import all that jobs use, and build one optimiser: its first construction imports another thousand modules."""
    import torch

    torch.set_num_threads(1)
    importlib.import_module("archsearch.training.jobs")
    torch.optim.LBFGS([torch.zeros(1, requires_grad=True)])
    gc.freeze()


def _say(report: dict[str, Any]) -> None:
    os.write(1, json.dumps(report).encode() + b"\n")  # unbuffered: nothing is left to be written at the end


def _serve(job: dict[str, Any]) -> dict[str, Any] | None:
    """Fork, confine, run one job; watch it until it ends or must be ended; None if nobody waits for it any more."""
    limits = Limits.model_validate(job["limits"])
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(job, limits)
    killed = None
    base = resident_mb(pid)
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            _kill_group(pid)
            return _report(status, killed, time.monotonic() - started, usage.ru_utime + usage.ru_stime)
        killed = killed or _reason_to_kill(pid, base, limits, time.monotonic() - started)
        if killed:
            _kill(pid)
        if _abandoned():
            _kill(pid)
            os.waitpid(pid, 0)
            return None


def _reason_to_kill(pid: int, base: int, limits: Limits, seconds: float) -> str | None:
    if seconds > limits.wall_seconds:
        return "time"
    return "memory" if resident_mb(pid) - base > limits.memory_mb else None


def _abandoned() -> bool:
    """Wait a moment; whether standard input has ended meanwhile, which means that nobody waits for the answer."""
    readable, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
    return bool(readable)


def _kill(pid: int) -> None:
    """Kill a job that has not been waited for, so that its number cannot be another process's, with all it started."""
    _kill_group(pid)
    os.kill(pid, signal.SIGKILL)  # it may not yet be the leader of its group


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # nothing of the group is left
        os.killpg(pid, signal.SIGKILL)


def _report(status: int, killed: str | None, wall: float, cpu: float) -> dict[str, Any]:
    code = os.waitstatus_to_exitcode(status)
    return {"exit": code, "killed": killed, "wall_seconds": wall, "cpu_seconds": cpu}


def _child(job: dict[str, Any], limits: Limits) -> None:
    """Run one job in this process, which never returns."""
    code = CRASHED
    try:
        confine(job["folder"], limits)
        module, function = job["entry"].split(":")
        getattr(importlib.import_module(module), function)(".")
        code = 0
    except BaseException:  # noqa: BLE001  # whatever a candidate raises, this process must end here and not go on as a zygote
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
