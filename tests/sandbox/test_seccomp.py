"""The filter program, run by an interpreter of the kernel's filter language that is written here.

It needs no kernel, so that the programs of both architectures are tested on any machine.
"""

from __future__ import annotations

import errno
import struct
from itertools import product

import pytest

from archsearch.sandbox import kernel
from archsearch.sandbox.rules import for_walls
from archsearch.sandbox.seccomp import ALLOW, ERRNO, KILL, Filter, assemble, program

MACHINES = ("x86_64", "aarch64")
PID = 4242
EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS


def listed(names: str) -> list[str]:
    return names.split()


ALWAYS = listed(
    """
    munmap mprotect mremap madvise brk msync read readv pread64 preadv preadv2 write writev pwrite64 pwritev
    pwritev2 lseek close close_range fstat dup dup2 dup3 pipe pipe2 eventfd2 poll ppoll select pselect6 epoll_create
    epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 clock_gettime clock_getres clock_nanosleep nanosleep
    gettimeofday time times getitimer setitimer alarm set_robust_list rseq set_tid_address
    membarrier sched_yield rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait
    sigaltstack pause restart_syscall getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid
    getgroups getpgrp uname sysinfo getrusage getrlimit getcpu sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getparam sched_getscheduler getrandom exit exit_group
    """
)
"""Written out once more: whoever adds a call to the rules must add it here, and think twice."""

WITH_PATHS = listed(
    """
    getdents64 stat lstat newfstatat statx access faccessat faccessat2 getcwd statfs fstatfs
    open openat
    """
)

CHECKED = listed("mmap clone futex kill tgkill prlimit64 fcntl ioctl prctl")

NEVER = listed(
    """
    socket socketpair connect accept bind listen sendto sendmsg recvmsg fork vfork execve execveat ptrace
    process_vm_readv process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal kcmp process_madvise chmod fchmod
    fchmodat chown fchown lchown fchownat utime utimes utimensat setxattr lsetxattr fsetxattr removexattr link
    linkat symlink symlinkat mknod mknodat mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 truncate
    ftruncate fallocate creat openat2 open_by_handle_at name_to_handle_at mount umount2 move_mount fsopen open_tree
    pivot_root chroot unshare setns bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register
    keyctl add_key request_key memfd_create memfd_secret shmget shmat shmctl semget semop semctl msgget msgsnd
    msgrcv mq_open setsid setpgid setuid setgid setreuid setresuid setgroups capset setpriority sched_setscheduler
    sched_setattr ioprio_set personality seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
    tkill rt_sigqueueinfo rt_tgsigqueueinfo vmsplice splice tee sendfile copy_file_range inotify_init1 fanotify_init
    timer_create timerfd_create signalfd4 mincore arch_prctl modify_ldt iopl ioperm kexec_load init_module
    finit_module delete_module reboot swapon syslog acct quotactl lookup_dcookie settimeofday clock_settime adjtimex
    sethostname migrate_pages move_pages mbind set_mempolicy process_mrelease wait4 waitid chdir fchdir umask
    getpgid getsid get_robust_list futex_waitv sched_setaffinity readlink readlinkat
    """
)


def run(code: bytes, number: int, arguments: tuple[int, ...] = (), audit: int = 0) -> int:
    """What the kernel would do with a call: the filter's verdict.

    The record is struct seccomp_data: number, architecture, instruction pointer, six arguments of 64 bits.
    """
    record = struct.pack("<IIQ6Q", number, audit, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    at, loaded = 0, 0
    while True:
        operation, if_so, if_not, value = struct.unpack_from("<HBBI", code, 8 * at)
        at += 1
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            (loaded,) = struct.unpack_from("<I", record, value)
            continue
        holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: loaded & value != 0}[operation]
        at += if_so if holds else if_not


def of_process(made: Filter, pid: int) -> bytes:
    """The program as the kernel gets it in one process."""
    code = bytearray(made.code)
    for place in made.own_pid_at:
        code[place : place + 4] = pid.to_bytes(4, "little")
    return bytes(code)


class Machine:
    """A filter on one architecture, to be asked about calls."""

    def __init__(self, machine: str, paths: bool = True, gpu: bool = False) -> None:
        found = kernel.table(machine)
        assert found is not None
        self.table = found
        self.names = {number: name for name, number in found.numbers.items()}
        self.code = of_process(assemble(program(for_walls(paths, gpu), found)), PID)

    def verdict(self, call: str | int, *arguments: int, audit: int | None = None) -> int:
        number = self.table.numbers[call] if isinstance(call, str) else call
        return run(self.code, number, arguments, self.table.audit if audit is None else audit)


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("paths", [True, False])
def test_every_number_is_decided_as_the_lists_above_say(name: str, paths: bool) -> None:
    asked = Machine(name, paths)
    last = max(asked.table.numbers.values())
    allowed = {*ALWAYS, *(WITH_PATHS if paths else ())}
    for number in range(601):
        call = asked.names.get(number)
        if number > last or call == "clone3":
            expected = ENOSYS
        elif call in CHECKED:
            continue  # by their arguments, in the tests below
        else:
            expected = ALLOW if call in allowed else EPERM
        assert asked.verdict(number) == expected, f"{number} {call}"


