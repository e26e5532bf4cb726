"""Reading and changing files, by every way that a process has to name one."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attacks import ABSENT, DONE, FIND_RESULT, REFUSED, Attack, Place, named
from sandboxes import children_of, run, until, zygote_of

from archsearch.sandbox.tiers import Tier

HOME = os.path.expanduser("~")
SECRETS = [
    path
    for path in (f"{HOME}/.ssh", "/etc/passwd", "/etc/shadow", "/etc/hosts", "/etc/hostname", "/proc/version")
    if os.path.exists(path)
]
FOLDERS = [
    path
    for path in ("/", "/etc", "/home", HOME, "/tmp", "/proc", "/dev", "/var", "/usr", "/sys", "/run", "/usr/lib")
    if os.path.isdir(path)
]
OF_PROCESSES = ["environ", "mem", "maps", "cmdline", "status", "fd/0", "fd/1", "root", "cwd", "task", "comm", "auxv"]
OF_PROCESSES += ["stack", "syscall", "fdinfo/0"]
ITS_OWN = {(whose, what) for whose in ("own", "other") for what in ("fd/0", "fd/1")}
"""Its own /dev/null and its own pipe, opened anew: it has them already."""

ROWS = [
    Attack(
        1,
        "files of the user and the system",
        {path: f"os.read(os.open({path!r}, 0), 4096)" for path in SECRETS}
        | {"secret": "open(secret).read()", "by io": "__import__('io').FileIO(secret).read()"},
    ),
    Attack(
        3,
        "other processes and itself in proc",
        {
            f"{whose} {what}": f"os.read(os.open(f'/proc/{{{whose}}}/{what}', os.O_RDONLY | os.O_NONBLOCK), 4096)"
            for whose in ("broker", "zygote", "victim", "own", "first", "other")
            for what in OF_PROCESSES
            if (whose, what) not in ITS_OWN
        },
        REFUSED | {"ENOENT"},  # the root folder of a process that is not there
        setup="own, first, other = 'self', 1, 'thread-self'",
    ),
    Attack(4, "lists of folders", {path: f"os.listdir({path!r})" for path in FOLDERS} | {"its": "os.listdir(folder)"}),
    Attack(
        5,
        "loaders of files",
        {
            "torch.load": "torch.load(secret, weights_only=False)",
            "torch.from_file": "torch.from_file(secret, size=4, dtype=torch.uint8).tolist()",
            "torch.jit.load": "torch.jit.load(secret)",
            "torch.ops.load_library": "torch.ops.load_library(W['library'])",
            "numpy.memmap": "numpy.memmap(secret, mode='r')[:4].tolist()",
            "numpy.fromfile": "numpy.fromfile(secret, dtype='u1').tolist()",
            "numpy.load": "numpy.load(secret, allow_pickle=True)",
            "safetensors": "safe_open(secret, 'pt')",
            "fopen": "checked(libc.fopen(secret.encode(), b'r') or None)",
            "dlopen": "ctypes.CDLL(W['library'])",
            "openat2": "call('openat2', -100, text(secret), text('\\0' * 24), 24)",
            "open_by_handle_at": "call('open_by_handle_at', -100, text('\\0' * 64), 0)",
            "name_to_handle_at": "call('name_to_handle_at', -100, text(secret), text('\\0' * 99), text('\\0' * 8), 0)",
            "linecache": "checked(linecache.getlines(secret) or None)",
            "runpy": "runpy(secret)",
        },
        REFUSED | {"RuntimeError", "OSError", "ValueError", "0", "SafetensorError", "FileNotFoundError"},
        REFUSED | ABSENT | {"RuntimeError", "OSError", "ValueError", "0", "SafetensorError"},
        setup="import torch, numpy, linecache, importlib.machinery\nfrom safetensors import safe_open\n"
        "runpy = lambda path: importlib.machinery.SourceFileLoader('x', path).get_data(path)",
    ),
    Attack(
        6,
        "ways around a path",
        {
            "dots": "open(os.path.dirname(os.__file__) + '/..' * 12 + secret).read()",
            "dots by descriptor": "os.open('..' + '/..' * 12 + secret, 0, dir_fd=library())",
            "O_PATH": "os.open(secret, os.O_PATH)",
            "O_PATH of a folder": "os.open('/', os.O_PATH | os.O_DIRECTORY)",
            "O_TMPFILE": "os.open(folder, os.O_TMPFILE | os.O_RDWR)",
            "O_CREAT": "os.open(secret, os.O_CREAT)",
            "O_TRUNC": "os.open(secret, os.O_TRUNC)",
            "own descriptor anew": "os.open('/proc/self/fd/1', os.O_RDWR)",
            "by another's folder": "open(f'/proc/{victim}/cwd/..{secret}').read()",
            "by another's root": "open(f'/proc/{victim}/root{secret}').read()",
            "chdir": "os.chdir(folder)",
            "fchdir": "os.fchdir(0)",
            "chroot": "os.chroot(folder)",
            "through the import path": "sys.path.insert(0, folder) or __import__('secret')",
            "name of 5000 letters": "open('/./' * 1600 + secret).read()",
        },
        REFUSED | {"ModuleNotFoundError", "ENAMETOOLONG"},
        REFUSED | {"ModuleNotFoundError", "ENAMETOOLONG"},
        setup="library = lambda: os.open(os.path.dirname(json.__file__), os.O_RDONLY | os.O_DIRECTORY)",
    ),
    Attack(
        7,
        "whether a file exists",
        {"stat": "os.stat(secret)", "access": "checked(os.access(secret, os.R_OK) or None)", "exists": "find()"},
        DONE,  # known, and told in docs/security.md: Landlock does not cover it
        REFUSED | {"0"},
        setup="find = lambda: checked(os.path.exists(secret) or None)",
    ),
    Attack(
        9,
        "new files",
        {f"new {n}": f"os.open(W['made'][{n}], os.O_WRONLY | os.O_CREAT, 0o600)" for n in range(9)}
        | {
            "secret": "open(secret, 'w')",
            "secret at its end": "open(secret, 'a')",
            "torch": "open(torch.__file__, 'r+')",
            "standard library": "open(os.__file__, 'r+')",
            "a cache of bytecode": "open(os.path.dirname(os.__file__) + '/__pycache__/' + mark, 'w')",
            "core_pattern": "open('/proc/sys/kernel/core_pattern', 'w')",
            "sysrq": "open('/proc/sysrq-trigger', 'w')",
            "kernel messages": "open('/dev/kmsg', 'w')",
            "terminal": "open('/dev/tty', 'w')",
            "own score for the killer": "open('/proc/self/oom_score_adj', 'w')",
            "own thread's name": "open('/proc/self/comm', 'w')",
            "memory of itself": "open('/proc/self/mem', 'r+b', 0)",
            "memory": "open('/dev/mem', 'rb', 0)",
            "disk": "open('/dev/vda', 'rb', 0)",
            "seeds of others": "open('/dev/urandom', 'wb', 0)",
            "processors": "open('/sys/devices/system/cpu/cpu0/online', 'w')",
            "shared memory of torch": "torch.ones(2).share_memory_()",
            "temporary file": "tempfile.mkstemp()",
            "creat": "call('creat', text(folder + '/inner/x'), 0o600)",
        },
        REFUSED | {"ENOENT", "ENXIO", "RuntimeError"},
        REFUSED | {"ENOENT", "RuntimeError"},
        setup="import torch, tempfile",
    ),
    Attack(
        10,
        "mode owner times attributes",
        {
            "chmod": "os.chmod(secret, 0o777)",
            "fchmod": "os.fchmod(0, 0o777)",
            "fchmodat": "call('fchmodat', -100, text(secret), 0o777)",
            "fchmodat2": "number(452, -100, text(secret), 0o777, 0)",
            "chown": "os.chown(secret, 1, 1)",
            "lchown": "os.lchown(secret, 1, 1)",
            "fchown": "os.fchown(0, 1, 1)",
            "utime": "os.utime(secret, (1, 1))",
            "utimes": "checked(libc.utimes(secret.encode(), None))",
            "futimesat": "number(261, -100, text(secret), 0)",
            "setxattr": "os.setxattr(secret, 'user.a', b'1')",
            "lsetxattr": "os.setxattr(secret, 'user.b', b'1', follow_symlinks=False)",
            "removexattr": "os.removexattr(secret, 'user.a')",
            "getxattr": "os.getxattr(secret, 'user.a')",
            "setxattrat": "number(463, -100, text(secret), 0, text('user.c'), 0, 0)",
            "file_setattr": "number(469, -100, text(secret), text('\\0' * 24), 24, 0)",
            "chattr": "__import__('fcntl').ioctl(0, 0x40086602, bytes(8))",
        },
    ),
    Attack(
        11,
        "names of files",
        {
            "unlink": "os.unlink(secret)",
            "unlinkat": "call('unlinkat', -100, text(secret), 0)",
            "rename": "os.rename(secret, secret + '2')",
            "renameat2": "call('renameat2', -100, text(secret), -100, text(secret + '2'), 0)",
            "link": "os.link(secret, secret + '2')",
            "symlink": "os.symlink(secret, secret + '2')",
            "symlink at a library": "os.symlink(secret, os.path.dirname(os.__file__) + '/' + mark)",
            "truncate": "os.truncate(secret, 0)",
            "mkdir": "os.mkdir(folder + '/made')",
            "rmdir": "os.rmdir(folder + '/inner')",
            "mkfifo": "os.mkfifo(folder + '/fifo')",
            "mknod": "os.mknod(folder + '/device', 0o20666, 0x103)",
            "bind a socket to a name": "call('bind', 0, text('\\1\\0' + folder + '/s'), 60)",
        },
    ),
    Attack(
        46,
        "anywhere to write",
        {
            "working folder": "open('file', 'w')",
            "descriptor 0": "os.ftruncate(0, 1 << 40)",
            "allocate": "os.posix_fallocate(0, 0, 1 << 30)",
            "result as a file": "os.pread(RESULT, 1, 0)",
        },
        REFUSED | {"EINVAL", "ESPIPE", "EBADF"},
        REFUSED | {"EINVAL", "ESPIPE", "EBADF"},
        setup=FIND_RESULT,
    ),
]
OWN = [
    Attack(
        0,
        "data of the search and of the tests",
        {
            "search spaces": "os.listdir(os.path.dirname(package) + '/search_spaces')",
            "bundled": "os.listdir(package + '/_bundled')",
            "simulators": "open(package + '/systems/pendulum.py').read()",
            "the scorer": "open(package + '/evaluation/evaluator.py').read()",
            "the walls": "open(package + '/sandbox/rules.py').read()",
            "tests": "open(os.path.dirname(package) + '/tests/sandbox/walled.py').read()",
            "settings of pip": "open(sys.prefix + '/pyvenv.cfg').read()",
            "packages at large": "os.listdir(os.path.dirname(os.path.dirname(torch.__file__)))",
            "as a resource": "importlib.resources.files('archsearch').joinpath('_bundled').iterdir().__next__()",
            "as a module": "importlib.import_module('archsearch.systems.pendulum')",
        },
        REFUSED | {"FileNotFoundError", "ENOENT", "ModuleNotFoundError", "StopIteration"},
        REFUSED | ABSENT | {"StopIteration"},
        setup="import torch, importlib, importlib.resources, archsearch\npackage = archsearch.__path__[0]",
    ),
    Attack(
        0,
        "where links point",
        {
            "a link of the user": "os.readlink(folder + '/link')",
            "readlinkat": "call('readlinkat', -100, text(folder + '/link'), text('\\0' * 99), 99)",
            "the real path": "checked(os.path.realpath(folder + '/link', strict=True) or None)",
            "its own program": "os.readlink('/proc/self/exe')",
            "another's folder": "os.readlink(f'/proc/{victim}/cwd')",
            "a descriptor": "os.readlink('/proc/self/fd/1')",
        },
        REFUSED | {"ENOENT"},  # resolved, it points at nothing
    ),
    Attack(
        0,
        "calls on files that are newer than this",
        {
            f"call {n}": f"number({n}, -100, text(secret), text('\\0' * 99), 24, 0, 0)"
            for n in (428, 429, 430, 431, 432, 433, 437, 442, 443, 451, 457, 458, *range(463, 480), 500, 600)
        },
    ),
    Attack(
        0,
        "flags beside those of reading",
        {
            f"bits {flags:#o}": f"call('openat', -100, text(secret), {flags})"
            for flags in (0o1, 0o2, 0o3, 0o100, 0o101, 0o1000, 0o2001, 0o40000000, 0o20200002, 1 << 31, 0o10200000)
        },
        REFUSED | {"EINVAL"},
    ),
]


@pytest.mark.parametrize("attack", named(ROWS + OWN))
def test_no_file_is_read_or_changed(where: Place, attack: Attack) -> None:
    where.suffer(attack)


def test_an_environment_without_keys(where: Place) -> None:
    """Row 2: by Python, by the C library, and in the memory where the kernel put it."""
    attempts = {
        "python": "dict(os.environ)",
        "C": "libc_getenv(W['variable'].encode())",
        "memory": "list(itertools.takewhile(bool, (pointer[n] for n in range(99)))) if pointer else []",
    }
    setup = """
