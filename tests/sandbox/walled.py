"""Run a piece of Python behind the walls, in a process of its own, and see from outside what became of it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from archsearch.sandbox.process import ENVIRONMENT
from archsearch.sandbox.tiers import Tier

DRIVER = """
import encodings.idna, errno, json, mmap, os, resource, signal, socket, sys, threading
from archsearch.sandbox import canaries, capabilities, confinement, kernel, landlock, limits, rules, seccomp
from archsearch.sandbox.confinement import Confinement, Walls
from archsearch.sandbox.process import ENVIRONMENT
from archsearch.sandbox.steps import Step
from archsearch.sandbox.tiers import Tier
from archsearch.settings import Limits

asked = json.loads(sys.stdin.read())
tier = Tier(asked["tier"])
code = compile(asked["source"], "<walled>", "exec")
exec(asked["before"])
if asked["user"]:
    os.setgroups([]); os.setgid(asked["user"]); os.setuid(asked["user"])
    kernel.prctl(4, 1)  # PR_SET_DUMPABLE: its own again in /proc, as of one who was never root
def errno_of(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"
walls = Confinement(Walls(tier, Limits(**asked["limits"]), asked["gpu"]))
pid = os.fork()
if pid == 0:
    try:
        walls.enter(keep)
        exec(code)
        sys.stdout.flush()
        os._exit(0)
    except BaseException as error:
        os.write(2, repr(error).encode())
    finally:
        os._exit(70)
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
"""

NOBODY = 65534


def _others_reach(place: Path) -> bool:
    """Whether every folder above a place, and itself, lets other users through."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (place, *place.parents))


def why_not_nobody() -> str | None:
    """Why this test cannot become another user; None if it can."""
    if os.getuid() != 0:
        return "is no root, so cannot become another user; as started it is unprivileged already"
    if not all(map(_others_reach, (Path(__file__).resolve().parent, Path(sys.prefix)))):
        return "another user cannot read this checkout, so cannot run it"
    return None


USERS = [
    pytest.param(0, id="as_started"),
    pytest.param(
        NOBODY,
        id="unprivileged",
        marks=pytest.mark.skipif(why_not_nobody() is not None, reason=why_not_nobody() or "can"),
    ),
]
KERNEL_TIERS = [Tier.LANDLOCK_SECCOMP, Tier.SECCOMP]


@dataclass(frozen=True)
class Outcome:
    """Exit code, output and errors of the process behind the walls."""

    exit: int
    out: str
    err: str


def walled(
    source: str,
    tier: Tier = Tier.LANDLOCK_SECCOMP,
    user: int = 0,
    before: str = "",
    arguments: tuple[str, ...] = (),
    gpu: int | None = None,
    **limits: float,
) -> Outcome:
    """Run `source` behind walls, and `before` before they are raised, in the process that forks.

    Args:
        source: what runs behind the walls; `errno_of(call, ...)` is at hand there.
        tier: which walls.
        user: whom to become, 0 for nobody else.
        before: runs outside; may set `keep`, the descriptors to be kept.
        arguments: become `sys.argv[1:]`.
        gpu: the number of the GPU that may be used, whether there is one or not.
        limits: other than the usual ones.
    """
    asked = {
        "source": source,
        "tier": tier,
        "user": user,
        "before": f"keep = ()\n{before}",
        "limits": limits,
        "gpu": gpu,
    }
    command = [sys.executable, "-I", "-c", DRIVER, *arguments]
    one_thread = os.environ | ENVIRONMENT  # as the zygote: a fork of a process with OpenMP threads hangs
    ran = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False, env=one_thread
    )
    return Outcome(ran.returncode, ran.stdout, ran.stderr)
