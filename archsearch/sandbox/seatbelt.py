"""The walls of macOS: a Seatbelt profile for sandbox-exec. Best effort: Apple documents it nowhere, and we have no Mac.

It denies everything and then opens what Python and torch need to start: reading libraries. There is no fork in it, so
that a worker has no other process; the interpreter itself is the one program that may be executed.

Reference: the comments in /System/Library/Sandbox/Profiles/system.sb of macOS.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence

import archsearch

PROGRAM = "/usr/bin/sandbox-exec"

SYSTEM = (
    "/usr/lib",
    "/System/Library",
    "/Library/Apple",
    "/private/var/db/dyld",
    "/opt/homebrew/lib",
    "/usr/local/lib",
)
"""Where the system's own libraries lie, and those of the two usual package managers."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

SEALED = ("_bundled", "systems")
"""Parts of archsearch that no candidate may read: the search spaces, and the simulators that made their data."""

OUTSIDE = "/private/etc/passwd"
"""A file that is always there and that the profile leaves closed."""

PATIENCE_SECONDS = 10.0


def profile() -> str:
    """The profile for a worker that imports torch behind these walls, in Seatbelt's language."""
    return "\n".join(
        (
            "(version 1)",
            "(deny default)",
            "(deny network*)  ; the most important line, though the first one has said it",
            "(deny process-fork)  ; importing a system profile could grant it again: none is imported",
            f"(allow process-exec {_literals(_interpreters())})  ; sandbox-exec starts it behind the walls",
            "(allow process-info* (target self))",
            "(allow signal (target self))",
            "(allow sysctl-read)  ; the number of processors, the size of memory",
            "(allow file-read-metadata)  ; imports ask for files that are not there; says nothing of what is in them",
            '(allow file-read* (literal "/"))  ; the loader of programs gives up without it',
            f"(allow file-read* {_literals(DEVICES)} {_below(SYSTEM)} {_below(_python())})",
            f"(deny file-read* {_below(_sealed())})  ; the last rule that fits decides",
            f"(allow file-write-data {_literals(('/dev/null',))})",
        )
    )


def holds() -> bool:
    """Whether this machine can start a program behind the profile, and there it cannot read a file that is closed."""
    return os.path.exists(PROGRAM) and _exit("pass") == 0 and _exit(f"open({OUTSIDE!r})") == 1


def _exit(source: str) -> int | None:
    """The exit code of a Python program behind the profile; None if it did not end in time."""
    command = [PROGRAM, "-p", profile(), sys.executable, "-I", "-c", source]
    try:
        return subprocess.run(
            command, env={}, cwd="/", capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_SECONDS
        ).returncode
    except subprocess.TimeoutExpired:
        return None


def _interpreters() -> list[str]:
    """The program that runs this, by its own name and by what it links to; a framework build starts a second one."""
    real = os.path.realpath(sys.executable)
    app = os.path.join(sys.base_prefix, "Resources", "Python.app", "Contents", "MacOS", "Python")
    return sorted({sys.executable, real, app})


def _python() -> list[str]:
    """The libraries of Python: as whole folders, unlike Landlock's list, since a worker imports behind the walls."""
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return sorted({os.path.realpath(folder) for folder in (*folders, *archsearch.__path__)})


def _sealed() -> list[str]:
    return [os.path.join(os.path.realpath(folder), part) for folder in archsearch.__path__ for part in SEALED]


def _literals(paths: Sequence[str]) -> str:
    return " ".join(f'(literal "{_quoted(path)}")' for path in paths)


def _below(paths: Sequence[str]) -> str:
    return " ".join(f'(subpath "{_quoted(path)}")' for path in paths)


def _quoted(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"')