import itertools
libc_getenv = libc.getenv
libc_getenv.restype = ctypes.c_char_p
pointer = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
"""
    report = where.suffer(Attack(2, "environment", attempts, DONE, DONE, setup))
    assert report.blob is not None
    assert report.blob.splitlines()[:2] == [b"{}", b"None"]


@pytest.mark.skipif(os.getuid() != 0, reason="the kernel shows only root what a process has that leaves no core")
def test_no_descriptor_but_its_own_seen_from_outside(where: Place) -> None:
    """Row 8: what the kernel lists of a job at work."""
    shared = where.sandbox.seal("of-others", b"x" * 5000)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, where.sandbox, "import time\ntime.sleep(1)", shared=shared)
        assert until(lambda: children_of(zygote_of(where.sandbox)) != [], 20)
        (child,) = children_of(zygote_of(where.sandbox))
        assert until(lambda: _seccomp(child) == "2", 20)
        time.sleep(0.1)  # Landlock's own descriptor is closed before the filter stands
        found = sorted(os.readlink(f"/proc/{child}/fd/{name}") for name in os.listdir(f"/proc/{child}/fd"))
        maps = Path(f"/proc/{child}/maps").read_text()
        assert running.result().exit == 0
    assert found[0] == "/dev/null"
    assert [link.partition(":")[0] for link in found[1:]] == ["pipe"] * 3
    assert len(set(found[1:])) == 2, "one for the log, twice, and one for the result"
    writable_and_shared = [line for line in maps.splitlines() if line.split()[1].startswith("rw") and "s " in line[:40]]
    assert writable_and_shared == [], "no memory of it is that of another process, too"


def _seccomp(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Seccomp:"))


def test_what_many_are_given_is_the_same_for_the_next(where: Place) -> None:
    """Own: mapping over, remapping, protecting and advising away the memory of sealed inputs."""
    shared = where.sandbox.seal("shared", b"s" * 20_000)
    source = """
