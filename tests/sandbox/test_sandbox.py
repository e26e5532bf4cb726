"""Whether a job behaved is judged from outside: a missing file, a process that is gone; never by what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archsearch.sandbox.sandbox import ClosedError, Report, Sandbox, printable, read_capped
from archsearch.settings import Limits

LIMITS = Limits(wall_seconds=60.0, memory_mb=512, file_mb=1, log_kb=4)
HASTY = LIMITS.model_copy(update={"wall_seconds": 1.0})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LIMITS) as made:
        yield made


def run(sandbox: Sandbox, source: str) -> tuple[Path, Report]:
    """Run Python text as a job: runpy runs the `__main__.py` of the folder that it is given."""
    folder = sandbox.folder()
    (folder / "__main__.py").write_text(source)
    return folder, sandbox.run("runpy:run_path", folder)


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def until(holds: Callable[[], bool], within: float) -> bool:
    """Wait until something holds; whether it does."""
    end = time.monotonic() + within
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def gone(pid: int, within: float = 3.0) -> bool:
    return until(lambda: not alive(pid), within)


def test_a_job_runs_in_its_folder_and_its_files_come_back(sandbox: Sandbox) -> None:
    folder, report = run(sandbox, "open('made', 'w').write('here'); print('said')")
    assert (folder / "made").read_text() == "here"
    assert report.exit == 0
    assert report.log == "said\n"


def test_the_environment_is_empty(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    with Sandbox(LIMITS) as fresh:
        folder, _ = run(fresh, "import os; open('env', 'w').write(repr(dict(os.environ)))")
    assert (folder.exists(), os.environ["OPENAI_API_KEY"]) == (False, "a-secret")
    folder, _ = run(sandbox, "import os; open('env', 'w').write(repr(dict(os.environ)))")
    assert (folder / "env").read_text() == "{}"


def test_a_job_that_never_ends_is_killed_with_all_that_it_started() -> None:
    source = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child == 0:
    while True: time.sleep(1)
open('pids', 'w').write(f'{os.getpid()} {child}')
while True: pass
"""
    with Sandbox(HASTY) as hasty:
        folder, report = run(hasty, source)
        assert report.killed == "time"
        assert report.wall_seconds < HASTY.wall_seconds + 2
        assert all(gone(int(pid)) for pid in (folder / "pids").read_text().split())


def test_what_a_job_leaves_running_is_killed_when_it_ends(sandbox: Sandbox) -> None:
    source = """
import os, time
child = os.fork()
if child == 0:
    while True: time.sleep(1)
open('pid', 'w').write(str(child))
"""
    folder, report = run(sandbox, source)
    assert report.exit == 0
    assert gone(int((folder / "pid").read_text()))


@pytest.mark.parametrize(
    "source",
    ["x = bytearray(1 << 30)", "import torch; x = torch.zeros(1 << 28)", "x = [0] * (1 << 28)"],
)
def test_memory_is_limited(sandbox: Sandbox, source: str) -> None:
    folder, report = run(sandbox, source + "\nopen('survived', 'w')")
    assert not (folder / "survived").exists()
    assert report.exit != 0


def test_shared_memory_is_watched(sandbox: Sandbox) -> None:
    source = (
        "import mmap\nm = mmap.mmap(-1, 1 << 30)\nfor i in range(0, 1 << 30, 4096): m[i] = 1\nopen('survived', 'w')"
    )
    folder, report = run(sandbox, source + "\nimport time; time.sleep(60)")
    assert report.killed == "memory"
    assert not (folder / "survived").exists()


def test_files_and_output_are_limited(sandbox: Sandbox) -> None:
    folder, report = run(sandbox, "f = open('big', 'wb')\nwhile True: f.write(b'x' * 65536); f.flush()")
    assert (folder / "big").stat().st_size <= LIMITS.file_mb << 20
    assert report.exit != 0
    folder, report = run(sandbox, "while True: print('x' * 10000)")
    assert (folder / "log.txt").stat().st_size <= LIMITS.file_mb << 20
    assert len(report.log) <= LIMITS.log_kb * 1024


def test_open_files_are_limited(sandbox: Sandbox) -> None:
    _, report = run(sandbox, "fs = [open('/dev/null') for _ in range(1000)]")
    assert report.exit != 0
    assert "Too many open files" in report.log


def test_no_descriptor_of_ours_is_open_in_a_job(sandbox: Sandbox) -> None:
    source = """
import os
found = []
for fd in range(256):
    try: os.fstat(fd); found.append(fd)
    except OSError: pass
open('fds', 'w').write(repr(found))
"""
    folder, _ = run(sandbox, source)
    # runpy reads the job through a descriptor that it has closed by then
    assert (folder / "fds").read_text() == "[0, 1, 2]"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import os; os.abort()", -signal.SIGABRT),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
        ("import os; os._exit(3)", 3),
        ("raise SystemExit(0)", 70),
        ("raise ValueError('no')", 70),
        ("def f(): f()\nf()", 70),
    ],
)
def test_however_a_job_dies_the_next_one_runs(sandbox: Sandbox, source: str, code: int) -> None:
    _, report = run(sandbox, source)
    assert report.exit == code
    folder, after = run(sandbox, "import torch; open('ok', 'w').write(str(torch.ones(2).sum().item()))")
    assert after.exit == 0
    assert (folder / "ok").read_text() == "2.0"


