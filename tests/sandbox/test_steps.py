"""Steps do what they say, once for each process that takes them, and stop at the first that does not."""

from __future__ import annotations

import ctypes
import errno
import os

import pytest

from archsearch.sandbox import kernel
from archsearch.sandbox.steps import Step, Steps, WallMissingError

OLD_MASK = 0o22


def test_they_are_taken_in_order_with_numbers_and_memory(tmp_path: os.PathLike[str]) -> None:
    place = os.path.join(tmp_path, "made")
    path = kernel.in_memory(os.fsencode(place) + b"\0")
    steps = Steps([Step("make it", "mkdir", (path, 0o700)), Step("see it", "access", (path, os.F_OK))])
    assert not os.path.exists(place)
    steps.take()
    assert os.path.isdir(place)
    with pytest.raises(FileExistsError, match="cannot make it"):
        steps.take()


def test_one_that_must_fail_says_what_was_expected_and_found() -> None:
    closed = 1 << 20
    must = Step("close what is not open", "close", (closed,), error=errno.EBADF)
    Steps([must]).take()
    for step, found in (
        (Step("close it", "close", (closed,), error=errno.EPERM), f"error {errno.EBADF}"),
        (Step("ask who it is", "getpid", error=errno.EPERM), str(os.getpid())),
        (Step("ask who it is", "getpid", answer=1), str(os.getpid())),
    ):
        with pytest.raises(WallMissingError, match=f"{step.deed}, found {found}"):
            Steps([step]).take()


def test_what_comes_after_a_failure_is_not_done() -> None:
    mask = os.umask(OLD_MASK)
    try:
        with pytest.raises(OSError, match="cannot close"):
            Steps([Step("close", "close", (-1,)), Step("change the mask", "umask", (0o77,))]).take()
        assert os.umask(OLD_MASK) == OLD_MASK
    finally:
        os.umask(mask)


def test_each_fork_writes_its_own_number() -> None:
    """The bytes are the fork's own copy: what it wrote is not there afterwards."""
    memory = kernel.in_memory(bytes(8))
    own_pid = (ctypes.c_uint32.from_buffer(memory, 4),)
    reading, writing = os.pipe()
    steps = Steps([Step("tell them", "write", (writing, memory, 8), answer=8, own_pid=own_pid)])
    pids = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            try:
                steps.take()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        pids.append(pid)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        assert told.read() == b"".join(bytes(4) + pid.to_bytes(4, "little") for pid in pids)
    assert bytes(memory) == bytes(8)
