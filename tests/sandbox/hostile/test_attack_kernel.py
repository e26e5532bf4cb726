"""The rest of what a kernel offers, by name and by number, and ways to a call that a filter might not see."""

from __future__ import annotations

import platform

import pytest
from attacks import REFUSED, Attack, Place, named

X86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers and machine code of x86_64")

SURFACE = """
bpf userfaultfd perf_event_open mount umount2 move_mount fsopen fsmount fspick open_tree mount_setattr pivot_root
init_module finit_module delete_module kexec_load reboot swapon swapoff acct quotactl syslog settimeofday clock_settime
adjtimex clock_adjtime sethostname setdomainname iopl ioperm modify_ldt vmsplice splice tee sendfile copy_file_range
io_setup io_submit io_uring_setup io_uring_enter io_uring_register lookup_dcookie remap_file_pages set_mempolicy mbind
move_pages migrate_pages mincore mlock mlock2 mlockall munlockall process_vm_readv vhangup nfsservctl pkey_alloc
pkey_mprotect sync syncfs fsync fdatasync sync_file_range readahead fadvise64 fallocate ftruncate flock kcmp
landlock_add_rule landlock_restrict_self epoll_ctl_old get_thread_area set_thread_area wait4 waitid membarrier2
getpgid getsid getpriority ioprio_get sched_setparam sched_rr_get_interval sched_getattr capget ustat sysfs uselib
"""
NEWER = range(424, 520)
"""Numbers that came after the tables of most machines; what is on the list of harmless ones is left out below."""
HARMLESS_NEWER = {435, 436, 439, 441}
"""clone3 (said to be missing), close_range, faccessat2, epoll_pwait2."""

ATTACKS = [
    Attack(
        20,
        "what only administrators and debuggers need",
        {name: f"by_name({name!r})" for name in SURFACE.split()},
        setup="""
def by_name(name):
    if name not in kernel.own_table().numbers: raise OSError(38, "this machine has no such call")
    return call(name, 0, 0, 0, 0, 0, 0)
""",
    ),
    Attack(
        0,
        "newer calls by number",
        {f"call {n}": f"number({n}, 0, 0, 0, 0, 0, 0)" for n in NEWER if n not in HARMLESS_NEWER},
    ),
    Attack(
        0,
        "numbers that no kernel has",
        {f"call {n}": f"number({n}, 0, 0, 0)" for n in (600, 1000, 4096, 0xFFFF, 0x10000, 0x0F000000, 0x3FFFFFFF)},
    ),
    Attack(
        0,
        "commands of calls that are let through",
        {f"prctl {n}": f"checked(libc.prctl({n}, 0, 0, 0, 0))" for n in range(1, 80) if n not in (3, 15, 16)}
        | {f"fcntl {n}": f"call('fcntl', 1, {n}, 0)" for n in (5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 36, 37, 38)}
        | {f"fcntl {n}": f"call('fcntl', 1, {n}, 0)" for n in range(1024, 1045) if n != 1030}
        | {f"ioctl {n:#x}": f"call('ioctl', 1, {n}, 0)" for n in (0x5412, 0x5452, 0x541C, 0x8901, 0xAA00, 0xAF00)}
        | {f"ioctl on nothing {n:#x}": f"call('ioctl', 0, {n}, 0)" for n in (0x1, 0x2201, 0x5331, 0xAE00, 0xC0045878)},
    ),
]


@X86_64
@pytest.mark.parametrize("attack", named(ATTACKS))
def test_the_kernel_is_closed_but_for_what_computing_needs(where: Place, attack: Attack) -> None:
    where.suffer(attack)


@X86_64
def test_machine_code_gives_no_other_way_in(where: Place) -> None:
    """Own: the instruction in a page of its own, whatever the C library or Python would have said."""
    attempts = {
        "socket by an instruction of libc": "number(41, 2, 1, 0)",
        "fork by a page of its own": "own_page(57)",
        "open for writing by a page of its own": "own_page(2, text(secret), 2)",
        "kill by a page of its own": "own_page(62, victim, 9)",
    }
    setup = """
code = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
code.write(bytes.fromhex("4889f8 4889f7 4889d6 4889ca 0f05 c3"))  # rax, rdi, rsi, rdx; syscall; ret
def own_page(*arguments):
    at = ctypes.addressof(ctypes.c_char.from_buffer(code))
    result = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 4)(at)(*(*arguments, 0, 0, 0)[:4])
    if result < 0: raise OSError(-result, "refused")
    return result
"""
    where.suffer(Attack(0, "machine code", attempts, REFUSED, REFUSED, setup))


@X86_64
def test_a_thread_stands_behind_the_same_walls(where: Place) -> None:
    """Own: all of it in a thread that was made after the walls, and in a handler of a signal."""
    attempts = {"thread": "in_thread(deed)", "handler": "in_handler(deed)", "finalizer": "in_finalizer(deed)"}
    setup = """
import threading, weakref
def deed():
    found = []
    for other in (lambda: open(secret), lambda: socket.socket(), os.fork, lambda: os.kill(victim, 9)):
        try: other(); found.append("done")
        except OSError as error: found.append(error.errno)
    return found
def told(found):
    if found and all(code in (1, 13) for one in found for code in one): raise OSError(1, "refused")
    return found
def in_thread(deed):
    found = []
    thread = threading.Thread(target=lambda: found.append(deed()))
    thread.start(); thread.join()
    return told(found)
def in_handler(deed):
    found = []
    signal.signal(signal.SIGUSR1, lambda *_: found.append(deed()))
    os.kill(os.getpid(), signal.SIGUSR1)
    return told(found)
def in_finalizer(deed):
    found = []
    class Gone: pass
    one = Gone()
    weakref.finalize(one, lambda: found.append(deed()))
    del one
    return told(found)
"""
    where.suffer(Attack(0, "threads", attempts, REFUSED, REFUSED, setup))
