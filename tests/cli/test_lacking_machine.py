"""A search on a machine that lacks something ends with what it was, keeps what is finished, and can be resumed."""

from __future__ import annotations

import errno
import itertools
import json
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from command_line import QUICK, TRIALS, Told, ask

from archsearch.cli import run as run_module
from archsearch.errors import MachineError
from archsearch.sandbox import sandbox as broker
from archsearch.study import files
from archsearch.study.lacking import telling_what_lacks


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "DEFAULT", QUICK)
    monkeypatch.setattr(broker, "ROOM_SECONDS", 0.3)


def telling(folder: str) -> AbstractContextManager[None]:
    return telling_what_lacks(Path(folder), "Then.")


def search(folder: Path) -> Told:
    return ask("run", "hare_lynx", "--trials", str(TRIALS), "--run-dir", folder, "--json")


def assert_told_and_resumed(told: Told, folder: Path, *words: str) -> None:
    """With the machine as it should be again."""
    assert told.code == 3, told.err
    for word in (*words, f"archsearch resume {folder}"):
        assert word in told.err
    assert "should not have happened" not in told.err
    assert len(list(folder.glob("candidates/0*"))) < TRIALS
    resumed = ask("resume", folder, "--json")
    assert resumed.code == 0, resumed.err
    assert json.loads(resumed.out)["evaluated"] == TRIALS


CODES = {"ENOSPC": "disk", "EDQUOT": "disk", "EROFS": "disk", "EMFILE": "ulimit -n", "ENFILE": "ulimit -n"}


@pytest.mark.parametrize("name", CODES)
def test_what_the_kernel_refuses_for_want_of_something_is_the_fault_of_the_machine(name: str) -> None:
    code = getattr(errno, name)
    with pytest.raises(MachineError, match=rf"runs/a: .*{os.strerror(code)}") as raised, telling("runs/a"):
        raise OSError(code, os.strerror(code))
    assert CODES[name] in raised.value.remedy
    assert raised.value.remedy.endswith("Then.")


def test_what_an_evaluation_lacks_keeps_its_own_words() -> None:
    with pytest.raises(MachineError) as raised, telling("runs/a"):
        raise MachineError("no room", "use fewer --workers")
    assert str(raised.value) == "no room\n  use fewer --workers\n  Then."


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "denied"), OSError(errno.EIO, "broken"), OSError("neither")]
)
def test_other_errors_stay_what_they_are(error: OSError) -> None:
    with pytest.raises(OSError, match=str(error.args[-1])) as raised, telling("runs/a"):
        raise error
    assert raised.value is error


def test_a_file_that_cannot_be_written_ends_a_search_that_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel says it, at the second candidate's folder."""
    synced, sync_all = itertools.count(), files.sync_all

    def refuse(paths: list[Path]) -> None:
        if next(synced) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync_all(paths)

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync_all", refuse)
        told = search(tmp_path / "run")
    assert len(list((tmp_path / "run" / "candidates").glob("0*"))) == 1
    assert_told_and_resumed(told, tmp_path / "run", f"{tmp_path / 'run'}: its files cannot be written", "is kept")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 100 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a disk takes the rights of root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_a_search_that_goes_on_when_there_is_room(small_disk: Path) -> None:
    told = search(small_disk / "run")
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    assert_told_and_resumed(told, small_disk / "run", "No space left on device", "Make room", "is kept")


def test_a_disk_that_is_full_from_the_beginning_says_that_nothing_was_searched(small_disk: Path) -> None:
    (small_disk / "other").write_bytes(bytes(96 << 10))
    told = search(small_disk / "run")
    assert told.code == 3, told.err
    assert "same command again" in told.err
    (small_disk / "other").unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    assert search(small_disk / "run").code == 0


@pytest.mark.parametrize("free", [6, 12])
def test_few_descriptors_end_a_search_that_goes_on_with_more(tmp_path: Path, free: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    with ExitStack() as taken:
        taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        descriptor = 0
        while descriptor < highest:  # there may be gaps below
            descriptor = os.open(os.devnull, os.O_RDONLY)
            taken.callback(os.close, descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptor + 1 + free, hard))
        told = search(tmp_path / "run")
    assert_told_and_resumed(told, tmp_path / "run", "--workers", "ulimit -n 4096")
