"""The world around a sandbox that a candidate must not reach: set up, and looked at again after every attack.

Nothing here asks the candidate. A file is compared with what it was, a listener with silence, a process with itself.
"""

from __future__ import annotations

import ctypes
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

SYSTEM_FILES = tuple(
    os.path.realpath(path)
    for path in ("/etc/passwd", "/etc/hosts", sys.executable, os.__file__, torch.__file__, __file__)
)
"""Files that any user may read and that must stay as they are."""
KERNEL_SETTINGS = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory")
LIBRARY = next(Path(torch.__file__).parent.glob("_C*.so"))
"""Any file that the C library can load."""

VICTIM = """
import ctypes, os, sys, time
if int(sys.argv[2]):
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: as if it had never been root
print("ready", flush=True)
time.sleep(3600)
"""


def file_state(path: str) -> tuple[Any, ...]:
    """All of a file that an attack could change, but for the time it was last read."""
    found = os.lstat(path)
    kept = (found.st_mode, found.st_uid, found.st_gid, found.st_size, found.st_nlink, found.st_mtime_ns)
    return (*kept, found.st_ctime_ns, tuple(sorted(os.listxattr(path, follow_symlinks=False))))


def process_state(pid: int) -> dict[str, Any]:
    """All of a process that an attack could change; nothing if it has ended."""
    try:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return {
            "stopped or dead": status["State"][0] in "TtZX",
            "traced by": status["TracerPid"],
            "users": status["Uid"],
            "nice": os.getpriority(os.PRIO_PROCESS, pid),
            "policy": os.sched_getscheduler(pid),
            "processors": sorted(os.sched_getaffinity(pid)),
            "limits": Path(f"/proc/{pid}/limits").read_text(),
            "first to go": Path(f"/proc/{pid}/oom_score_adj").read_text(),
            "folder": os.readlink(f"/proc/{pid}/cwd"),
        }
    except (FileNotFoundError, ProcessLookupError):
        return {}


