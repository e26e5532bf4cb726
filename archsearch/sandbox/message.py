"""What a zygote is told, and what it says: small JSON with descriptors beside it, between two processes of ours."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from typing import Any

MOST_BYTES = 1 << 15
MOST_DESCRIPTORS = 64
"""A job has three or four of its own and one for each thing that it is given."""


@dataclass(frozen=True)
class Job:
    """What a zygote is asked to run.

    The descriptors travel beside it: job socket, result, log, progress if the job tells of it, one per content.

    Attributes:
        entry: `module:function`.
        names: what the contents are called.
        sizes: their lengths in bytes, in the same order.
        tells: whether it says how far it is; its function then takes a second argument.
    """

    entry: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    tells: bool = False


def send_job(control: socket.socket, job: Job, descriptors: list[int]) -> None:
    """Hand a job over.

    Raises:
        OSError: nobody listens.
    """
    socket.send_fds(control, [json.dumps(asdict(job)).encode()], descriptors)


def receive_job(control: socket.socket) -> tuple[Job, list[int]] | None:
    """The next job with its descriptors; None at the end."""
    content, descriptors, _, _ = socket.recv_fds(control, MOST_BYTES, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    if not content:
        return None
    said = json.loads(content)
    return Job(said["entry"], tuple(said["names"]), tuple(said["sizes"]), said["tells"]), list(descriptors)


def say(channel: socket.socket, what: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    """Send one thing with descriptors beside it.

    Raises:
        OSError: nobody listens.
    """
    socket.send_fds(channel, [json.dumps(what).encode()], list(descriptors))


def hear(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next thing that is said with its descriptors; None at the end.

    Raises:
        OSError: the connection broke.
    """
    content, descriptors, _, _ = socket.recv_fds(channel, MOST_BYTES, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    return (json.loads(content), list(descriptors)) if content else None
