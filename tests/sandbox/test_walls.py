"""The walls as a whole, in a real process: what is given up, what is refused, and that a missing wall ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from walled import KERNEL_TIERS, USERS, walled

from archsearch.sandbox import capabilities, landlock
from archsearch.sandbox.confinement import WALL_MISSING
from archsearch.sandbox.tiers import Tier, probe

pytestmark = pytest.mark.skipif(probe() is not Tier.LANDLOCK_SECCOMP, reason="this kernel cannot build all walls")

BOTH = pytest.mark.parametrize("tier", KERNEL_TIERS)
EVERYBODY = pytest.mark.parametrize("user", USERS)


@BOTH
@EVERYBODY
def test_nothing_of_the_parent_is_left_but_memory(tier: Tier, user: int) -> None:
    ran = walled(
        """
print(dict(os.environ), os.getpid() == os.getpgrp(), signal.pthread_sigmask(signal.SIG_BLOCK, ()))
print([n for n in range(40, 60) if errno_of(os.lseek, n, 0, 1) != 'EBADF'], flush=True)
os.kill(os.getpid(), signal.SIGUSR1)
""",
        tier=tier,
        user=user,
        before="""
os.environ['KEY'] = 'secret'
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
for number in range(40, 60): os.dup2(2, number)
keep = (41, 50)
""",
    )
    assert ran.out.splitlines() == ["{} True set()", "[41, 50]"], ran.err
    assert ran.exit == -signal.SIGUSR1 & 0xFF


def test_descriptors_are_closed_where_the_kernel_cannot_close_a_range() -> None:
    ran = walled(
        "print([n for n in range(3, 60) if errno_of(os.lseek, n, 0, 1) != 'EBADF'])",
        before="""
from archsearch.sandbox import descriptors
class Old:
    def call(name, *arguments): raise OSError(errno.ENOSYS, name)
descriptors.kernel = Old
for number in range(40, 60): os.dup2(2, number)
keep = (41, 50)
""",
    )
    assert ran.out == "[41, 50]\n", ran.err


@BOTH
@EVERYBODY
def test_rights_are_given_up_for_good(tier: Tier, user: int) -> None:
    """What is in force is read from outside, in the kernel's own account of the process."""
    ran = walled(
        """
os.write(told, b'x')
os.read(asked_for, 1)
print(errno_of(os.setuid, 0))
try: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
except ValueError as error: print('not raised')
""",
        tier=tier,
        user=user,
        before="""
watched, told = os.pipe()
asked_for, answer = os.pipe()
keep = (told, asked_for)
def watcher(pid):
    os.read(watched, 1)
    lines = open(f'/proc/{pid}/status').read().splitlines()
    print('\\n'.join(l for l in lines if l.startswith(('Cap', 'NoNewPrivs', 'Seccomp:'))), flush=True)
    os.write(answer, b'x')
fork = os.fork
def fork_and_watch():
    pid = fork()
    if pid: watcher(pid)
    return pid
os.fork = fork_and_watch
""",
    )
    assert ran.exit == 0, ran.err
    words = ran.out.split()
    found = dict(zip(words[0:-3:2], words[1:-3:2], strict=True))
    assert {found[f"Cap{kind}:"] for kind in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
    assert found["NoNewPrivs:"] == "1"
    assert found["Seccomp:"] == "2"
    assert words[-3:] == ["EPERM", "not", "raised"]


@BOTH
@EVERYBODY
def test_the_network_is_closed(tier: Tier, user: int) -> None:
    """The listeners, which anybody outside can reach, heard nothing."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        ran = walled(
            f"""
def tcp(): socket.create_connection(('127.0.0.1', {tcp.getsockname()[1]}))
def udp(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {udp.getsockname()[1]}))
for deed in (tcp, udp, lambda: socket.socket(socket.AF_UNIX), socket.socketpair,
             lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)):
    print(errno_of(deed))
