"""A process that has loaded torch once and forks itself for every job, so that a job starts in milliseconds.

It is started afresh with an environment of four variables and knows nothing of the user: no key, no data, no folder.
It holds data of nobody: contents pass through it as descriptors, which it closes once the child has them. It hears of
jobs on one socket and says of each job what became of it on that job's own socket.

It stays single-threaded, because a fork copies one thread only: libgomp, once it has had a pool of two threads, hangs
in every child (pytorch/pytorch#17199), and a thread that is older than a Landlock wall stands outside of it.

It ends when its control socket ends or its parent is gone, and no child outlives it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any, final

from archsearch.sandbox import child
from archsearch.sandbox.confinement import Confinement, Walls, be_first_to_go
from archsearch.sandbox.message import Job, receive_job, say
from archsearch.sandbox.pages import collapse
from archsearch.sandbox.status import memory_mb, thread_count
from archsearch.sandbox.tiers import Tier
from archsearch.settings import Limits

PRELOADED = ("numpy", "torch", "safetensors.torch", "math", "random", "traceback", "linecache")
"""What every job finds imported. Where no file can be opened behind the walls, this and what the warm-up imports is all
that there is; so the list is written out, and no path of the user's is ever looked at."""
REFUSED = 75
"""Exit code of a zygote that would not be safe to fork."""


def main() -> None:
    """Serve jobs until nobody asks any more. Arguments: the control socket, the walls as JSON, what warms up."""
    control, described, *warm_up = sys.argv[1:]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a killed job keeps what it printed
    channel = socket.socket(fileno=int(control))
    walls = walls_of(json.loads(described))
    be_first_to_go()  # before it loads, which is when it takes most of its memory
    preload(warm_up)
    confinement = Confinement(walls)
    refuse_unsafe_fork()
    gc.collect()
    gc.freeze()  # a collection in a child must not touch, and so copy, every page of the zygote's objects
    collapse()
    with contextlib.suppress(BrokenPipeError):  # the search ended while this was loading
        say(channel, {"resident_mb": memory_mb("self")})
        _Server(channel, confinement).serve()


def walls_of(described: dict[str, Any]) -> Walls:
    """The walls that a broker described."""
    return Walls(Tier(described["tier"]), Limits.model_validate(described["limits"]), described["gpu"])


def preload(warm_up: list[str]) -> None:
    """Import what jobs use, and run what imports or builds something on its first call."""
    for module in PRELOADED:
        importlib.import_module(module)
    import torch

    torch.set_num_threads(1)
    for entry in warm_up:
        child.imported(entry)()


def refuse_unsafe_fork() -> None:
    """End this process if a fork of it would not be sound."""
    import torch

    threads = thread_count("self")
    if threads not in (None, 1):
        _refuse(f"it has {threads} threads, and a fork takes along only one")
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch leaves it without types
        _refuse("CUDA is initialised, which no fork survives")


def _refuse(why: str) -> None:
    os.write(2, f"archsearch: the process that starts candidates refuses to serve: {why}\n".encode())
    os._exit(REFUSED)


@final
class _Server:
    """The children that run, by pid, each with the socket that its end is told on."""

    def __init__(self, control: socket.socket, confinement: Confinement) -> None:
        self._control, self._confinement = control, confinement
        self._children: dict[int, socket.socket] = {}
        self._parent = os.getppid()
        self._poll = select.poll()
        self._ended, told = os.pipe()  # not by pidfd, which Linux before 5.3 has not
        os.set_blocking(told, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for descriptor in (control.fileno(), self._ended):
            self._poll.register(descriptor, select.POLLIN)
        self._parent_end = _pidfd(self._parent)
        if self._parent_end is not None:
            self._poll.register(self._parent_end, select.POLLIN)

    def serve(self) -> None:
        """Until the control socket ends or the parent is gone."""
        while True:
            ready = dict(self._poll.poll())
            if self._ended in ready:
                os.read(self._ended, 4096)
                self._reap()
            if self._parent_end in ready or os.getppid() != self._parent:
                break
            self._kill_given_up(ready)
            if self._control.fileno() in ready and not self._start_next():
                break
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _start_next(self) -> bool:
        """Take the next job; whether there was one."""
        try:
            received = receive_job(self._control)
        except OSError:  # the connection broke
            return False
        if received is None:
            return False
        job, descriptors = received
        try:
            self._start(job, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _start(self, job: Job, descriptors: list[int]) -> None:
        own_descriptors = 3 + job.tells
        if len(descriptors) != own_descriptors + len(job.names):  # this process had no room for all of them
            return  # the broker sees that its job's socket ends, and tries again
        channel = socket.socket(fileno=os.dup(descriptors[0]))
        try:
            pid = os.fork()
        except OSError as error:  # no process, no memory
            channel.close()
            os.write(2, f"archsearch: no candidate can be started: {error.strerror}\n".encode())
            return
        if pid == 0:
            child.run(job, descriptors[1:own_descriptors], descriptors[own_descriptors:], self._confinement)
        self._children[pid] = channel
        self._poll.register(channel, select.POLLIN)
        self._tell_started(channel, pid)

    def _tell_started(self, channel: socket.socket, pid: int) -> None:
        handle = _pidfd(pid)  # the child is not waited for yet, so that the number is still its own
        with contextlib.suppress(OSError):  # nobody waits any more: the next poll sees that too
            say(channel, {"pid": pid, "handle": handle is not None}, () if handle is None else (handle,))
        if handle is not None:
            os.close(handle)

    def _kill_given_up(self, ready: dict[int, int]) -> None:
        """A broker that closes a job's socket wants no more of it."""
        for pid, channel in self._children.items():
            if channel.fileno() in ready:
                os.kill(pid, signal.SIGKILL)
                self._poll.unregister(channel)

    def _reap(self) -> None:
        for pid, channel in list(self._children.items()):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if not ended:
                continue
            del self._children[pid]
            with contextlib.suppress(KeyError):  # its broker had given it up
                self._poll.unregister(channel)
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                say(channel, {"exit": code, "cpu_seconds": usage.ru_utime + usage.ru_stime})
            channel.close()


def _pidfd(pid: int) -> int | None:
    """A handle on a process that cannot come to mean another one; None on Linux before 5.3."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