class World:
    """Secrets, listeners and a victim, which an attack may try to read, reach and harm.

    Args:
        user: whom files and victim belong to, so that only the walls stand before them.
    """

    def __init__(self, user: int) -> None:
        self.token = secrets.token_hex(12)
        self.mark = f"h{secrets.token_hex(5)}"
        self.key = 1 + secrets.randbelow(1 << 30)
        self._signals: list[int] = []
        self._heard: set[str] = set()
        self._before: dict[str, Any] = {}
        with ExitStack() as closing:
            self.folder = Path(tempfile.mkdtemp(prefix="archsearch-hostile-"))
            closing.callback(shutil.rmtree, self.folder)
            self._make_files(user)
            self._listen(closing)
            self.victim = self._start_victim(user, closing)
            before = signal.signal(signal.SIGUSR1, lambda number, _: self._signals.append(number))
            closing.callback(signal.signal, signal.SIGUSR1, before)
            os.environ[self.variable] = self.token
            closing.callback(os.environ.pop, self.variable, None)
            self._closing = closing.pop_all()

    @property
    def variable(self) -> str:
        """The environment variable of the broker that holds a key."""
        return f"{self.mark.upper()}_API_KEY"

    def close(self) -> None:
        self._closing.close()

    def described(self) -> dict[str, Any]:
        """What an attacker is told, who may well have guessed it."""
        return {
            "folder": str(self.folder),
            "secret": str(self.folder / "secret"),
            "library": str(self.folder / "library.so"),
            "victim": self.victim,
            "broker": os.getpid(),
            "mark": self.mark,
            "home": os.path.expanduser("~"),
            "tcp": self._tcp.getsockname()[1],
            "udp": self._udp.getsockname()[1],
            "unix": str(self.folder / "socket"),
            "abstract": self.mark,
            "key": self.key,
            "variable": self.variable,
            "made": list(self.places_to_write().values()),
        }

    def places_to_write(self) -> dict[str, str]:
        """Where an attacker would like to leave a file, by what it would be good for."""
        torch_folder = os.path.dirname(torch.__file__)
        folders = {
            "beside the secret": str(self.folder),
            "temporary": "/tmp",
            "memory": "/dev/shm",
            "home": os.path.expanduser("~"),
            "root": "/",
            "settings": "/etc",
            "working folder": os.getcwd(),
            "torch": torch_folder,
            "packages": os.path.dirname(torch_folder),
            "standard library": os.path.dirname(os.__file__),
            "tests": os.path.dirname(__file__),
        }
        return {name: os.path.join(folder, self.mark) for name, folder in folders.items() if os.path.isdir(folder)}

    def look(self, processes: tuple[int, ...]) -> None:
        """Remember how all is before an attack."""
        self._before = self._state(processes)

    def harm(self, processes: tuple[int, ...]) -> list[str]:
        """What is no longer as it was, in words; nothing if an attack did nothing."""
        now = self._state(processes)
        return [f"{name}: {now[name]!r}" for name in now if now[name] != self._before[name]] + list(self._traces())

    def _state(self, processes: tuple[int, ...]) -> dict[str, Any]:
        tree = sorted(self.folder.rglob("*"))
        return {
            **{f"file {path}": file_state(path) for path in SYSTEM_FILES},
            **{f"setting {path}": Path(path).read_text() for path in KERNEL_SETTINGS},
            "files": [(str(path), file_state(str(path))) for path in tree],
            "contents": [path.read_bytes() for path in tree if path.is_file()],
            **{f"process {pid}": process_state(pid) for pid in (self.victim, os.getpid(), *processes)},
            "own limits": [resource.getrlimit(kind) for kind in range(16)],
            "environment": {name: hash(value) for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        }

    def _traces(self) -> Iterator[str]:
        """What was not there before and must not be there now."""
        yield from (f"was made: {path}" for path in self.places_to_write().values() if os.path.lexists(path))
        self._heard |= {name for name, listener in self._listeners.items() if _has_heard(listener)}
        yield from (f"was heard: {name}" for name in self._heard)
        yield from (f"signal {number}" for number in self._signals)
        yield from (f"System V object: {line}" for line in _sysv_objects(self.key))
        yield from (f"message queue: {name}" for name in _message_queues(self.mark))
        yield from (f"process: {pid}" for pid in self._marked_processes())

    def _marked_processes(self) -> Iterator[str]:
        """Processes that call themselves by the mark, or were started with it."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if name == self.mark or self.mark.encode() in command:
                yield f"{pid} {name} {command!r}"

    def _make_files(self, user: int) -> None:
        self.folder.chmod(0o777)
        secret = self.folder / "secret"
        secret.write_text(f"the targets are {self.token}\n")
        secret.chmod(0o666)
        shutil.copy(LIBRARY, self.folder / "library.so")
        (self.folder / "library.so").chmod(0o777)
        (self.folder / "inner").mkdir(mode=0o777)
        (self.folder / "link").symlink_to(f"{self.token}@host:1234")  # as editors and browsers lock files
        for path in (self.folder, *self.folder.rglob("*")):
            if user:
                os.chown(path, user, user, follow_symlinks=False)

    def _listen(self, closing: ExitStack) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        unix, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        unix.bind(str(self.folder / "socket"))
        (self.folder / "socket").chmod(0o777)
        unix.listen()
        abstract.bind(f"\0{self.mark}")
        self._listeners = {"tcp": self._tcp, "udp": self._udp, "unix": unix, "abstract": abstract}
        for listener in self._listeners.values():
            listener.setblocking(False)
            closing.enter_context(listener)

    def _start_victim(self, user: int, closing: ExitStack) -> int:
        command = [sys.executable, "-I", "-c", VICTIM, self.token, str(user)]
        victim = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        closing.callback(victim.wait)
        closing.callback(victim.kill)
        assert victim.stdout is not None
        closing.enter_context(victim.stdout)
        assert victim.stdout.readline() == b"ready\n"
        return victim.pid


def _has_heard(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(1)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _sysv_objects(key: int) -> Iterator[str]:
    """Those with a key, whoever made them."""
    for kind in ("shm", "sem", "msg"):
        listing = Path(f"/proc/sysvipc/{kind}")
        if listing.exists():
            lines = listing.read_text().splitlines()[1:]
            yield from (f"{kind} {line}" for line in lines if int(line.split()[0]) == key)


def _message_queues(mark: str) -> Iterator[str]:
    if ctypes.CDLL(None).mq_open(f"/{mark}".encode(), os.O_RDONLY) >= 0:
        yield mark
