"""What a person wants of the search of a run: that it goes on, that it pauses, that it stops; and who said so."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from archsearch.study.files import write_file

Control = Literal["run", "pause", "stop"]
CONTROL = "control"
KNOWN = ("run", "pause", "stop")
LONGEST_NAME = 80


def read_control(folder: Path) -> Control:
    """What is wanted of the search of this run; to go on where nothing else is said."""
    return read_request(folder)[0]


def read_request(folder: Path) -> tuple[Control, str]:
    """The same, and who said so and where; empty if that is not known."""
    try:
        found, _, by = (folder / CONTROL).read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return "run", ""
    return (cast("Control", found.strip()), by.strip()) if found.strip() in KNOWN else ("run", "")


def write_control(folder: Path, control: Control, by: str = "") -> None:
    """Say what is wanted; a search that runs hears of it within a fraction of a second.

    Args:
        folder: of the run.
        control: what is wanted.
        by: who says so and where, e.g. `on the page by Ada`.
    """
    said = " ".join(by.split())[:LONGEST_NAME]
    write_file(folder / CONTROL, f"{control}\n{said}\n".encode())
