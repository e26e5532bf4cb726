"""What a run was made with: package versions, Python, platform, git revision."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "archsearch",
    "torch",
    "torchdiffeq",
    "optuna",
    "numpy",
    "scipy",
    "pydantic",
    "safetensors",
    "pint",
)


def package_versions() -> dict[str, str]:
    """The versions of the packages that results depend on; those not installed are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Operating system, its release and the processor's architecture, in one line."""
    return platform.platform()


def git_revision(folder: Path) -> str | None:
    """The git revision of the checkout whose top this folder is, `-dirty` behind it if changed; None without one."""
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
