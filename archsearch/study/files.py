"""Files that are either there as a whole or not at all: write-then-rename, append-with-fsync."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
RUN = "run.json"
"""The file that makes a folder a run."""
LLM = "llm"
"""The folder of what an LLM was asked and replied."""


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader, and a reader after a crash, sees the old content or the new one."""
    partial = _partial(path)
    _write_synced(partial, data)
    partial.replace(path)
    _sync(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, without waiting for the disk."""
    partial = _partial(path)
    partial.write_bytes(data)
    partial.replace(path)


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files, all of them at once."""
    partial = _partial(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, data in files.items():
        (partial / name).write_bytes(data)
    sync_all([*(partial / name for name in files), partial])
    partial.rename(target)
    _sync(target.parent)


def sync_all(paths: Sequence[Path]) -> None:
    """Wait until the disk has these files and folders: all at once, since a file system then waits once for them."""
    with ThreadPoolExecutor(len(paths)) as pool:
        for _ in pool.map(_sync, paths):
            pass


@contextmanager
def appending(path: Path, synced: bool = True) -> Iterator[Callable[[str], None]]:
    """Hold a file of lines, so that no other process adds to it meanwhile; yields what adds a line to it.

    The disk has the lines when the block is left. What a killed process left of a line is removed first.

    Args:
        path: the file.
        synced: False if the lines may be lost with the power, because they can be made again.
    """
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        cut_torn_line(path)
        yield lambda line: _write_line(file, line)
        if synced:
            os.fsync(file.fileno())


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last finished line, which is what a killed process was writing."""
    if not path.exists() or _ends_well(path):
        return
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.truncate(data.rfind(b"\n") + 1)
        os.fsync(file.fileno())


def remove_partial(folder: Path) -> None:
    """Remove what killed processes left half written in this folder."""
    for path in folder.glob(f".*{PARTIAL}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _write_line(file: BinaryIO, line: str) -> None:
    file.write(line.encode() + b"\n")
    file.flush()


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}{PARTIAL}")


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
