"""What goes wrong around a job: processes that die or hang, nothing left to open, a clock that jumps, a full disk."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sandboxes import alive, children_of, gone, open_files, run, text_sandbox, until, zygote_of

from archsearch.errors import MachineError
from archsearch.sandbox import process, watch
from archsearch.sandbox import sandbox as broker
from archsearch.sandbox.report import Report
from archsearch.sandbox.sandbox import Sandbox
from archsearch.settings import Limits

NAP = "import time; time.sleep(0.5); blob = b'done'"
ENDLESS = "while True: pass"
ASLEEP = "import time; time.sleep(60)"
HASTY = Limits(wall_seconds=0.5)


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A sandbox that a test may break."""
    with text_sandbox() as made:
        zygote_of(made)
        yield made


@contextmanager
def at_work(sandbox: Sandbox, source: str) -> Iterator[tuple[Future[Report], int]]:
    """A job that runs meanwhile, and its process."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, sandbox, source)
        assert until(lambda: children_of(zygote_of(sandbox)) != [], 20)
        yield waiting, children_of(zygote_of(sandbox))[0]


# ---- the zygote ------------------------------------------------------------------------------------------------------


def test_a_job_whose_zygote_is_killed_is_run_again_by_another(own: Sandbox) -> None:
    first = zygote_of(own)
    with at_work(own, NAP) as (waiting, child):
        os.kill(first, signal.SIGKILL)
        assert gone(child), "no child outlives its zygote"
        assert waiting.result(60).blob == b"done"
    assert zygote_of(own) != first


def test_a_zygote_that_is_killed_between_two_jobs_is_replaced(own: Sandbox) -> None:
    first = zygote_of(own)
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    assert run(own, NAP).blob == b"done"


def test_jobs_of_all_threads_survive_a_zygote_that_is_killed(own: Sandbox) -> None:
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(run, own, NAP) for _ in range(6)]
        assert until(lambda: len(children_of(zygote_of(own))) == 6, 20)
        os.kill(zygote_of(own), signal.SIGKILL)
        assert [found.result(60).blob for found in waiting] == [b"done"] * 6


def test_a_job_whose_zygotes_all_die_is_a_crash_and_ends(own: Sandbox) -> None:
    over = threading.Event()

    def kill_every_zygote() -> None:
        while not over.wait(0.05):
            zygote = own._zygote
            if zygote is not None and children_of(zygote.pid):
                os.kill(zygote.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_every_zygote)
    killer.start()
    try:
        report = run(own, ENDLESS)
    finally:
        over.set()
        killer.join()
    assert (report.exit, report.killed, report.header) == (None, None, None)
    assert run(own, NAP).blob == b"done"


def test_a_zygote_that_hangs_is_replaced(own: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "START_SECONDS", 0.5)
    first = zygote_of(own)
    os.kill(first, signal.SIGSTOP)
    assert run(own, NAP).blob == b"done"
    assert gone(first)


@contextmanager
def ended_beside_a_hung_zygote(own: Sandbox, source: str) -> Iterator[tuple[Report, int, int]]:
    """What is told of a job whose zygote hangs from its beginning; the processes of both."""
    zygote_of(own)
    with at_work(own, source) as (waiting, child):
        first = zygote_of(own)
        os.kill(first, signal.SIGSTOP)
        yield waiting.result(15), child, first


def test_a_zygote_that_hangs_while_a_job_runs_does_not_hold_up_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "START_SECONDS", 0.5)
    with text_sandbox(Limits(wall_seconds=3.0)) as own:
        with ended_beside_a_hung_zygote(own, ENDLESS) as (report, child, first):
            assert (report.killed, report.header) == ("time", None)
            assert gone(child)
        assert run(own, NAP).blob == b"done"
        assert gone(first)


LEAVES_A_THREAD = f"""
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
time.sleep(0.5)
ctypes.CDLL(None).syscall({93 if os.uname().machine == "aarch64" else 60}, 0)
"""
ENDS = {
    "well": (NAP, (0, None, b"done")),
    "with a code": ("import os, time; time.sleep(0.5); os._exit(3)", (3, None, None)),
    "by a signal": ("import os, time; time.sleep(0.5); os.kill(os.getpid(), 11)", (-11, None, None)),
    "but for a thread": (LEAVES_A_THREAD, (None, "time", None)),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_job_that_ends_while_its_zygote_hangs_has_ended_as_it_did(how: str) -> None:
    source, expected = ENDS[how]
    with text_sandbox(Limits(wall_seconds=3.0)) as own:
        with ended_beside_a_hung_zygote(own, source) as (report, child, first):
            assert (report.exit, report.killed, report.blob) == expected
            os.kill(first, signal.SIGCONT)
            assert gone(child)
        assert run(own, "blob = b'next'").blob == b"next"
        assert zygote_of(own) == first


KILLED = "import os; os.kill(os.getpid(), 9)\n"
HANGING = "import time; time.sleep(600)\n"


@pytest.fixture
def spoilt_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first zygote is killed while it loads."""
    mark = repr(str(tmp_path / "mark"))
    once = f"import os\nif not os.path.exists({mark}): os.mkdir({mark}); os.kill(os.getpid(), 9)\n"
    monkeypatch.setattr(process, "ENTRY", once + process.ENTRY)


