"""Try on a machine with a GPU whether a candidate can use it behind the walls: `archsearch doctor --gpu`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from archsearch.errors import MachineError
from archsearch.sandbox import gpu
from archsearch.sandbox.sandbox import Sandbox
from archsearch.sandbox.tiers import Tier, probe
from archsearch.settings import Limits

SIZE = 64


def verify(index: int) -> str:
    """One sentence about a GPU that was used behind the walls just now.

    Args:
        index: the number of its device file.

    Raises:
        MachineError: it cannot be used there, with all that is known of why.
    """
    tier, absent = probe(), gpu.missing(index)
    if tier is not Tier.LANDLOCK_SECCOMP:
        raise MachineError(
            f"expected Landlock for a GPU behind walls, found only: {tier.value}",
            "train on the processor, or use Linux 5.13 or later with Landlock switched on",
        )
    if absent:
        raise MachineError(
            f"expected device files of GPU {index}, found none at {', '.join(absent)}; the GPU walls stay unverified",
            "install the NVIDIA driver, or hand its devices to this container",
        )
    with Sandbox(Limits(), tier, gpu=index) as sandbox:
        report = sandbox.run(f"{__name__}:{multiply.__name__}", {})
    if report.header is None or report.header.get("right") is not True:
        raise MachineError(
            f"GPU {index} cannot be used behind the walls (exit {report.exit}): {report.log or report.bad}",
            "train on the processor, and please report these lines: the GPU walls were never verified by us",
        )
    return f"used behind the walls: context and first product took {report.header.get('seconds')} s"


def multiply(given: Mapping[str, memoryview]) -> tuple[dict[str, Any], bytes]:
    """A job: start CUDA, multiply two matrices, say whether the product is right."""
    import torch

    began = time.perf_counter()
    ones = torch.ones(SIZE, SIZE, device="cuda")
    right = bool((ones @ ones == SIZE).all().item())
    return {"right": right, "seconds": round(time.perf_counter() - began, 2)}, b""
