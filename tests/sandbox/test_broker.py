"""Whether a job behaved is judged from outside: a process that is gone, bytes that came back; never by what it says."""

from __future__ import annotations

import os
import signal
import site
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sandboxes import LIMITS, children_of, gone, open_files, run, text_sandbox, until, zygote_of

from archsearch.plain_text import printable
from archsearch.sandbox.sandbox import ClosedError, Sandbox
from archsearch.settings import Limits

ENDLESS = "while True: pass"


def test_header_blob_and_log_come_back(sandbox: Sandbox) -> None:
    report = run(sandbox, "print('said'); header, blob = {'a': [1, None, 'b']}, bytes(range(256))")
    assert report.exit == 0
    assert report.header == {"a": [1, None, "b"]}
    assert report.blob == bytes(range(256))
    assert report.log == "said\n"
    assert (report.killed, report.bad) == (None, None)


def test_contents_are_given_by_name_and_cannot_be_written(sandbox: Sandbox) -> None:
    shared = sandbox.seal("shared", b"for many")
    source = """
blob = b"|".join(bytes(given[name]) for name in ("one", "other", "empty"))
try: given["other"][0] = 1
except TypeError: header = {"refused": True}
"""
    for own in (b"for one", b"x" * 300_000):
        report = run(sandbox, source, one=own, other=shared, empty=b"")
        assert report.blob == own + b"|for many|"
        assert report.header == {"refused": True}


def test_names_have_one_order_in_every_process() -> None:
    """A sum over a set of names is rounded alike wherever and whenever a candidate is evaluated."""
    source = "names = [f'name {k}' for k in range(50)]; header = {'order': list(set(names)), 'hash': str(hash('name'))}"
    reports = []
    for _ in range(2):
        with text_sandbox() as made:
            reports.append(run(made, source))
    assert reports[0].header is not None
    assert len(reports[0].header["order"]) == 50
    assert reports[0].header == reports[1].header


def test_the_user_s_packages_and_variables_are_not_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither folders of the search's own path, nor where it was started, nor what its environment says of Python."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "start.py"))
    with text_sandbox() as made:
        report = run(made, "import os, site, sys; header = {'path': sys.path, 'user': site.ENABLE_USER_SITE}")
    assert report.header is not None
    assert not {"", str(tmp_path), site.getusersitepackages()} & set(report.header["path"])
    assert report.header["user"] is False


def test_what_is_sealed_stays_as_it_is_whatever_a_job_does_to_its_memory(sandbox: Sandbox) -> None:
    """A job may make its own mapping writable: what it writes there is its own copy."""
    shared = sandbox.seal("shared", b"x" * 5000)
    source = """
import ctypes
view = given["other"]
address = ctypes.addressof(ctypes.c_char.from_buffer_copy(view)) if 0 else view.obj
at = ctypes.addressof(address) // 4096 * 4096
libc = ctypes.CDLL(None)
libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
if libc.mprotect(at, 4096, 3) == 0: ctypes.memset(at, ord("y"), 4096)
blob = bytes(view)
"""
    assert run(sandbox, source, other=shared).blob == b"y" * 4096 + b"x" * 904, "the attack itself must work"
    assert run(sandbox, "blob = bytes(given['other'])", other=shared).blob == b"x" * 5000
    with pytest.raises(PermissionError):
        os.pwrite(shared.fileno(), b"z", 0)


def test_a_blob_of_another_length_is_refused_and_an_empty_one_is_that_of_a_failure(sandbox: Sandbox) -> None:
    assert run(sandbox, "blob = b'12345678'", blob_bytes=8).blob == b"12345678"
    assert run(sandbox, "header = {'failed': 1}", blob_bytes=8).blob == b""
    for wrong in ("blob = b'1234567'", "blob = b'123456789'"):
        report = run(sandbox, wrong, blob_bytes=8)
        assert report.blob is None
        assert "expected exactly 8" in str(report.bad)


def test_a_result_beyond_the_limit_is_refused_before_it_is_read(sandbox: Sandbox) -> None:
    report = run(sandbox, f"blob = b'x' * {(LIMITS.result_mb << 20) + 1}")
    assert report.header is report.blob is None
    assert "at most 1048576" in str(report.bad)