@pytest.mark.usefixtures("spoilt_once")
def test_a_zygote_that_is_killed_while_it_loads_is_replaced() -> None:
    with text_sandbox() as own, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(run, own, NAP) for _ in range(4)]
        assert [found.result(60).blob for found in waiting] == [b"done"] * 4


@pytest.mark.parametrize(("spoilt", "told"), [(KILLED, "ended by signal 9"), (HANGING, "not ready after 0.5 s")])
def test_zygotes_that_never_load_are_told_of_to_every_job(
    monkeypatch: pytest.MonkeyPatch, spoilt: str, told: str
) -> None:
    """It is not the fault of their candidates."""
    monkeypatch.setattr(process, "ENTRY", spoilt + process.ENTRY)
    monkeypatch.setattr(process, "LOADING_SECONDS", 0.5)
    others = set(children_of(os.getpid()))  # zygotes of other tests
    with text_sandbox() as own, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(run, own, NAP) for _ in range(4)]
        for found in waiting:
            with pytest.raises(MachineError, match=f"does not start: it was {told}"):
                found.result(30)
        assert until(lambda: set(children_of(os.getpid())) <= others, 5)


def test_a_sandbox_is_closed_in_time_though_its_zygote_cannot_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that hangs inside the kernel."""
    with text_sandbox() as own:
        pid, zygote = zygote_of(own), own._zygote
        assert zygote is not None
        os.kill(pid, signal.SIGSTOP)
        with monkeypatch.context() as patch:
            patch.setattr(subprocess.Popen, "kill", lambda *_: None)
            began = time.monotonic()
            own.close()
            assert time.monotonic() - began < 2 * process.PATIENCE_SECONDS + 3
        zygote._process.kill()
        zygote._process.wait()


def test_a_zygote_is_the_first_to_go_from_before_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory runs out."""
    for_ever = "import time; from archsearch.sandbox import zygote; zygote.preload = lambda _: time.sleep(600)\n"
    monkeypatch.setattr(process, "ENTRY", for_ever + process.ENTRY)
    with text_sandbox() as own:
        own.start()
        assert own._zygote is not None
        score = Path(f"/proc/{own._zygote.pid}/oom_score_adj")
        assert until(lambda: score.read_text() == "1000\n", 30)


def test_a_zygote_lives_on_when_the_thread_that_started_it_ends() -> None:
    with text_sandbox() as own:
        thread = threading.Thread(target=zygote_of, args=(own,))
        thread.start()
        thread.join()
        first = zygote_of(own)
        time.sleep(0.3)
        assert run(own, NAP).blob == b"done"
        assert zygote_of(own) == first


@pytest.mark.parametrize("refusals", [2, 10_000])
def test_a_fork_that_is_refused_is_tried_again_for_a_while(monkeypatch: pytest.MonkeyPatch, refusals: int) -> None:
    spoilt = f"""import os, itertools
fork, count = os.fork, itertools.count()
def refuse():
    if next(count) < {refusals}: raise OSError({errno.EAGAIN}, "no process left")
    return fork()
os.fork = refuse
"""
    monkeypatch.setattr(process, "ENTRY", spoilt + process.ENTRY)
    monkeypatch.setattr(broker, "ROOM_SECONDS", 1.0)
    with text_sandbox() as own:
        if refusals == 2:
            assert run(own, NAP).blob == b"done"
        else:
            with pytest.raises(MachineError, match="no room"):
                run(own, NAP)


def test_a_zygote_that_is_not_safe_to_fork_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    threaded = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    monkeypatch.setattr(process, "ENTRY", threaded + process.ENTRY)
    with text_sandbox() as own, pytest.raises(MachineError, match="does not start: it ended with exit code 75"):
        run(own, NAP)


def test_kernels_without_handles_on_processes_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux before 5.3."""
    old = "import os\ndef refuse(*_): raise OSError(38, 'not implemented')\nos.pidfd_open = refuse\n"
    monkeypatch.setattr(process, "ENTRY", old + process.ENTRY)
    with text_sandbox(Limits(wall_seconds=1.0)) as own:
        assert run(own, "blob = b'done'").blob == b"done"
        with at_work(own, ENDLESS) as (waiting, child):
            assert waiting.result(10).killed == "time"
            assert gone(child)


# ---- the broker ------------------------------------------------------------------------------------------------------

BROKER = """
import sys
sys.path[:0] = [{place!r}]
from sandboxes import run, text_sandbox
with text_sandbox() as sandbox:
    print("begun", flush=True)
    run(sandbox, {source!r})
