"""Run by `tiers.probe` in a fresh process: which walls hold on this machine, as one line on standard output.

Nothing heavy is imported here: it is to answer in a twentieth of a second.
"""

from __future__ import annotations

import os

from archsearch.sandbox.confinement import WALL_MISSING, raise_walls
from archsearch.sandbox.tiers import Tier


def main() -> None:
    """Print the strongest tier whose walls hold."""
    os.write(1, strongest().encode())


def strongest() -> Tier:
    """The first of the tiers, from the strongest on, that holds in a process made for trying it."""
    return next((tier for tier in (Tier.LANDLOCK_SECCOMP, Tier.SECCOMP) if _holds(tier)), Tier.NONE)


def _holds(tier: Tier) -> bool:
    pid = os.fork()
    if pid == 0:
        _try(tier)
    _, status = os.waitpid(pid, 0)
    return status == 0


def _try(tier: Tier) -> None:
    """Raise the walls and end; `raise_walls` itself ends the process if one does not hold."""
    try:
        raise_walls(tier, os.getppid())
        os._exit(0)
    finally:
        os._exit(WALL_MISSING)  # whatever was raised: this process must never go on as its parent
