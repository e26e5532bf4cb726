"""How strongly this machine can wall in a candidate: found by trying, told to the person, never assumed."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum

from archsearch.errors import MachineError

TRIAL = "from archsearch.sandbox.trial import main; main()"
PATIENCE_SECONDS = 30.0
"""How long the trial may take on a machine that is busy; alone it takes a twentieth of a second."""


class Tier(StrEnum):
    """Which walls stand around a candidate."""

    LANDLOCK_SECCOMP = "landlock+seccomp"
    SECCOMP = "seccomp"
    SEATBELT = "seatbelt"
    NONE = "none"


DESCRIPTIONS = {
    Tier.LANDLOCK_SECCOMP: "kernel walls (Landlock and seccomp): no network, no other process, no writing, and no"
    " reading but of the Python libraries; whether a file exists, its size and its times can still be seen",
    Tier.SECCOMP: "kernel walls (seccomp, for want of Landlock): no network, no other process, no file of any kind",
    Tier.SEATBELT: "macOS Seatbelt, best effort and untested: meant to stop network, other processes and writing;"
    " Apple documents none of it",
    Tier.NONE: "process limits only: they stop accidents, not attackers; a candidate can do whatever you can do",
}


def describe(tier: Tier) -> str:
    """One sentence for a person: what holds, and what does not."""
    return DESCRIPTIONS[tier]


def probe() -> Tier:
    """The strongest tier whose walls were seen to hold on this machine.

    A throw-away process builds the very walls that candidates get and tries to break through them. It is started
    afresh, not forked: the caller may have threads, which no wall built in a fork could be trusted to cover.
    """
    if sys.platform == "darwin":
        from archsearch.sandbox.seatbelt import holds

        return Tier.SEATBELT if holds() else Tier.NONE
    return _linux() if sys.platform == "linux" else Tier.NONE


def required(accept_unsandboxed: bool) -> Tier:
    """The tier to run candidates in.

    Args:
        accept_unsandboxed: whether the person has said that they run candidates without walls.

    Raises:
        MachineError: no wall holds here, and that was not accepted.
    """
    tier = probe()
    if tier is Tier.NONE and not accept_unsandboxed:
        raise MachineError(
            "expected a kernel that can wall in candidates (Linux with seccomp), found none:"
            " a candidate could read and send whatever you can read",
            "run on Linux 4.14 or later on x86_64 or aarch64, and in a container allow the call seccomp(2);"
            " or, if you have read or trust every candidate, add --i-accept-unsandboxed, which marks every result",
        )
    return tier


def _linux() -> Tier:
    """Ask a fresh process that has tried; whatever goes wrong there counts as no wall."""
    try:
        answer = subprocess.run(
            [sys.executable, "-I", "-c", TRIAL],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
            text=True,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return Tier.NONE
    return Tier(answer) if answer in tuple(Tier) else Tier.NONE
