"""The walls with a GPU, as far as a machine without one can tell: that they stand, and what little they open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from walled import USERS, walled

from archsearch.errors import MachineError
from archsearch.sandbox import gpu, gpu_trial
from archsearch.sandbox.landlock import READ, USE_DEVICE
from archsearch.sandbox.tiers import Tier, probe

pytestmark = pytest.mark.skipif(probe() is not Tier.LANDLOCK_SECCOMP, reason="this kernel cannot build all walls")


@pytest.mark.parametrize("user", USERS)
def test_the_walls_stand(tmp_path: Path, user: int) -> None:
    tmp_path.chmod(0o777)
    secret = tmp_path / "secret"
    secret.write_text("targets")
    secret.chmod(0o666)
    ran = walled(
        f"""
path = {str(secret)!r}
print(errno_of(open, path), errno_of(open, path, 'r+'), errno_of(os.chmod, path, 0o777))
print(errno_of(socket.socket, socket.AF_INET), errno_of(os.fork), errno_of(os.kill, os.getppid(), 0))
unix = socket.socket(socket.AF_UNIX)
print(errno_of(unix.connect, '/x'), errno_of(unix.bind, '/x'), errno_of(os.memfd_create, 'driver', 1))
""",
        user=user,
        gpu=0,
    )
    assert ran.out.splitlines() == ["EACCES EACCES EPERM", "EPERM EPERM EPERM", "EPERM EPERM allowed"], ran.err
    assert secret.read_text() == "targets"


def test_it_can_name_its_own_threads_and_no_others() -> None:
    ran = walled(
        """
named = []
def name():
    path = f'/proc/self/task/{threading.get_native_id()}/comm'
    open(path, 'w').write('cuda')
    named.append(open(path).read())
thread = threading.Thread(target=name)
thread.start()
thread.join()
print(named, errno_of(open, f'/proc/{os.getppid()}/comm', 'r+'), errno_of(open, f'/proc/{os.getppid()}/environ'))
""",
        gpu=0,
    )
    assert ran.out == "['cuda\\n'] EACCES EACCES\n", ran.err


def test_one_gpu_is_not_another(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia-uvm"}
    monkeypatch.setattr(gpu.glob, "glob", lambda pattern: [pattern] if pattern in there else [])
    devices = {opening.path for opening in gpu.openings(1) if opening.rights == USE_DEVICE}
    assert devices == there - {"/dev/nvidia0"}


def test_only_devices_and_own_threads_can_be_written() -> None:
    for opening in gpu.openings(0):
        assert opening.rights == READ or opening.path.startswith("/dev/") or opening.path == "/proc/self/task"
        assert opening.path not in ("/", "/dev", "/proc", "/sys", "/usr/lib", "/etc", os.path.expanduser("~"))


def test_it_says_plainly_that_nothing_was_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu.VERIFIED is False
    monkeypatch.setattr(gpu, "missing", lambda index: [f"/dev/nvidia{index}"])
    with pytest.raises(MachineError, match="stay unverified"):
        gpu_trial.verify(3)
    monkeypatch.setattr(gpu_trial, "probe", lambda: Tier.SECCOMP)
    with pytest.raises(MachineError, match="expected Landlock"):
        gpu_trial.verify(0)


@pytest.mark.skipif(not gpu.missing(0), reason="there is a GPU, which answers otherwise")
def test_a_gpu_that_does_not_answer_is_an_error_and_no_silent_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "missing", lambda index: [])
    with pytest.raises(MachineError, match="cannot be used behind the walls"):
        gpu_trial.verify(0)


@pytest.mark.skipif(bool(gpu.missing(0)), reason="needs an NVIDIA GPU")
def test_a_gpu_is_used_behind_the_walls() -> None:
    assert "used behind the walls" in gpu_trial.verify(0)
