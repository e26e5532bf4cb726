"""News of a run as server-sent events: that something changed, not what; whoever hears it asks for it."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import StreamingResponse

from archsearch.service.launching import Launcher
from archsearch.study.control import CONTROL
from archsearch.study.files import RUN
from archsearch.study.lock import LOCK, searching
from archsearch.study.running import RUNNING
from archsearch.study.writer import PROPOSALS

EVERY = 0.5
BEAT = 15.0
Stamp = tuple[int, int] | None


def stream(request: Request, folder: Path, launcher: Launcher, seen: str = "") -> StreamingResponse:
    """Events of one run until whoever listens goes away: `changed`, and `running` for the fits that run."""
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_news(request, folder, launcher, seen), media_type="text/event-stream", headers=headers)


async def _news(request: Request, folder: Path, launcher: Launcher, seen: str) -> AsyncIterator[str]:
    before = _stamps(folder, launcher)
    yield "retry: 2000\n\n"
    if seen and seen != _hashed(before["changed"]):  # it changed between the making of the page and now
        yield f"event: changed\ndata: {folder.name}\n\n"
    silent = 0.0
    while not await request.is_disconnected():
        await asyncio.sleep(EVERY)
        silent += EVERY
        now = _stamps(folder, launcher)
        for name in (name for name in now if now[name] != before[name]):
            silent = 0.0
            yield f"event: {name}\ndata: {folder.name}\n\n"
        before = now
        if silent >= BEAT:
            silent = 0.0
            yield ": still here\n\n"


def stamp_of(folder: Path, launcher: Launcher) -> str:
    """What a page shows as it is made; whoever listens with it hears at once of what came since."""
    return _hashed(_stamps(folder, launcher)["changed"])


def _hashed(stamp: object) -> str:
    return hashlib.sha256(repr(stamp).encode()).hexdigest()[:16]


def _stamps(folder: Path, launcher: Launcher) -> dict[str, object]:
    """Of each event what differs once it is due: a line was added, the control moved, a search began or ended."""
    files = tuple(_stamp(folder / name) for name in (RUN, PROPOSALS, CONTROL))
    process = (launcher.is_starting(folder.name), launcher.exit_code(folder.name))
    return {"changed": (files, searching(folder / LOCK), process), "running": _stamp(folder / RUNNING)}


def _stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
