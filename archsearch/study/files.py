"""Files that are either there as a whole or not at all: write-then-rename, append-with-fsync."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

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
    _sync_folder(path.parent)


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files, all of them at once."""
    partial = _partial(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, data in files.items():
        _write_synced(partial / name, data)
    _sync_folder(partial)
    partial.rename(target)
    _sync_folder(target.parent)


def append_line(path: Path, line: str) -> None:
    """Append one line and wait until the disk has it."""
    with path.open("ab") as file:
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[bytes]:
    """The finished lines of a file; a last line without its end is one that was never written to the end."""
    data = path.read_bytes() if path.exists() else b""
    return data.split(b"\n")[:-1]


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last finished line, which is what a killed process was writing."""
    if not path.exists():
        return
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data):
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())


def remove_partial(folder: Path) -> None:
    """Remove what killed processes left half written in this folder."""
    for path in folder.glob(f".*{PARTIAL}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}{PARTIAL}")


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