""",
            tier=tier,
            user=user,
        )
        tcp.settimeout(0.2)
        udp.settimeout(0.2)
        for listener in (tcp.accept, lambda: udp.recv(1)):
            with pytest.raises(TimeoutError):
                listener()
    assert ran.out.split() == ["EPERM"] * 5, ran.err


@BOTH
@EVERYBODY
def test_other_processes_are_out_of_reach(tier: Tier, user: int) -> None:
    victim = subprocess.Popen(["sleep", "60"], user=user or None)
    try:
        ran = walled(
            f"""
victim = {victim.pid}
for deed in (lambda: os.kill(victim, 9), lambda: os.kill(-1, 0), lambda: os.killpg(victim, 9),
             lambda: os.setpriority(os.PRIO_PROCESS, victim, 19), lambda: os.sched_setaffinity(victim, [0]),
             lambda: resource.prlimit(victim, resource.RLIMIT_CPU, (1, 1)), lambda: os.pidfd_open(victim),
             lambda: kernel.call('ptrace', 16, victim, 0, 0), lambda: kernel.call('tkill', victim, 9),
             lambda: kernel.call('rt_sigqueueinfo', victim, 9, 0), os.fork,
             lambda: os.posix_spawn('/bin/true', ['x'], {{}}), lambda: os.execv('/bin/true', ['x']),
             lambda: kernel.call('process_vm_readv', victim, 0, 0, 0, 0, 0)):
    print(errno_of(deed))
""",
            tier=tier,
            user=user,
        )
        assert set(ran.out.split()) <= {"EPERM", "EACCES"}, ran.out + ran.err
        assert len(ran.out.split()) == 14, ran.out + ran.err
        assert victim.poll() is None
        assert os.getpriority(os.PRIO_PROCESS, victim.pid) == os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        victim.kill()
        victim.wait()


@BOTH
def test_threads_work_and_so_does_ending_itself(tier: Tier) -> None:
    ran = walled(
        """
seen = []
threads = [threading.Thread(target=seen.append, args=(n,)) for n in range(5)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(seen), errno_of(kernel.call, 'clone3', 0, 0), flush=True)
os.abort()
""",
        tier=tier,
    )
    assert ran.out == "[0, 1, 2, 3, 4] ENOSYS\n", ran.err
    assert ran.exit == -signal.SIGABRT & 0xFF


INT_80 = """
import ctypes
page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3]))  # mov eax, getpid of i386; int 0x80; ret
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only x86_64 runs calls of other architectures")
@pytest.mark.parametrize(
    "source",
    [
        pytest.param("kernel.function('syscall')(0x40000000 + 39)", id="x32_getpid"),
        pytest.param("kernel.function('syscall')(0x40000000 + 57)", id="x32_fork"),
        pytest.param(INT_80, id="i386_getpid"),
    ],
)
def test_calls_by_another_architectures_numbers_kill(source: str) -> None:
    assert walled(f"{source}\nprint('lived')").exit == -signal.SIGSYS & 0xFF


def any_argument(call: str) -> str:
    """Python that takes the check away from the rule for a call."""
    return f"rules.CHECKED = (rules._rule({call!r}, ''), *(r for r in rules.CHECKED if {call!r} not in r.calls))"


MISSING = {
    "filter": "seccomp.installing = lambda _: Step('do nothing', 'getpid')",
    "network rule": "rules.HARMLESS += (rules._rule('socket', ''),)",
    "fork rule": any_argument("clone"),
}
MISSING_IN_FIRST = MISSING | {
    "landlock": "landlock.restricting = lambda _: ()",
    "an opened root": "landlock.DEVICES += ('/',)",
    "no_new_privs": "capabilities.give_up(); kernel.prctl = lambda *_: 0",
    "descriptors": "def refuse(kept): raise OSError('no')\nconfinement.close_all_but = refuse",
    "limits": "known = resource.getrlimit(0); resource.getrlimit = lambda _: known; resource.RLIMIT_CORE = 99",
}
MISSING_IN_SECOND = MISSING | {
    "signal rule": any_argument("kill"),  # in the first one Landlock refuses signals once more
    "path rules": "rules.HARMLESS += rules.PATHS",
}


