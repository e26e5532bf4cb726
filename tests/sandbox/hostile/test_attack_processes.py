"""Making processes, and harming those that there are: the search, the process that forks, other candidates, anybody."""

from __future__ import annotations

import os
import platform
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from attacks import REFUSED, Attack, Place, named
from sandboxes import children_of, run, until, zygote_of

ALL = ("victim", "zygote", "broker")
MACHINE_CODE = pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86_64")


LIMITED = ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_MEMLOCK")
LIMITED += ("RLIMIT_STACK",)


def for_all(deed: str, name: str, whom: tuple[str, ...] = ALL) -> dict[str, str]:
    return {f"{name} {who}": deed.format(who=who) for who in whom}


ATTACKS = [
    Attack(
        14,
        "a new process",
        {
            "fork": "forked(os.fork)",
            "fork of the C library": "forked(lambda: checked(libc.fork()))",
            "forkpty": "forked(lambda: os.forkpty()[0])",
            "vfork": "forked(lambda: call('vfork'))",
            "clone": "forked(lambda: call('clone', 17, 0, 0, 0, 0))",
            "clone without a signal": "forked(lambda: call('clone', 0, 0, 0, 0, 0))",
            "clone with shared memory": "forked(lambda: call('clone', 0x4111, 0, 0, 0, 0))",
            "clone as a sibling": "forked(lambda: call('clone', 0x8011, 0, 0, 0, 0))",
            "clone in a user namespace": "forked(lambda: call('clone', 0x10000011, 0, 0, 0, 0))",
            "a thread with files of its own": "call('clone', 0x3D0F00 & ~0x400, 0, 0, 0, 0)",
            "a thread with an upper half": "call('clone', 0x3D0F00 | 1 << 33, 0, 0, 0, 0)",
            "clone3": "number(435, text('\\x11' + '\\0' * 87), 88)",
            "execve": "os.execv('/bin/sleep', ['sleep', '30', mark])",
            "execve of itself": "os.execv('/proc/self/exe', ['python', '-c', '0', mark])",
            "execveat": "call('execveat', 0, text('/bin/true'), 0, 0, 0)",
            "posix_spawn": "os.posix_spawn('/bin/sleep', ['sleep', '30', mark], {})",
            "subprocess": "subprocess.Popen(['/bin/sleep', '30', mark])",
            "system": "system(f'sleep 30 {mark} &')",
            "popen": "checked(libc.popen(f'sleep 30 {mark}'.encode(), b'r') or None)",
            "multiprocessing": "start_process()",
            "a pool": "start_pool()",
            "workers of a data loader": "start_workers()",
        },
        REFUSED | {"ENOMEM"},  # what popen says instead
        REFUSED | {"ENOMEM"},
        setup="""
import subprocess, torch
def forked(how):
    pid = how()
    if pid == 0: become_marked()
    return pid
def system(command):
    status = os.system(command)
    if status == 127 << 8: raise PermissionError(1, "no shell was started")
    return status
def start_process():
    import multiprocessing
    process = multiprocessing.get_context("fork").Process(target=become_marked)
    process.start()
    return process.pid
def start_pool():
    from concurrent.futures import ProcessPoolExecutor
    return ProcessPoolExecutor(1).submit(become_marked).result(5)
def start_workers():
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4)), num_workers=1)
    return list(data)
""",
    ),
    Attack(
        15,
        "a bomb of forks",
        {"a thousand": "bomb()"},
        setup="""
def bomb():
    for _ in range(1000):
        try: pid = os.fork()
        except PermissionError: continue
        if pid == 0: become_marked()
        return pid
    raise PermissionError(1, "none of a thousand")
""",
    ),
    Attack(
        16,
        "signals to others",
        for_all("os.kill({who}, signal.SIGKILL)", "kill", ("victim",))
        | for_all("os.kill({who}, signal.SIGSTOP)", "stop", ("victim", "zygote"))
        | for_all("os.kill({who}, signal.SIGUSR1)", "signal")
        | for_all("os.killpg({who}, signal.SIGUSR1)", "group of")
        | for_all("call('tgkill', {who}, {who}, 10)", "tgkill")
        | for_all("call('tkill', {who}, 10)", "tkill")
        | for_all("call('rt_sigqueueinfo', {who}, 10, text('\\0' * 128))", "sigqueue")
        | for_all("call('rt_tgsigqueueinfo', {who}, {who}, 10, text('\\0' * 128))", "tgsigqueue")
        | for_all("signal.pidfd_send_signal(os.pidfd_open({who}), 10)", "by a handle")
        | for_all("call('process_mrelease', {who}, 0)", "mrelease")
        | for_all("fcntl.fcntl(pipe[0], 8, {who})", "owner of a pipe")
        | for_all("call('fcntl', pipe[0], 15, text(struct.pack('ii', 1, {who}).decode('latin-1')))", "owner anew")
        | for_all("fcntl.ioctl(pipe[0], 0x8901, struct.pack('i', {who}))", "FIOSETOWN")
        | {
            "all": "os.kill(-1, signal.SIGURG)",
            "own group": "os.kill(0, signal.SIGURG)",
            "upper half": "number(62, victim | 1 << 32, 9)",
            "signal of a pipe": "fcntl.fcntl(pipe[0], 10, 9)",
            "type into a terminal": "fcntl.ioctl(0, 0x5412, b'x')",
            "take a terminal": "fcntl.ioctl(0, 0x540E, 0)",
            "death of parents": "checked(libc.prctl(1, 0))",
        },
        setup="import fcntl\npipe = os.pipe()",
    ),
    Attack(
        17,
        "memory of others",
        for_all("call('ptrace', 16, {who}, 0, 0)", "attach to")
        | for_all("call('ptrace', 0x4206, {who}, 0, 0)", "seize")
        | for_all("call('process_vm_readv', {who}, text('\\0' * 16), 1, text('\\0' * 16), 1, 0)", "read")
        | for_all("call('process_vm_writev', {who}, text('\\0' * 16), 1, text('\\0' * 16), 1, 0)", "write")
        | for_all("call('pidfd_getfd', os.pidfd_open({who}), 0, 0)", "descriptors of")
        | for_all("call('kcmp', {who}, own, 2, 0, 0)", "compare with")
        | for_all("call('process_madvise', {who}, 0, 0, 4, 0)", "advise")
        | for_all("call('move_pages', {who}, 0, 0, 0, 0, 0)", "move pages of")
        | for_all("call('migrate_pages', {who}, 0, 0, 0)", "migrate")
        | for_all("call('get_robust_list', {who}, text('\\0' * 8), text('\\0' * 8))", "locks of")
        | for_all("call('perf_event_open', text('\\0' * 128), {who}, -1, -1, 0)", "measure")
        | {"be traced": "call('ptrace', 0, 0, 0, 0)"},
        setup="own = os.getpid()",
    ),
    Attack(
        18,
        "priority and limits",
        for_all("os.setpriority(os.PRIO_PROCESS, {who}, 19)", "nice of")
        | for_all("resource.prlimit({who}, resource.RLIMIT_CPU, (1, 1))", "limit of")
        | for_all("resource.prlimit({who}, resource.RLIMIT_NOFILE)", "limits of")
        | for_all("os.sched_setaffinity({who}, [0])", "processors of")
        | for_all("os.sched_setscheduler({who}, os.SCHED_IDLE, os.sched_param(0))", "policy of")
        | for_all("call('sched_setattr', {who}, text('\\0' * 48), 0)", "attributes of")
        | for_all("call('ioprio_set', 1, {who}, 0x6000)", "reading and writing of")
        | {"nice of a user": "os.setpriority(os.PRIO_USER, os.getuid(), 19)"}
        | {
            f"raise {limit}": f"resource.setrlimit(resource.{limit}, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"
            for limit in (*LIMITED, "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_SIGPENDING")
        }
        | {"lock memory": "checked(libc.mlockall(3))", "be nicer": "os.nice(-5)"},
        REFUSED | {"ValueError", "ENOMEM"},
        REFUSED | {"ValueError", "ENOMEM"},
        setup="import resource",
    ),
    Attack(
        19,
        "who it is",
        {
            "setsid": "os.setsid()",
            "setpgid": "os.setpgid(0, 0)",
            "setuid": "os.setuid(0)",
            "setreuid": "os.setreuid(0, 0)",
            "setresuid": "os.setresuid(0, 0, 0)",
            "setgid": "os.setgid(0)",
            "setgroups": "os.setgroups([0])",
            "setfsuid": "call('setfsuid', 0)",
            "capset": "call('capset', text('\\x22\\5\\x08\\x20\\0\\0\\0\\0'), text('\\xff' * 24))",
            "personality": "call('personality', 0x40000)",
            "umask": "os.umask(0)",
            "unshare": "call('unshare', 0x10000000)",
            "setns": "call('setns', 0, 0)",
            "seccomp": "call('seccomp', 1, 0, text('\\0' * 16))",
            "seccomp that tells": "call('seccomp', 1, 8, text('\\0' * 16))",
            "landlock": "call('landlock_create_ruleset', text('\\xff' * 8), 8, 0)",
            "keep capabilities": "checked(libc.prctl(8, 1))",
            "be dumped": "checked(libc.prctl(4, 1))",
            "be traced": "checked(libc.prctl(0x59616D61, -1))",
            "adopt orphans": "checked(libc.prctl(36, 1))",
            "drop the filter": "checked(libc.prctl(22, 0))",
            "bounds": "checked(libc.prctl(24, 0))",
            "memory map": "checked(libc.prctl(35, 1, 0, 0, 0))",
            "speculation": "checked(libc.prctl(53, 0, 0, 0, 0))",
            "syscalls of its own": "checked(libc.prctl(59, 1, 0, 0, 0))",
            "arch_prctl": "call('arch_prctl', 0x1002, 0)",
        },
    ),
]