def test_the_lists_above_name_real_calls() -> None:
    known = set().union(*(Machine(name).names.values() for name in MACHINES))
    assert {*ALWAYS, *WITH_PATHS, *CHECKED, *NEVER} - known == set()


@pytest.mark.parametrize("gpu", [True, False])
def test_what_no_candidate_needs_is_refused_whatever_the_arguments(machine: Machine, gpu: bool) -> None:
    asked = Machine(machine.table.machine, gpu=gpu)
    gpus = "socket memfd_create ftruncate mbind get_mempolicy set_mempolicy readlink readlinkat"
    needed_by_gpu = set(listed(gpus)) if gpu else set()
    for call in set(NEVER) & set(asked.table.numbers) - needed_by_gpu:
        for value in (0, 1, PID, (1 << 64) - 1):
            assert asked.verdict(call, *[value] * 6) == EPERM, call


def test_calls_of_another_architecture_kill(machine: Machine) -> None:
    others = {0x40000003, 0xC000003E, 0xC00000B7, 0x40000028} - {machine.table.audit}  # i386, x86_64, aarch64, arm
    for audit, number in product(others, range(601)):
        assert machine.verdict(number, audit=audit) == KILL


def test_calls_of_x32_kill() -> None:
    asked = Machine("x86_64")
    for number in [*range(601), 0x3FFFFFFF]:
        assert asked.verdict(0x40000000 + number) == KILL


def test_numbers_that_the_headers_do_not_know_are_unknown(machine: Machine) -> None:
    for number in (max(machine.table.numbers.values()) + 1, 1000, 0x3FFFFFFF):
        assert machine.verdict(number) == ENOSYS


def test_a_newer_way_to_make_processes_is_said_to_be_missing(machine: Machine) -> None:
    assert machine.verdict("clone3") == ENOSYS


PTHREAD = 0x3D0F00


@pytest.mark.parametrize("flags", [PTHREAD, PTHREAD | 0x400000])
def test_threads_can_be_made(machine: Machine, flags: int) -> None:
    assert machine.verdict("clone", flags) == ALLOW


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(17, id="fork"),
        pytest.param(0, id="nothing"),
        pytest.param(0x4111, id="vfork"),
        pytest.param(PTHREAD & ~0x10000, id="no_thread"),
        pytest.param(PTHREAD | 0x8000, id="other_parent"),
        pytest.param(PTHREAD | 0x2000, id="traced"),
        pytest.param(PTHREAD | 0x1000, id="pidfd"),
        *(pytest.param(PTHREAD | 1 << bit, id=f"namespace_{bit}") for bit in (7, 17, 25, 26, 27, 28, 29, 30)),
        *(pytest.param(PTHREAD | 1 << bit, id=f"upper_half_{bit}") for bit in (32, 33, 63)),
    ],
)
def test_processes_cannot(machine: Machine, flags: int) -> None:
    assert machine.verdict("clone", flags) == EPERM


PRIVATE, ANONYMOUS, FIXED, NORESERVE, STACK, POPULATE = 0x2, 0x20, 0x10, 0x4000, 0x20000, 0x8000


@pytest.mark.parametrize(
    "flags", [PRIVATE, PRIVATE | ANONYMOUS, PRIVATE | ANONYMOUS | NORESERVE | STACK | POPULATE | FIXED]
)
def test_memory_of_its_own_can_be_mapped(machine: Machine, flags: int) -> None:
    assert machine.verdict("mmap", 0, 1 << 40, 7, flags, (1 << 64) - 1) == ALLOW


@pytest.mark.parametrize("kind", [0x1, 0x3, 0x100 | PRIVATE, 0x40000 | PRIVATE])
def test_memory_that_no_limit_counts_cannot_unless_a_gpu_needs_it(machine: Machine, kind: int) -> None:
    for more in (0, ANONYMOUS, ANONYMOUS | NORESERVE, 1 << 32):
        assert machine.verdict("mmap", 0, 4096, 3, kind | more, 5) == EPERM
        assert Machine(machine.table.machine, gpu=True).verdict("mmap", 0, 4096, 3, kind | more, 5) == ALLOW


@pytest.mark.parametrize("call", ["kill", "tgkill"])
def test_it_signals_itself_alone(machine: Machine, call: str) -> None:
    assert machine.verdict(call, PID, 6, 6) == ALLOW
    for other in (0, 1, PID + 1, PID - 1, (1 << 64) - 1, (1 << 64) - PID):
        assert machine.verdict(call, other, 9, 9) == EPERM


