"""Serve the pages of a folder of runs until a person stops it."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from archsearch.errors import MachineError
from archsearch.service.app import make_app
from archsearch.service.guard import LOOPBACK
from archsearch.service.here import Service
from archsearch.service.keys import Keys
from archsearch.service.launching import Launcher
from archsearch.service.open_runs import OpenRuns
from archsearch.service.pictures import Pictures

EVERYWHERE = ("0.0.0.0", "::")


def serve(runs_dir: Path, host: str, port: int, tell: Callable[[str], None]) -> None:
    """Answer requests until interrupted.

    Args:
        runs_dir: where runs are.
        host: the address to listen on.
        port: likewise; 0 for any that is free.
        tell: told the address of the pages, once they can be opened.

    Raises:
        MachineError: the address is taken, or is not one of this machine.
    """
    runs_dir = runs_dir.resolve()
    keys = Keys()
    listening = _listening(host, port)
    taken = listening.getsockname()[1]
    service = Service(keys, OpenRuns(runs_dir), Launcher(runs_dir), Pictures())
    app = make_app(service, names_of(host), f"archsearch-{taken}")
    # An access log would hold the token of the first request. Events never end by themselves, so they are cut off.
    config = uvicorn.Config(
        app, access_log=False, log_level="warning", server_header=False, timeout_graceful_shutdown=1, lifespan="off"
    )
    threading.Thread(target=service.runs.open_newest, daemon=True).start()
    tell(f"http://{_in_address(host)}:{taken}/?token={keys.token}")
    uvicorn.Server(config).run([listening])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str) -> frozenset[str]:
    """The names under which a server on this address may be asked; none: any numerical one."""
    if host in EVERYWHERE:
        return frozenset()
    return LOOPBACK if is_loopback(host) else LOOPBACK | {host.lower()}


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        told = os.strerror(error.errno) if isinstance(error.errno, int) and error.errno > 0 else str(error)
        raise MachineError(
            f"{host}:{port}: cannot be listened on ({told}).", "Choose another --port; 0 takes any that is free."
        ) from None


def _in_address(host: str) -> str:
    shown = "127.0.0.1" if host in EVERYWHERE else host
    return f"[{shown}]" if ":" in shown else shown