ENDS = {
    "time": (ENDLESS, Limits(wall_seconds=1.0)),
    "asleep": ("import time; time.sleep(60)", Limits(wall_seconds=1.0)),
    "stopped": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", Limits(wall_seconds=1.0)),
    "threads": (
        "import threading, time\nfor _ in range(20): threading.Thread(target=time.sleep, args=(60,)).start()",
        Limits(threads=8),
    ),
    "output": ("while True: print('x' * 1000)", Limits()),
    "memory": (
        "import time\nx = []\nwhile True: x.append(bytearray(8 << 20)); time.sleep(2e-3)",
        Limits(memory_mb=512),
    ),
    "result": ("import os\nfor fd in range(3, 64):\n  try: os.write(fd, b'x' * 99)\n  except OSError: pass", Limits()),
}


@pytest.mark.parametrize("name", sorted(ENDS))
def test_a_job_that_breaks_a_limit_is_killed_for_it(name: str) -> None:
    source, limits = ENDS[name]
    wanted = {"asleep": "time", "stopped": "time"}.get(name, name)
    with text_sandbox(limits) as own:
        zygote = zygote_of(own)
        began = time.monotonic()
        report = run(own, source + "\nwhile True: pass")
        if name == "memory" and report.killed is None:  # the kernel was faster: its own limit is the same
            assert "MemoryError" in report.log
        else:
            assert report.killed == wanted
            assert report.exit == -signal.SIGKILL
        assert report.header is report.blob is None
        assert time.monotonic() - began < 15
        assert until(lambda: children_of(zygote) == [], 5)


def test_processor_time_is_limited_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that compute use up twice the wall time; here the broker's own clock is out of the way."""
    source = """
import threading, hashlib
def work():
    while True: hashlib.sha256(b'x' * 10_000_000).digest()
for _ in range(4): threading.Thread(target=work).start()
work()
"""
    with text_sandbox(Limits(wall_seconds=1.0)) as own:
        zygote_of(own)
        monkeypatch.setattr(own, "_limits", Limits(wall_seconds=1.0).model_copy(update={"wall_seconds": 60.0}))
        monkeypatch.setattr(Limits, "cpu_seconds", 2)
        report = run(own, source)
    assert report.killed == "cpu"
    assert report.exit == -signal.SIGKILL


def test_of_what_is_printed_the_end_is_kept_and_it_cannot_rewrite_a_terminal(sandbox: Sandbox) -> None:
    report = run(sandbox, "import sys\nfor i in range(9999): print('\\x1b[2J', i)\nprint('last', file=sys.stderr)")
    assert report.exit == 0
    assert report.log.endswith("9998\nlast\n")
    assert len(report.log.encode()) <= 3 * (LIMITS.log_kb << 10)
    assert "\x1b" not in report.log


def test_text_for_people_holds_no_control_characters() -> None:
    assert printable("a\x1b[2Jb\r\x07\n\tc\u202e") == "a\ufffd[2Jb\ufffd\ufffd\n\tc\ufffd"


def test_what_a_job_printed_before_it_was_killed_is_kept() -> None:
    with text_sandbox(Limits(wall_seconds=0.5)) as own:
        zygote_of(own)
        assert run(own, f"print('the last words')\n{ENDLESS}").log == "the last words\n"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import os; os.abort()", -signal.SIGABRT),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
        ("import os; os._exit(3)", 3),
        ("raise SystemExit(0)", 70),
        ("raise ValueError('no')", 70),
        ("def f(): f()\nf()", 70),
        ("import sys; sys.stdout.close(); sys.stderr = None; raise ValueError", 70),
        ("class E(Exception):\n  def __str__(self): raise E\nraise E", 70),
        ("header = {'x': float('nan')}", 70),
        ("header = {'x': 'y' * 10_000_000}", 70),
        ("header = None", 0),
    ],
)
def test_however_a_job_dies_the_next_one_runs(sandbox: Sandbox, source: str, code: int) -> None:
    report = run(sandbox, source)
    assert report.exit == code
    assert report.header is None
    assert run(sandbox, "import torch; header = {'sum': torch.ones(2).sum().item()}").header == {"sum": 2.0}


