"""Jobs that would not end, or take what is not theirs, as sources, and how each must end."""

from __future__ import annotations

import signal
from dataclasses import dataclass

TIME, MEMORY, THREADS, OUTPUT, RESULT, NONE = {"time"}, {"memory"}, {"threads"}, {"output"}, {"result"}, {None}
CRASH, KILL = {70}, {-signal.SIGKILL}
ENDLESS = "\nwhile True: pass\n"


@dataclass(frozen=True)
class End:
    """How a job that will not end ends: one of some exit codes, killed for one of some reasons."""

    row: int
    source: str
    killed: set[str | None]
    exits: set[int]

    @property
    def seconds(self) -> float:
        """What it is given: long where another limit than time is to end it, however busy the machine."""
        return 1.0 if "time" in self.killed else 30.0


ENDS = {
    "a loop": End(23, ENDLESS, TIME, KILL),
    "a regular expression": End(24, "import re\nre.match('(a*)*b', 'a' * 64)", TIME, KILL),
    "sleep": End(25, "import time\ntime.sleep(600)", TIME, KILL),
    "stopped": End(26, "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)" + ENDLESS, TIME, KILL),
    "deaf": End(
        28,
        "import signal\nfor n in set(signal.valid_signals()) - {9, 19}: signal.signal(n, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())" + ENDLESS,
        TIME,
        KILL,
    ),
    "bytes": End(30, "x = []\nwhile True: x.append(bytearray(16 << 20))", NONE | MEMORY, CRASH | KILL),
    "a huge tensor": End(31, "import torch\ntorch.zeros(100_000_000_000)", NONE, CRASH),
    "shared memory": End(
        32, "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 16 << 20))", NONE | MEMORY, CRASH | KILL
    ),
    "slow growth": End(
        33,
        "import time\nx = []\nwhile True: x.append(b'x' * (32 << 20)); time.sleep(2e-3)",
        NONE | MEMORY,
        CRASH | KILL,
    ),
    "threads": End(
        34,
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(600,)).start()",
        THREADS | NONE,  # or there is no memory left for the stack of another
        CRASH | KILL,
    ),
    "descriptors": End(35, "import os\nwhile True: os.dup(1)", NONE, CRASH),
    "stdout": End(36, "while True: print('x' * 4000)", OUTPUT, KILL),
    "stderr": End(37, "import os\nwhile True: os.write(2, b'y' * 40000)", OUTPUT, KILL),
    "result": End(38, "import os\nwhile True: os.write(RESULT, b'ASF1' + b'x' * 40000)", RESULT, KILL),
    "a huge integer": End(39, "10 ** 10 ** 10", NONE | TIME | MEMORY, CRASH | KILL),
    "recursion": End(40, "def f(): return f()\nf()", NONE, CRASH),
    "recursion in C": End(
        41,
        "import sys\nsys.setrecursionlimit(1 << 30)\n"
        "class A:\n  def __getattr__(self, name): return sorted([1], key=lambda _: self.y)\n"
        "A().x",
        NONE | TIME | MEMORY,
        {-signal.SIGSEGV, -signal.SIGABRT} | CRASH | KILL,
    ),
    "a null pointer": End(42, "import ctypes\nctypes.string_at(0)", NONE, {-signal.SIGSEGV}),
    "abort": End(43, "import os\nos.abort()", NONE, {-signal.SIGABRT}),
    "a bad instruction": End(
        0,
        "import ctypes, mmap\npage = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)\n"
        "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)) + 4095)()",
        NONE,
        {-signal.SIGSEGV, -signal.SIGILL, -signal.SIGBUS},
    ),
    "no way to end": End(0, "import os\nos._exit = lambda code: None\nraise SystemExit", TIME | NONE, KILL | {1}),
    "an endless way to end": End(0, "import os, time\nos._exit = lambda code: time.sleep(600)", TIME, KILL),
    "the first thread leaves": End(
        0,
        "import ctypes, threading, time\ndef stay():\n  while True: time.sleep(0.1)\n"
        "threading.Thread(target=stay).start()\nctypes.CDLL(None).syscall(60, 0)",
        TIME,
        KILL,
    ),
    "timers": End(
        0,
        "import signal, time\nsignal.signal(signal.SIGALRM, lambda *_: None)\nsignal.setitimer(0, 1e-4, 1e-4)\n"
        "while True: time.sleep(600)",
        TIME,
        KILL,
    ),
    "waits for a signal that is blocked": End(
        0,
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "signal.sigwait({signal.SIGUSR1})",
        TIME,
        KILL,
    ),
    "waits for itself": End(0, "import threading\nx = threading.Lock()\nx.acquire()\nx.acquire()", TIME, KILL),
    "its result is never taken in": End(
        0, "import os\na, b = os.pipe()\nwhile True: os.write(b, b'x' * 65536)", TIME, KILL
    ),
    "all descriptors closed": End(0, "import os\nos.closerange(0, 64)" + ENDLESS, TIME, KILL),
    "output a byte at a time": End(0, "import os\nwhile True: os.write(1, b'x')", TIME | OUTPUT, KILL),
    "a result a byte at a time": End(
        0,
        "import os, time\nfrom archsearch.sandbox.frames import frame_head\n"
        "for byte in frame_head({}, 1 << 20): os.write(RESULT, bytes([byte]))\n"
        "while True: os.write(RESULT, b'x'); time.sleep(1e-3)",
        TIME,
        KILL,
    ),
    "half a frame": End(
        0,
        "import os, time\nfrom archsearch.sandbox.frames import frame_head\n"
        "os.write(RESULT, frame_head({'claimed': 1}, 8) + b'1234')\ntime.sleep(600)",
        TIME,
        KILL,
    ),
    "a whole frame and no end": End(
        0,
        "import os, time\nfrom archsearch.sandbox.frames import frame_head\n"
        "os.write(RESULT, frame_head({'claimed': 1}, 0))\nos.close(RESULT)\ntime.sleep(600)",
        TIME,
        KILL,
    ),
    "a thread that goes on writing": End(
        45,
        "import os, threading, time\nfrom archsearch.sandbox.frames import frame_head\n"
        "def more():\n  while True: os.write(RESULT, b'more')\n"
        "os.write(RESULT, frame_head({'claimed': 1}, 0))\nthreading.Thread(target=more).start()\ntime.sleep(600)",
        RESULT,
        KILL,
    ),
    "mappings": End(
        0,
        "import mmap\nx, own = [], mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS\n"
        "while True: x.append(mmap.mmap(-1, 4096, own, 1 + len(x) % 2))",
        NONE | TIME,
        CRASH | KILL,
    ),
    "address space": End(
        0,
        "import ctypes\nm = ctypes.CDLL(None).mmap\nm.restype = ctypes.c_void_p\n"
        "while m(None, ctypes.c_size_t(1 << 30), 0, 0x4022, -1, 0) != ctypes.c_void_p(-1).value: pass\n"
        "raise MemoryError",
        NONE,
        CRASH,
    ),
    "signals to itself": End(
        0,
        "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "while True: os.kill(os.getpid(), signal.SIGRTMIN + 3)",
        NONE | TIME,
        CRASH | KILL,
    ),
    "lowered limits": End(
        0,
        "import resource\nfor n in range(16):\n  try: resource.setrlimit(n, (0, 0))\n"
        "  except (OSError, ValueError): pass" + ENDLESS,
        NONE | TIME | {"cpu"},
        KILL | {-signal.SIGXCPU, -signal.SIGSEGV},
    ),
}
