"""Write a commented space file to start from: a copy of a search space, or one made from nothing but data."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from archsearch.bundled import SPACE_FILE, compiled, space_file
from archsearch.errors import RequestError
from archsearch.problem.guessing import Guess, guess
from archsearch.problem.loading import assumptions, load_problem
from archsearch.problem.ordering import groups_of
from archsearch.problem.readers import DataTable, read_table
from archsearch.problem.splitting import HELD_OUT_TIME
from archsearch.problem.toml import read_space

TEMPLATE, EXAMPLE = "spaces/space.toml.j2", "hare_lynx"


def new_space(target: Path, from_space: str | None, data: Path | None) -> list[str]:
    """Make a folder with a space file that passes its checks, and a copy of its data.

    Args:
        target: the folder; it may exist, but nothing in it is overwritten.
        from_space: a search space to copy, by name, folder or file.
        data: measurements to make a space from.

    Returns:
        What was assumed, one sentence each.

    Raises:
        RequestError: both sources are given, or something would be overwritten.
        DataError: the data cannot be read as a problem.
    """
    if from_space is not None and data is not None:
        raise RequestError(
            "Expected a search space to copy or data to start from, found both.", "Leave out --from or --data."
        )
    _refuse_existing(target / SPACE_FILE)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / (target.resolve().name or "space")
        made.mkdir()
        told = _from_data(made, data, target) if data is not None else _from_space(made, from_space)
        problem = load_problem(str(made))
        _move(made, target, data)
    return [*told, *assumptions(problem.space)]


def _from_space(made: Path, request: str | None) -> list[str]:
    """Copy a search space with its data file and its README."""
    source = space_file(request or EXAMPLE)
    space = read_space(source)
    shutil.copyfile(source, made / SPACE_FILE)
    if space.data.file is not None:
        _copy_data(source.parent, made, space.data.file)
    if (source.parent / "README.md").is_file():
        shutil.copyfile(source.parent / "README.md", made / "README.md")
    return [] if request else [f"neither --from nor --data: this is a copy of {EXAMPLE}"]


def _copy_data(source: Path, made: Path, name: str) -> None:
    """Copy a data file that lies beside or below its space file; one that is named by its full path stays."""
    if Path(name).is_absolute():
        return
    goal = (made / name).resolve()
    if not goal.is_relative_to(made.resolve()):
        raise RequestError(f"Expected the data of the space beside its file, found '{name}'.", "Copy both by hand.")
    goal.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / name, goal)


def _from_data(made: Path, data: Path, target: Path) -> list[str]:
    """Write a space file for a data file."""
    table = read_table(data)
    found = guess(table)
    shutil.copyfile(data, made / data.name)
    values, told = _values(table, found, data, target)
    (made / SPACE_FILE).write_text(_rendered(values), encoding="utf-8")
    return [*found.reasons, *told]


def _values(table: DataTable, found: Guess, data: Path, target: Path) -> tuple[dict[str, Any], list[str]]:
    """What the template needs, and what is assumed of the split."""
    values: dict[str, Any] = {"title": target.resolve().name or data.stem, "file": data.name, "states": found.states}
    values |= {"inputs": found.inputs}
    values |= {"time": found.time, "time_unit": found.time_unit, "trajectory": found.trajectory}
    count = len(set(table.columns[found.trajectory].tolist())) if found.trajectory else 1
    if count > 1:
        warmup = _warmup(table, found)
        split = {"by": "trajectory", "test": count > 2, "validation_from": None, "warmup": warmup}
        return values | split, list(_about_trajectories(count, warmup))
    times = np.sort(table.numbers(found.time, "time"))
    start = float(times[len(times) - max(1, round(len(times) * HELD_OUT_TIME))])
    told = f"the last quarter of the samples, from {start:g} on, is held out for validation"
    return values | {"by": "time", "test": False, "validation_from": repr(start), "warmup": 1}, [told]


def _about_trajectories(count: int, warmup: int) -> Iterator[str]:
    """What is assumed of the split of several trajectories."""
    test = ", a fifth sealed as the test" if count > 2 else ""
    yield f"the trajectories are split: a fifth for validation{test}"
    if warmup > 1:
        yield f"not all states are measured at the start, so held-out rollouts are given their first {warmup} samples"


def _warmup(table: DataTable, found: Guess) -> int:
    """How many samples it takes until each trajectory has shown all its states."""
    columns = np.array([table.numbers(state.column, "state") for state in found.states])
    groups = groups_of(table, found.trajectory)
    return max(int(np.isfinite(columns[:, rows]).argmax(axis=1).max()) + 1 for rows in groups)


def _rendered(values: dict[str, Any]) -> str:
    """The space file; texts are quoted as TOML, whose basic strings are those of JSON."""
    texts = ("title", "file", "time", "time_unit", "trajectory")
    quoted = {name: _quoted(values[name]) if values[name] else None for name in texts}
    return compiled(TEMPLATE, {"quoted": _quoted}).render(values | quoted)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise RequestError(
            f"Expected a new file, found '{path}', which exists.", "Choose another folder, or remove it."
        )


def _move(made: Path, target: Path, data: Path | None) -> None:
    """Copy what was made to where it belongs; data that lie there already stay."""
    if target.exists() and not target.is_dir():
        raise RequestError(f"Expected a folder to write to, found the file '{target}'.", "Choose another name.")
    files = [file for file in sorted(made.rglob("*")) if file.is_file()]
    new = {file: target / file.relative_to(made) for file in files}
    kept = data.resolve() if data is not None else None
    for goal in new.values():
        if goal.resolve() != kept:
            _refuse_existing(goal)
    for file, goal in new.items():
        if goal.resolve() != kept:
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, goal)
