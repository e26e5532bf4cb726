"""The copy of space and data that makes a run folder self-contained."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from archsearch.bundled import SPACE_FILE
from archsearch.errors import RunError
from archsearch.problem.problem import Problem
from archsearch.study.files import write_file

_DATA_KEY = re.compile(r"""^(?P<key>\s*file\s*=\s*)(?P<value>"[^"\n]*"|'[^'\n]*')""", re.MULTILINE)


def copy_space(problem: Problem, request: str, target: Path) -> None:
    """Copy the space file, and the data file if there is one, into the folder `target`."""
    target.mkdir(exist_ok=True)
    source = _space_file(problem, request)
    text = _read(source).decode()
    if problem.space.data.file is not None:
        data = problem.folder / problem.space.data.file
        write_file(target / data.name, _read(data))
        text = _with_data_file(text, data.name, source)
    write_file(target / SPACE_FILE, text.encode())


def _space_file(problem: Problem, request: str) -> Path:
    """The file that was asked for, or the one with the usual name in the problem's folder."""
    asked = Path(request).expanduser()
    return asked if asked.is_file() else problem.folder / SPACE_FILE


def _with_data_file(text: str, name: str, source: Path) -> str:
    """The space file reading its data from beside itself; untouched if it does so already."""
    if tomllib.loads(text)["data"]["file"] == name:
        return text
    quoted = json.dumps(name, ensure_ascii=False)
    changed = _DATA_KEY.sub(lambda found: found["key"] + quoted, text, count=1)
    if tomllib.loads(changed)["data"]["file"] != name:
        remedy = f"Put {name} into the folder of {source.name} and write `file = {quoted}` on a line of its own."
        raise RunError(f"{source}: the data file is elsewhere, so space and data cannot be copied as one.", remedy)
    return changed


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be copied into the run folder ({error.strerror}).") from None
