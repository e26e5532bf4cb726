"""A process that loads torch, takes one job, does it and ends: where a fork after torch is not safe (macOS).

It begins behind its walls, which is why what it imports must be readable there. The job comes as a frame on standard
input: a header with the entry and the names and sizes of the contents, which are the blob.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from archsearch.sandbox.child import answer, imported
from archsearch.sandbox.frames import FrameReader
from archsearch.sandbox.limits import limiting
from archsearch.sandbox.progress import Teller
from archsearch.sandbox.steps import Steps
from archsearch.sandbox.zygote import preload
from archsearch.settings import Limits

PIECE_BYTES = 1 << 20
MOST_BYTES = 1 << 40
"""Of a job: it comes from the process that we belong to."""


def main() -> None:
    """Take one job. Arguments: the descriptors for result and progress, the limits as JSON, what warms up."""
    result, progress, described, *warm_up = sys.argv[1:]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a killed job keeps what it printed
    os.environ.clear()
    preload(warm_up)
    header, blob = _job()
    function = imported(header["entry"])
    _limit(Limits.model_validate_json(described))
    given, rest = dict[str, memoryview](), memoryview(blob)
    for name, size in zip(header["names"], header["sizes"], strict=True):
        given[name], rest = rest[:size], rest[size:]
    answer(function, given, int(result), *([Teller(int(progress))] if header["tells"] else []))


def _job() -> tuple[dict[str, Any], bytes]:
    reader = FrameReader(MOST_BYTES, exact=False)
    while piece := os.read(0, PIECE_BYTES):
        reader.feed(piece)
    return reader.finish()


def _limit(limits: Limits) -> None:
    """Limit what the job uses, on top of what loading has used."""
    more = limits.model_copy(update={"wall_seconds": limits.wall_seconds + time.process_time()})
    Steps(limiting(more)).take()


def described(limits: Limits) -> str:
    """The limits as an argument of `main`."""
    return json.dumps(limits.model_dump())