import ctypes, mmap
from archsearch.sandbox import kernel
libc = ctypes.CDLL(None, use_errno=True)
at = ctypes.addressof(given["shared"].obj)
def tried(name, *arguments):
    try: kernel.call(name, *arguments)
    except OSError as error: return error.errno
for advice in (4, 8, 9, 21, 100, 101, 24, 25):
    tried("madvise", at, 20_480, advice)
tried("msync", at, 20_480, 4)
tried("mremap", at, 0, 20_480, 1)
tried("process_madvise", 0, at, 1, 9, 0)
tried("remap_file_pages", at, 4096, 0, 0, 0)
tried("memfd_create", at, 0)
tried("ftruncate", 3, 0)
for fd in range(64):
    tried("fallocate", fd, 3, 0, 4096)
    tried("pwrite64", fd, at, 10, 0) if fd > 3 else None
tried("mprotect", at, 20_480, 3)
ctypes.memset(at, ord("y"), 20_000)
blob = bytes(given["shared"])
"""
    assert run(where.sandbox, source, shared=shared).blob == b"y" * 20_000, "the attack itself must work"
    assert run(where.sandbox, "blob = bytes(given['shared'])", shared=shared).blob == b"s" * 20_000
    assert os.pread(shared.fileno(), 30_000, 0) == b"s" * 20_000


def test_only_the_first_tier_opens_anything(where: Place) -> None:
    """So that the tests above fail for the right reason: reading as such works where it should."""
    report = run(where.sandbox, "import os\nblob = open('/sys/devices/system/cpu/online', 'rb').read()")
    assert (report.blob is not None) == (where.tier is Tier.LANDLOCK_SECCOMP)