@pytest.mark.parametrize("attack", named(ATTACKS))
def test_no_process_is_made_or_harmed(where: Place, attack: Attack) -> None:
    where.suffer(attack)


def test_another_candidate_at_work_is_out_of_reach(where: Place) -> None:
    """Own: two jobs of one zygote, of the same user, at the same time."""
    zygote = zygote_of(where.sandbox)
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(run, where.sandbox, "import time\ntime.sleep(1.5)\nblob = b'undisturbed'")
        assert until(lambda: children_of(zygote) != [], 20)
        (sibling,) = children_of(zygote)
        source = f"""
import ctypes, os, signal
from archsearch.sandbox import kernel
libc = ctypes.CDLL(None, use_errno=True)
at, refused = ctypes.create_string_buffer(64), 0
for deed in (
    lambda: os.kill({sibling}, 9), lambda: os.kill({sibling}, signal.SIGSTOP), lambda: os.pidfd_open({sibling}),
    lambda: kernel.call("ptrace", 16, {sibling}, 0, 0), lambda: kernel.call("tgkill", {sibling}, {sibling}, 9),
    lambda: kernel.call("process_vm_readv", {sibling}, ctypes.addressof(at), 1, ctypes.addressof(at), 1, 0),
    lambda: open("/proc/{sibling}/mem", "r+b", 0), lambda: open("/proc/{sibling}/fd/3", "wb", 0),
    lambda: kernel.call("prlimit64", {sibling}, 0, ctypes.addressof(at), 0),
    lambda: os.sched_setaffinity({sibling}, [0]),
):
    try: deed()
    except OSError: refused += 1
header = {{"refused": refused}}
"""
        assert run(where.sandbox, source).header == {"refused": 10}
        found = working.result(30)
    assert (found.blob, found.exit) == (b"undisturbed", 0)