def test_it_limits_itself_alone(machine: Machine) -> None:
    assert machine.verdict("prlimit64", 0) == ALLOW
    assert machine.verdict("prlimit64", PID) == ALLOW
    for other in (1, PID + 1, (1 << 64) - 1):
        assert machine.verdict("prlimit64", other) == EPERM


@pytest.mark.parametrize("operation", range(14))
def test_it_waits_and_wakes_within_itself_alone(machine: Machine, operation: int) -> None:
    private, clock = 128, 256
    for more in (0, clock, 0xDEADBEEF << 32):
        assert machine.verdict("futex", 0, operation | more | private) == ALLOW
        assert machine.verdict("futex", 0, operation | more) == ERRNO | errno.EAGAIN


@pytest.mark.parametrize(
    ("call", "place", "allowed"),
    [
        ("fcntl", 1, {0, 1, 2, 3, 4, 1030}),
        ("ioctl", 1, {0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451}),
        ("prctl", 0, {3, 15, 16, 0x53564D41}),
    ],
)
def test_calls_with_many_commands_take_the_harmless_ones_alone(
    machine: Machine, call: str, place: int, allowed: set[int]
) -> None:
    for command in [*range(2048), *range(0x5400, 0x5500), 0x8901, 0x8902, 0x53564D41, 0x59616D61, 0xFFFFFFFF]:
        arguments = [7] * place + [command]
        assert machine.verdict(call, *arguments) == (ALLOW if command in allowed else EPERM), hex(command)


def test_the_kernel_reads_an_int_so_its_upper_half_does_not_count(machine: Machine) -> None:
    upper = 0xDEADBEEF << 32
    assert machine.verdict("fcntl", 0, upper | 3) == ALLOW
    assert machine.verdict("fcntl", 0, upper | 8) == EPERM
    assert machine.verdict("kill", upper | PID) == ALLOW
    assert machine.verdict("kill", upper | 1) == EPERM


@pytest.mark.parametrize("flags", [1, 2, 3, 0o100, 0o1000, 0o20200002, 0o2001, 0o10000000])
def test_files_are_opened_for_reading_alone(machine: Machine, flags: int) -> None:
    calls = [("openat", (0, 0)), ("open", (0,))]
    for call, before in calls if machine.table.machine == "x86_64" else calls[:1]:
        assert machine.verdict(call, *before, flags) == EPERM
        assert machine.verdict(call, *before, 0o2000000) == ALLOW  # O_CLOEXEC


def test_without_landlock_no_call_names_a_file() -> None:
    for name in MACHINES:
        asked = Machine(name, paths=False)
        for call in set(WITH_PATHS) & set(asked.table.numbers):
            assert asked.verdict(call) == EPERM


def test_a_gpu_needs_landlock() -> None:
    with pytest.raises(ValueError, match="Landlock"):
        for_walls(paths=False, gpu=True)


def test_with_a_gpu_drivers_can_be_talked_to_but_not_terminals_nor_networks() -> None:
    asked = Machine("x86_64", gpu=True)
    assert asked.verdict("ioctl", 3, 0xC020462A) == ALLOW
    for command in (0x5412, 0x541C, 0x8901, 0x8902, 0x5410, 0x540E, 0x5423):
        assert asked.verdict("ioctl", 3, command) == EPERM
    assert asked.verdict("openat", 0, 0, 2) == ALLOW  # which file, Landlock decides
    assert asked.verdict("socket", 1) == ALLOW
    for family in (0, 2, 10, 16, 17, 38, 40):
        assert asked.verdict("socket", family) == EPERM
    assert asked.verdict("memfd_create", 0, 0x1 | 0x2 | 0x8) == ALLOW
    for flags in (0x4, 0x10, 1 << 31):
        assert asked.verdict("memfd_create", 0, flags) == EPERM
    assert asked.verdict("connect") == EPERM
    assert asked.verdict("fcntl", 0, 8) == EPERM
    assert asked.verdict("clone", 17) == EPERM


def test_one_assembly_serves_every_process(machine: Machine) -> None:
    made = assemble(program(for_walls(paths=True, gpu=False), machine.table))
    for pid in (1, 77, (1 << 22) - 1):
        code = of_process(made, pid)
        kill = machine.table.numbers["kill"]
        assert run(code, kill, (pid,), machine.table.audit) == ALLOW
        assert run(code, kill, (pid + 1,), machine.table.audit) == EPERM


def test_the_kernels_limits_on_a_program_are_kept(machine: Machine) -> None:
    assert len(machine.code) % 8 == 0
    assert len(machine.code) // 8 < 4096