def test_patching_a_library_does_not_reach_the_next_job(sandbox: Sandbox) -> None:
    run(sandbox, "import torch; torch.ones = None")
    folder, report = run(sandbox, "import torch; torch.ones(1); open('ok', 'w')")
    assert report.exit == 0
    assert (folder / "ok").exists()


def test_a_zygote_that_was_killed_is_replaced(sandbox: Sandbox) -> None:
    run(sandbox, "pass")
    zygote = sandbox._zygote
    assert zygote is not None
    os.kill(zygote.pid, signal.SIGKILL)
    assert gone(zygote.pid)
    _, report = run(sandbox, "pass")
    assert report.exit == 0


def test_a_search_that_is_killed_leaves_nothing_running_and_no_folder(tmp_path: Path) -> None:
    """The broker of another process is killed with SIGKILL while a job runs."""
    source = f"""
import os, time
with open({str(tmp_path / "pids")!r}, 'w') as file:
    file.write(f'{{os.getpid()}} {{os.getppid()}} {{os.getcwd()}}')
time.sleep(60)
"""
    broker = subprocess.Popen([sys.executable, "-c", BROKER, source])
    pids = tmp_path / "pids"
    until(lambda: pids.exists() and len(pids.read_text().split()) == 3, 60)
    broker.kill()
    broker.wait()
    job, zygote, folder = pids.read_text().split()
    assert gone(int(job))
    assert gone(int(zygote))
    assert Path(folder).parent.name.startswith("archsearch-")
    assert not Path(folder).parent.exists()


BROKER = """
import sys
from archsearch.sandbox.sandbox import Sandbox
from archsearch.settings import Limits
sandbox = Sandbox(Limits(wall_seconds=60))
folder = sandbox.folder()
(folder / '__main__.py').write_text(sys.argv[1])
sandbox.run('runpy:run_path', folder)
"""


def test_a_search_that_is_killed_before_its_first_job_leaves_no_folder(tmp_path: Path) -> None:
    source = BROKER.replace("folder = sandbox.folder()", "print(sandbox.folder(), flush=True); sys.stdin.read()")
    broker = subprocess.Popen([sys.executable, "-c", source, ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert broker.stdin is not None
    assert broker.stdout is not None
    folder = Path(broker.stdout.readline().decode().strip())
    assert folder.is_dir()
    broker.kill()
    broker.communicate()
    assert until(lambda: not folder.parent.exists(), 20)


@pytest.mark.parametrize("moment", ["at work", "starting"])
def test_closing_from_another_thread_ends_a_job_for_good(moment: str) -> None:
    sandbox = Sandbox(Limits(wall_seconds=60))
    folder = sandbox.folder()
    (folder / "__main__.py").write_text(
        "import os, time\nwith open('pid', 'w') as file: file.write(str(os.getpid()))\ntime.sleep(60)"
    )
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(sandbox.run, "runpy:run_path", folder)
        if moment == "at work":
            until(lambda: (folder / "pid").exists() and (folder / "pid").read_text() != "", 60)
        pid = int((folder / "pid").read_text()) if moment == "at work" else None
        sandbox.close()
        assert waiting.result(10).exit is None
    assert pid is None or gone(pid)
    assert not folder.parent.exists()
    assert sandbox.run("builtins:len", folder).exit is None
    with pytest.raises(ClosedError):
        sandbox.folder()
    assert sandbox._zygote is None, "nothing is started after the end"


def test_a_result_is_read_only_if_it_is_a_small_regular_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 11)
    (tmp_path / "folder").mkdir()
    assert read_capped(tmp_path / "secret", 10) == b"secret"
    assert [read_capped(tmp_path / name, 10) for name in ("link", "pipe", "large", "folder", "none")] == [None] * 5


def test_text_for_people_holds_no_control_characters() -> None:
    assert printable("a\x1b[2Jb\r\x07\n\tc\u202e") == "a\ufffd[2Jb\ufffd\ufffd\n\tc\ufffd"


def test_a_job_that_kills_its_watcher_dies_with_it(sandbox: Sandbox) -> None:
    source = """
import os, signal, time
open('pid', 'w').write(str(os.getpid()))
os.kill(os.getppid(), signal.SIGKILL)
while True: time.sleep(1)
"""
    folder, report = run(sandbox, source)
    assert report.exit is None
    assert gone(int((folder / "pid").read_text()))


def test_folders_of_jobs_do_not_pile_up(sandbox: Sandbox) -> None:
    folder, _ = run(sandbox, "open('made', 'w')")
    sandbox.clear()
    assert not folder.exists()
    assert run(sandbox, "pass")[1].exit == 0