CODES = {
    "i386 getpid": "b8 14000000 cd80",
    "i386 fork": "b8 02000000 cd80",
    "i386 socket": "b8 67010000 cd80",
    "i386 exit": "b8 01000000 31db cd80",
    "x32 getpid": "b8 27000040 0f05",
    "x32 execve": "b8 08020040 0f05",
    "number of all ones": "b8 ffffffff 0f05",
    "highest bit": "b8 27000080 0f05",
}
"""Machine code of x86_64: a number into eax, then int 0x80 or syscall."""


@MACHINE_CODE
@pytest.mark.parametrize("name", CODES)
def test_calls_by_the_numbers_of_others_end_it(where: Place, name: str) -> None:
    """Rows 21 and 22: from a page that it has made executable itself."""
    source = f"""
import ctypes, mmap
page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
page.write(bytes.fromhex({CODES[name] + " c3"!r}))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
blob = b"lived"
"""
    report = where.suffer_source(source)
    assert (report.exit, report.blob) == (-signal.SIGSYS, None)


@MACHINE_CODE
def test_a_jump_into_32_bits_changes_nothing(where: Place) -> None:
    """Own: a far return into the code segment of i386, where numbers of calls mean others; then fork by int 0x80."""
    source = """
import ctypes, mmap
page = mmap.mmap(-1, 8192, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, 7)  # MAP_32BIT
at = ctypes.addressof(ctypes.c_char.from_buffer(page))
assert at < 1 << 32
stack, there = ((at + place).to_bytes(4, "little") for place in (8000, 64))
code = bytes.fromhex("bc") + stack + bytes.fromhex("6a23 68") + there
page.write((code + bytes.fromhex("48cb")).ljust(64, b"\\x90") + bytes.fromhex("b802000000 cd80 ebfe"))
ctypes.CFUNCTYPE(ctypes.c_int)(at)()
blob = b"lived"
"""
    report = where.suffer_source(source)
    assert report.blob is None
    assert report.exit in (-signal.SIGSYS, -signal.SIGSEGV), "SIGSEGV where the kernel has no 32-bit segment"


def test_signals_to_the_group_reach_nobody(where: Place) -> None:
    """Own: SIGKILL to itself, by every name that it has; whoever is in the same session would hear of a group."""
    for deed in ("os.kill(os.getpid(), 9)", "signal.raise_signal(9)", "os.abort()"):
        report = where.suffer_source(f"import os, signal\n{deed}")
        assert report.exit in (-signal.SIGKILL, -signal.SIGABRT)
    assert os.getpgrp() != 0
