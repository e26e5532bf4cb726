"""What a person wants of the search of a run: that it goes on, that it pauses, that it stops."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from archsearch.study.files import write_file

Control = Literal["run", "pause", "stop"]
CONTROL = "control"
KNOWN = ("run", "pause", "stop")


def read_control(folder: Path) -> Control:
    """What is wanted of the search of this run; to go on where nothing else is said."""
    try:
        found = (folder / CONTROL).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "run"
    return cast("Control", found) if found in KNOWN else "run"


def write_control(folder: Path, control: Control) -> None:
    """Say what is wanted; a search that runs hears of it within a fraction of a second."""
    write_file(folder / CONTROL, control.encode() + b"\n")
