"""Read a space file, and tell everything that is wrong with it at once."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

from archsearch.errors import RequestError, SpaceError
from archsearch.problem.checks import check_meaning
from archsearch.problem.defaults import fill
from archsearch.problem.findings import Place, Raw, validate
from archsearch.problem.space import SearchSpace

UNIT_KEYS = ("unit", "time_unit", "counting_units")


def read_space(path: Path) -> SearchSpace:
    """Read and validate a space file; what it leaves open is filled in (`assumptions` says how).

    Raises:
        RequestError: there is no such file.
        SpaceError: the file is wrong; carries every finding.
    """
    raw = _prepared(_parsed(path), path)
    space, lines, left_out = validate(raw)
    if space is not None:
        lines += check_meaning(space, _unread(raw, left_out), _skipped(left_out))
    if space is None or lines:
        raise SpaceError(lines, str(path))
    return fill(space)


def _parsed(path: Path) -> Raw:
    """The file as TOML."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise RequestError(f"Expected a space file, found no '{path}'.", "See: archsearch spaces") from error
    except OSError as error:
        raise RequestError(f"Expected a space file that can be read, found '{path}': {error.strerror}.") from error
    except UnicodeDecodeError as error:
        found = f"found a byte at {error.start} that is none; save the file as UTF-8"
        raise SpaceError([f"the file: expected text in UTF-8, {found}"], str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise SpaceError([f"the file: expected TOML, found: {error}"], str(path)) from error
    except RecursionError as error:
        raise SpaceError(["the file: expected TOML, found brackets that are nested too deep"], str(path)) from error


def _prepared(raw: Raw, path: Path) -> Raw:
    """Fill in the tables that may be left out, and let ids be written as numbers."""
    raw = copy.deepcopy(raw)
    for table in ("problem", "data", "split"):
        raw.setdefault(table, {})
    if isinstance(raw["problem"], dict):
        raw["problem"].setdefault("title", path.resolve().parent.name if path.name == "space.toml" else path.stem)
    if isinstance(raw["split"], dict):
        for name in ("validation", "test"):
            raw["split"][name] = _as_ids(raw["split"].get(name))
            if raw["split"][name] is None:
                del raw["split"][name]
    return raw


def _as_ids(value: Any) -> Any:
    """A list of ids, where `[1, 2]` means `["1", "2"]`; whatever else it is stays as it is."""
    if not isinstance(value, list):
        return value
    return [str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in value]


def _unread(raw: Raw, left_out: set[Place]) -> frozenset[str]:
    """The names of the tables that were left out because something in them could not be read."""
    names = set()
    for place in left_out:
        if len(place) == 2 and isinstance(place[1], int):
            name = raw[str(place[0])][place[1]]
            names.add(name["name"] if isinstance(name, dict) and isinstance(name.get("name"), str) else "")
    return frozenset(names)


def _skipped(left_out: set[Place]) -> frozenset[str]:
    """What cannot be checked, since something that it depends on was left out."""
    units = any(place[-1] in UNIT_KEYS or "equations" in place or isinstance(place[-1], int) for place in left_out)
    split = any(place[0] == "split" for place in left_out)
    unused = any(isinstance(place[-1], int) or "equations" in place for place in left_out)
    return frozenset(name for name, skip in (("units", units), ("split", split), ("unused", unused)) if skip)