"""


@pytest.mark.parametrize("moment", ["loading", "at work"])
def test_a_search_that_is_killed_leaves_nothing_behind(moment: str, tmp_path: Path) -> None:
    source = BROKER.format(place=str(Path(__file__).parent), source=ENDLESS)
    around = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    killed = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, cwd=tmp_path, env=around)
    with killed:
        assert killed.stdout is not None
        killed.stdout.readline()
        assert until(lambda: children_of(killed.pid) != [], 30)
        (zygote,) = until_some(killed.pid)
        job = until_some(zygote) if moment == "at work" else []
        killed.kill()
    assert all(gone(pid, 20) for pid in (zygote, *job))
    assert list(tmp_path.iterdir()) == [], "neither where it worked nor where temporary files go"


def until_some(pid: int) -> list[int]:
    """The children of a process, once there are some that stay: what probes the machine's walls comes and goes."""
    found: list[int] = []

    def stays() -> bool:
        seen, found[:] = list(found), children_of(pid)
        time.sleep(0.4)
        return bool(found) and seen == found

    assert until(stays, 60)
    return found


# ---- the child -------------------------------------------------------------------------------------------------------


def test_a_job_that_is_stopped_from_outside_is_killed_in_time() -> None:
    with text_sandbox(Limits(wall_seconds=1.0)) as own:
        zygote_of(own)
        with at_work(own, ENDLESS) as (waiting, child):
            os.kill(child, signal.SIGSTOP)
            assert waiting.result(10).killed == "time"
            assert gone(child)


def test_a_job_that_hangs_in_the_kernel_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal reaches it: simulated by a kill that does nothing."""
    with text_sandbox(HASTY) as own:
        zygote_of(own)
        before = open_files()
        monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
        with at_work(own, ASLEEP) as (waiting, child):
            report = waiting.result(HASTY.wall_seconds + watch.PATIENCE_SECONDS + 3)
            assert (report.killed, report.exit, report.header) == ("time", None, None)
            assert gone(child), "once it comes back, the zygote ends it, because nobody waits for it"
        assert open_files() == before
        assert run(own, "blob = b'next'").blob == b"next"


# ---- the machine -----------------------------------------------------------------------------------------------------


def _opened() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None


@contextmanager
def all_descriptors_taken(but: int = 0) -> Iterator[ExitStack]:
    """Take every descriptor that this process may have, but some; they are given back with the stack."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, open_files() + 200), hard))
    with ExitStack() as taken:
        taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        spare = [os.open(os.devnull, os.O_RDONLY) for _ in range(but)]
        while (descriptor := _opened()) is not None:
            taken.callback(os.close, descriptor)
        for descriptor in spare:
            os.close(descriptor)
        yield taken


def test_a_job_waits_for_descriptors_that_others_hold(own: Sandbox) -> None:
    before = open_files()
    with ThreadPoolExecutor(1) as pool:
        with all_descriptors_taken():
            waiting = pool.submit(run, own, NAP)
            time.sleep(0.7)
            assert not waiting.done()
        assert waiting.result(20).blob == b"done"
    assert open_files() == before


@pytest.mark.parametrize("free", range(12))
def test_with_few_descriptors_left_a_job_runs_or_says_clearly_why_not(
    own: Sandbox, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    """At every point where one may be lacking."""
    monkeypatch.setattr(broker, "ROOM_SECONDS", 0.3)
    before, zygote = open_files(), zygote_of(own)
    with all_descriptors_taken(free):
        try:
            report: Report | None = run(own, "blob = b'done'")
        except MachineError as error:
            report = None
            told = str(error)
    if report is None:
        assert "file descriptors" in told
        assert "--workers" in told
    else:
        assert report.blob == b"done"
    assert free < 11 or report is not None
    assert open_files() == before
    assert until(lambda: children_of(zygote) == [], 5)
    assert run(own, "blob = b'next'").blob == b"next"


def test_a_clock_that_jumps_changes_nothing(own: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter(range(0, 10**9, 10**6))
    monkeypatch.setattr(time, "time", lambda: next(jumps) * (-1) ** next(jumps))
    monkeypatch.setattr(time, "time_ns", lambda: next(jumps) * 10**9)
    report = run(own, NAP)
    assert report.blob == b"done"
    assert 0.4 < report.wall_seconds < 20


def test_no_file_is_written_so_that_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    """The zygote may not write one byte to a file; the broker's opening of files is watched."""
    no_disk = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    source = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}]
from sandboxes import run, text_sandbox
from archsearch.sandbox import process
process.ENTRY = {no_disk!r} + process.ENTRY
written = []
def watch(event, arguments):
    if event == "open" and arguments[2] & 3 and arguments[0] != "/dev/null": written.append(arguments[0])
    if event in ("os.mkdir", "os.rename", "tempfile.mkdtemp", "tempfile.mkstemp"): written.append(event)
sys.addaudithook(watch)
with text_sandbox() as sandbox:
    shared = sandbox.seal("shared", b"x" * 1000)
    assert run(sandbox, "import torch; blob = bytes(given['x'])", x=shared).blob == b"x" * 1000
    print(written)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout == "[]\n", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_of_the_terminal_does_not_reach_the_zygote(own: Sandbox) -> None:
    assert os.getsid(zygote_of(own)) != os.getsid(0)
    assert alive(zygote_of(own))
