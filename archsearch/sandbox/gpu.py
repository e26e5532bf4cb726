"""What a candidate needs open to use one NVIDIA GPU. Reported by others, not verified by us: see docs/security.md.

It is data, so that `archsearch doctor --gpu` can try it on a machine that has one and name what is missing. The order
matters: fork, walls, then CUDA. It starts threads, and a thread from before the walls stays outside of Landlock.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator

from archsearch.sandbox.landlock import READ, TRUNCATE, USE_DEVICE, WRITE_FILE, Opening

VERIFIED = False
"""Whether these openings were seen to suffice, and to be needed, on a machine with a GPU."""

DEVICES = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-caps/*")
"""Control, memory, its tools (for driver 570 and later), slices of a divided GPU; not nvidia-modeset, nor /dev/dri."""

FACTS = (
    "/proc/driver/nvidia",
    "/proc/driver/nvidia-uvm",
    "/sys/module/nvidia*",
    "/sys/bus/pci/devices",
    "/sys/devices/pci*",
    "/proc/self/maps",
    "/proc/self/status",
    "/proc/devices",
    "/proc/meminfo",
)
"""What the driver's library reads of machine and driver; without /sys it ends with error 304."""

LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/lib{cuda,nvidia,nvcuvid}*",
    "/usr/lib/aarch64-linux-gnu/lib{cuda,nvidia,nvcuvid}*",
    "/usr/lib64/lib{cuda,nvidia,nvcuvid}*",
    "/etc/ld.so.cache",
    "/usr/lib/wsl/lib",
)
"""The driver's own libraries, which are loaded when CUDA starts, that is behind the walls."""

PACKAGES = ("nvidia", "triton", "cusparselt")
"""What lies beside torch and is loaded when it is first needed."""

WINDOWS_DEVICE = "/dev/dxg"
"""The GPU under WSL 2."""

OWN_THREADS = "/proc/self/task"
"""Driver 570 and later write their threads' names to comm; made after the fork, this rule covers this process alone."""


def openings(index: int) -> tuple[Opening, ...]:
    """What to leave open for one GPU.

    Args:
        index: the number of its device file: no other GPU can be opened.
    """
    return (
        *(Opening(path, USE_DEVICE) for path in _there(*DEVICES, f"/dev/nvidia{index}", WINDOWS_DEVICE)),
        *(Opening(path, READ) for path in _there(*FACTS, *_libraries())),
        Opening(OWN_THREADS, READ | WRITE_FILE | TRUNCATE),
    )


def missing(index: int) -> list[str]:
    """The device files that this machine lacks and every NVIDIA driver on Linux has: what to tell a person first."""
    return [path for path in ("/dev/nvidiactl", f"/dev/nvidia{index}", "/dev/nvidia-uvm") if not os.path.exists(path)]


def _there(*patterns: str) -> list[str]:
    return sorted({path for pattern in patterns for path in glob.glob(pattern)})


def _libraries() -> Iterator[str]:
    for pattern in LIBRARIES:
        yield from _alternatives(pattern)
    torch = getattr(sys.modules.get("torch"), "__file__", None)
    if isinstance(torch, str):
        yield from (os.path.join(os.path.dirname(os.path.dirname(torch)), name) for name in PACKAGES)


def _alternatives(pattern: str) -> Iterator[str]:
    """A pattern with {a,b} as several without."""
    before, opened, rest = pattern.partition("{")
    if not opened:
        yield pattern
        return
    names, _, after = rest.partition("}")
    yield from (f"{before}{name}{after}" for name in names.split(","))
