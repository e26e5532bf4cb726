"""Attacks as data: what is tried, and which answer of which wall is right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from outside import World
from sandboxes import LIMITS, children_of, run, until, zygote_of
from walled import why_not_nobody

from archsearch.sandbox import process
from archsearch.sandbox.report import Report
from archsearch.sandbox.sandbox import Sandbox
from archsearch.sandbox.tiers import Tier

REFUSED = frozenset({"EPERM", "EACCES", "ENOSYS"})
"""Landlock says EACCES, the filter EPERM, and ENOSYS to what a library has another way for."""
DONE = frozenset({"done"})
ABSENT = frozenset({"ModuleNotFoundError", "ImportError", "FileNotFoundError", "AttributeError"})
"""Where no file can be opened, a module that was not loaded before cannot be loaded."""

OTHER = "B-as_started" if why_not_nobody() else "B-unprivileged"
SOME = pytest.mark.parametrize("where", ["A-as_started", OTHER], indirect=True)
"""Both tiers and, for root, both users, for what takes long and does not depend on which goes with which."""

PRELUDE = """
import ctypes, errno, json, mmap, os, signal, socket, struct, sys, time
from archsearch.sandbox import kernel
W = json.loads(bytes(given["world"]))
folder, secret, victim, broker, mark = (W[name] for name in ("folder", "secret", "victim", "broker", "mark"))
zygote = os.getppid()
libc = ctypes.CDLL(None, use_errno=True)
answers, loot, kept_alive = {}, [], []
def checked(result):
    if result in (-1, None):
        raise OSError(ctypes.get_errno(), "refused")
    return result
def number(which, *arguments):
    return checked(libc.syscall(which, *(ctypes.c_long(argument) for argument in arguments)))
call = kernel.call
def text(content):
    held = ctypes.create_string_buffer(content.encode())
    kept_alive.append(held)
    return ctypes.addressof(held)
def become_marked():
    libc.prctl(15, mark.encode())
    time.sleep(30)
    os._exit(0)
def attempt(name, deed):
    try:
        found = deed()
    except OSError as error:
        answers[name] = errno.errorcode.get(error.errno, type(error).__name__)
    except BaseException as error:
        answers[name] = type(error).__name__
        loot.append(repr(error))
    else:
        answers[name] = "done"
        loot.append(repr(found))
"""
FIND_RESULT = """
import os
def is_open(fd):
    try: return os.get_inheritable(fd) or True
    except OSError: return False
RESULT = next(fd for fd in range(3, 64) if is_open(fd))
"""
EPILOGUE = """
header, blob = {"answers": answers}, "\\n".join(loot).encode()[:900_000]
"""


@dataclass(frozen=True)
class Attack:
    """One row of what is tried.

    Attributes:
        row: its number in the list of known attacks; 0 for one of our own.
        title: what it is about.
        attempts: Python expressions by name; each is tried, whatever became of the others.
        first: answers that are right where Landlock stands beside the filter.
        second: the same where the filter stands alone.
        setup: Python that runs before.
    """

    row: int
    title: str
    attempts: dict[str, str]
    first: frozenset[str] = REFUSED
    second: frozenset[str] = REFUSED | ABSENT
    setup: str = ""

    @property
    def source(self) -> str:
        tries = "\n".join(f"attempt({name!r}, lambda: {deed})" for name, deed in self.attempts.items())
        return f"{PRELUDE}\n{self.setup}\n{tries}\n{EPILOGUE}"

    def right(self, tier: Tier) -> frozenset[str]:
        return self.first if tier is Tier.LANDLOCK_SECCOMP else self.second


def named(attacks: list[Attack]) -> list[object]:
    """For pytest, each under its number and title."""
    return [pytest.param(attack, id=f"{attack.row or 'own'} {attack.title}".replace(" ", "_")) for attack in attacks]


@dataclass(frozen=True)
class Place:
    """A sandbox that strangers run in, and the world around it."""

    sandbox: Sandbox
    world: World
    tier: Tier
    user: int

    def suffer(self, attack: Attack) -> Report:
        """Run an attack: nothing outside may be other than before, no secret may come back, and no wall be silent."""
        report = self.suffer_source(attack.source)
        assert report.exit == 0, report
        answers = (report.header or {})["answers"]
        assert list(answers) == list(attack.attempts), "each was tried"
        wrong = {name: answer for name, answer in answers.items() if answer not in attack.right(self.tier)}
        assert not wrong, (wrong, report.blob)
        return report

    def suffer_source(self, source: str) -> Report:
        """Run a hostile source, and look at the world before and after."""
        zygote = zygote_of(self.sandbox)
        self.world.look((zygote,))
        report = run(self.sandbox, source, world=json.dumps(self.world.described()).encode())
        assert self.world.harm((zygote,)) == []
        assert zygote_of(self.sandbox) == zygote, "it serves on"
        assert until(lambda: children_of(zygote) == [], 10), "nothing is left running"
        for part in (report.blob or b"", report.log.encode(), json.dumps(report.header).encode()):
            assert self.world.token.encode() not in part, "a secret came back"
        return report

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Only so much time for a job, as the broker measures it."""
        usual = self.sandbox._limits
        self.sandbox._limits = usual.model_copy(update={"wall_seconds": seconds})
        try:
            yield
        finally:
            self.sandbox._limits = usual


BECOME = """
import os, text_job
from archsearch.sandbox import kernel, zygote
confinement = zygote.Confinement
def confinement_of_other(walls):
    os.setgroups([]); os.setgid({user}); os.setuid({user})
    kernel.prctl(4, 1)  # PR_SET_DUMPABLE: its own again in /proc, as of one who was never root
    return confinement(walls)
zygote.Confinement = confinement_of_other
"""


LOADED = """
import encodings.ascii, encodings.idna, fcntl, subprocess, tempfile, urllib.request
import concurrent.futures.process, multiprocessing.popen_fork, multiprocessing.queues
import multiprocessing.shared_memory, multiprocessing.synchronize
"""
"""So that an attack fails at the wall and not for want of a module."""


@contextmanager
def place(tier: Tier, user: int) -> Iterator[Place]:
    """A sandbox of one tier whose zygote is one user's, from when it has imported what this user may not read."""
    here = f"import sys; sys.path.append({str(Path(__file__).parent.parent)!r})\n{LOADED}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "ENTRY", here + (BECOME.format(user=user) if user else "") + process.ENTRY)
        world = World(user)
        try:
            with Sandbox(LIMITS, tier) as sandbox:
                zygote_of(sandbox)
                yield Place(sandbox, world, tier, user)
        finally:
            world.close()