def test_patching_a_library_does_not_reach_the_next_job(sandbox: Sandbox) -> None:
    run(sandbox, "import torch; torch.ones = None")
    assert run(sandbox, "import torch; header = {'sum': torch.ones(1).sum().item()}").header == {"sum": 1.0}


def test_jobs_of_many_threads_share_one_zygote_and_are_not_mixed_up(sandbox: Sandbox) -> None:
    zygote = zygote_of(sandbox)
    source = "import time; time.sleep(0.02); blob = bytes(given['own']); print(len(blob))"
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda size: run(sandbox, source, own=bytes([size]) * size), range(1, 65))
        for size, report in enumerate(found, 1):
            assert report.blob == bytes([size]) * size
            assert report.log == f"{size}\n"
    assert zygote_of(sandbox) == zygote


def test_jobs_of_many_threads_run_at_the_same_time(sandbox: Sandbox) -> None:
    zygote_of(sandbox)
    with ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        list(pool.map(lambda _: run(sandbox, "import time; time.sleep(1)"), range(8)))
        assert time.monotonic() - began < 4


def test_many_jobs_leave_no_descriptor_and_no_process_behind(sandbox: Sandbox) -> None:
    zygote = zygote_of(sandbox)
    before, in_zygote = open_files(), len(os.listdir(f"/proc/{zygote}/fd"))
    sources = ("blob = b'x' * 1000", "raise ValueError", "import os; os._exit(1)", "print('x' * 10000)")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: run(sandbox, sources[number % 4], own=b"1"), range(500)))
    assert until(lambda: open_files() <= before, 5)
    # fewer, if a job of another test was about to be closed when they were counted: it closes the last after its report
    assert until(lambda: len(os.listdir(f"/proc/{zygote}/fd")) <= in_zygote, 5)
    assert children_of(zygote) == []


def test_a_job_finds_no_descriptor_but_its_own(sandbox: Sandbox) -> None:
    sandbox.seal("another", b"of another job")
    source = """
import os
found = []
for fd in range(256):
    try: os.fstat(fd); found.append(fd)
    except OSError: pass
header = {"found": len(found), "standard": found[:3]}
"""
    assert run(sandbox, source, own=b"x").header == {"found": 4, "standard": [0, 1, 2]}


@pytest.mark.parametrize("moment", ["at work", "starting"])
def test_closing_from_another_thread_ends_a_job_for_good(moment: str) -> None:
    with text_sandbox() as own, ThreadPoolExecutor() as pool:
        shared = own.seal("shared", b"x")
        if moment == "at work":
            zygote_of(own)
        waiting = pool.submit(run, own, ENDLESS, other=shared)
        child = None
        if moment == "at work":
            assert until(lambda: children_of(zygote_of(own)) != [], 20)
            (child,) = children_of(zygote_of(own))
        own.close()
        assert waiting.result(10).exit is None
        assert child is None or gone(child)
        assert run(own, "pass").exit is None
        assert own._zygote is None, "nothing is started after the end"
        assert shared.fileno() == -1
        with pytest.raises(ClosedError):
            own.seal("more", b"x")


def test_where_memory_runs_out_a_job_is_the_first_to_go(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, sandbox, "import time; time.sleep(2)")
        assert until(lambda: children_of(zygote_of(sandbox)) != [], 20)
        for pid in (zygote_of(sandbox), children_of(zygote_of(sandbox))[0]):
            assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"
        assert waiting.result(20).exit == 0


def test_a_zygote_holds_nothing_of_the_user(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    with text_sandbox() as own:
        zygote = zygote_of(own)
        environment = Path(f"/proc/{zygote}/environ").read_bytes()
        files = {os.readlink(f"/proc/{zygote}/fd/{name}") for name in os.listdir(f"/proc/{zygote}/fd")}
        status = Path(f"/proc/{zygote}/status").read_text()
    assert b"a-secret" not in environment
    assert {part.split(b"=")[0] for part in environment.split(b"\0") if part} == {
        b"OMP_NUM_THREADS",
        b"MKL_NUM_THREADS",
        b"OPENBLAS_NUM_THREADS",
        b"PYTHONHASHSEED",
    }
    assert "Threads:\t1\n" in status
    outside = {name for name in files if name.startswith("/") and name != "/dev/null"}
    assert outside <= {os.readlink("/proc/self/fd/2")}, "standard error is where a fault of its own is told"