@pytest.mark.parametrize("wall", MISSING_IN_FIRST)
def test_a_wall_left_out_ends_the_process_before_the_candidate(wall: str) -> None:
    ran = walled("print('ran')", before=MISSING_IN_FIRST[wall])
    assert ran.exit == WALL_MISSING
    assert ran.out == ""
    assert "walls around this candidate do not stand" in ran.err


@pytest.mark.parametrize("wall", MISSING_IN_SECOND)
def test_so_it_does_without_landlock(wall: str) -> None:
    ran = walled("print('ran')", tier=Tier.SECCOMP, before=MISSING_IN_SECOND[wall])
    assert (ran.exit, ran.out) == (WALL_MISSING, "")


FORKED_TWICE = """
fork = os.fork
def fork_twice():
    pid = fork()
    if pid == 0 and (second := fork()):
        os._exit(os.waitstatus_to_exitcode(os.waitpid(second, 0)[1]))
    return pid
os.fork = fork_twice
"""
"""As where the parent dies: another process is in its place."""


def test_a_process_whose_parent_is_gone_does_not_start() -> None:
    ran = walled("print('ran')", before=FORKED_TWICE)
    assert (ran.exit, ran.out) == (WALL_MISSING, "")


def test_it_ends_even_if_nobody_can_be_told() -> None:
    """Standard error is closed, so that saying which wall is missing fails as well."""
    ran = walled("print('ran')", before=MISSING_IN_FIRST["filter"] + "; os.close(2)")
    assert (ran.exit, ran.out) == (WALL_MISSING, "")


def test_it_dies_with_its_parent() -> None:
    source = """
import os, sys, time
from archsearch.sandbox.confinement import Confinement, Walls
from archsearch.sandbox.tiers import Tier
from archsearch.settings import Limits
walls = Confinement(Walls(Tier.LANDLOCK_SECCOMP, Limits()))
pid = os.fork()
if pid == 0:
    walls.enter(())
    os.write(1, b'walled\\n')
    time.sleep(60)
    os._exit(0)
print(pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-I", "-c", source], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        said = {parent.stdout.readline().strip() for _ in range(2)}  # in whatever order
        (child,) = map(int, said - {b"walled"})
        parent.kill()
        parent.wait()
        end = time.monotonic() + 5
        while _alive(child) and time.monotonic() < end:
            time.sleep(0.01)
        assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("source", "signals"),
    [
        ("while True: pass", {signal.SIGKILL}),
        ("signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", {signal.SIGKILL}),
    ],
)
def test_processor_time_ends(source: str, signals: set[int]) -> None:
    ran = walled(source, wall_seconds=0.1)
    assert ran.exit in {-number & 0xFF for number in signals}, ran.err


@BOTH
def test_memory_and_descriptors_end(tier: Tier) -> None:
    ran = walled(
        """
try: bytearray(2 << 30)
except MemoryError: print('private')
try: mmap.mmap(-1, 8 << 30)
except (OSError, MemoryError): print('shared')
try:
    while True: os.dup(1)
except OSError as error: print(errno.errorcode[error.errno])
bytearray(300 << 20)
print('fits')
""",
        tier=tier,
        memory_mb=512,
    )
    assert ran.out.split() == ["private", "shared", "EMFILE", "fits"], ran.err


def test_without_kernel_walls_limits_still_hold_and_nothing_else_is_claimed() -> None:
    ran = walled(
        "print(errno_of(os.listdir, '/'), dict(os.environ), resource.getrlimit(resource.RLIMIT_CORE))", tier=Tier.NONE
    )
    assert ran.out == "allowed {} (0, 0)\n", ran.err


def test_only_root_has_capabilities_to_give_up() -> None:
    assert capabilities.held() == (os.getuid() == 0)


def test_the_ruleset_is_built_once_before_the_fork() -> None:
    before = "made = []; real = landlock.ruleset; landlock.ruleset = lambda o: made.append(os.getpid()) or real(o)"
    ran = walled("print(made == [os.getppid()])", before=before)
    assert ran.out == "True\n", ran.err
    assert landlock.abi() > 0
