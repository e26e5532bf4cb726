"""The watch itself: every kind of harm, done here without walls, is seen; else no test of an attack could fail."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from outside import World
from sandboxes import until


@pytest.fixture
def world() -> Iterator[World]:
    made = World(0)
    made.look(())
    yield made
    made.close()


def told(world: World) -> dict[str, object]:
    return world.described()


def write(world: World) -> None:
    (world.folder / "secret").write_text("other targets")


def write_as_before(world: World) -> None:
    secret = world.folder / "secret"
    secret.write_text(secret.read_text())


def unlink(world: World) -> None:
    (world.folder / "secret").unlink()


def make(world: World) -> None:
    (world.folder / "inner" / "made").touch()


def link(world: World) -> None:
    (world.folder / "made").symlink_to("/etc/passwd")


def mode(world: World) -> None:
    (world.folder / "secret").chmod(0o600)


def mode_and_back(world: World) -> None:
    (world.folder / "secret").chmod(0o600)
    (world.folder / "secret").chmod(0o666)


def touch(world: World) -> None:
    os.utime(world.folder / "secret", (1, 1))


def tcp(world: World) -> None:
    socket.create_connection(("127.0.0.1", int(str(told(world)["tcp"])))).close()


def udp(world: World) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", int(str(told(world)["udp"]))))


def unix(world: World) -> None:
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect(str(world.folder / "socket"))


def abstract(world: World) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", f"\0{world.mark}")


def kill(world: World) -> None:
    os.kill(world.victim, signal.SIGKILL)
    time.sleep(0.1)


def stop(world: World) -> None:
    os.kill(world.victim, signal.SIGSTOP)
    time.sleep(0.1)


def slow(world: World) -> None:
    os.setpriority(os.PRIO_PROCESS, world.victim, os.getpriority(os.PRIO_PROCESS, world.victim) + 1)


def limit(world: World) -> None:
    soft, hard = resource.prlimit(world.victim, resource.RLIMIT_NOFILE)
    resource.prlimit(world.victim, resource.RLIMIT_NOFILE, (soft - 1, hard))


def signalled(world: World) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def environment(world: World) -> None:
    os.environ[world.variable] = "changed"


HARMS: list[Callable[[World], None]] = [
    write, write_as_before, unlink, make, link, mode, mode_and_back, touch, tcp, udp, unix, abstract, kill, stop, slow,
    limit, signalled, environment,
]  # fmt: skip


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_harm_is_seen(world: World, harm: Callable[[World], None]) -> None:
    assert world.harm(()) == []
    harm(world)
    assert until(lambda: world.harm(()) != [], 5)


def test_a_process_that_is_left_is_seen(world: World) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", world.mark], stdin=subprocess.PIPE) as left:
        try:
            assert until(lambda: world.harm(()) != [], 5)
        finally:
            left.kill()


def test_a_file_that_is_left_is_seen(world: World) -> None:
    place = (
        world.places_to_write()["memory"] if os.access("/dev/shm", os.W_OK) else world.places_to_write()["temporary"]
    )
    descriptor = os.open(place, os.O_CREAT | os.O_WRONLY)
    try:
        assert any("was made" in line for line in world.harm(()))
    finally:
        os.close(descriptor)
        os.unlink(place)


def test_a_system_v_object_that_is_left_is_seen(world: World) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    made = library.msgget(world.key, 0o1600)
    if made < 0:
        pytest.skip("this machine makes no System V objects")
    try:
        assert any("System V" in line for line in world.harm(()))
    finally:
        library.msgctl(made, 0, None)
