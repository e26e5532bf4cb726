"""When each candidate of a run was evaluated, read from the lines of its log without opening its candidates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsearch.study.writer import PROPOSALS

_MARK = b'"event":"evaluated"'


@dataclass(frozen=True)
class Point:
    """An evaluation: its number, the search time in seconds when it was done, and its error (None: it failed)."""

    number: int
    seconds: float
    error: float | None


class Timeline:
    """The evaluations of a run in the order in which they were done; `refresh` reads only what is new.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROPOSALS
        self._offset = 0
        self.points: dict[int, Point] = {}

    def refresh(self) -> None:
        """Take in the lines that were finished since."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size < self._offset:  # it was cut or replaced
            self._offset, self.points = 0, {}
        if size == self._offset:
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        finished = new[: new.rfind(b"\n") + 1]
        self._offset += len(finished)
        for line in finished.splitlines():
            self._add(line)

    def _add(self, line: bytes) -> None:
        if _MARK not in line.replace(b": ", b":"):
            return
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            return  # whoever opens the run is told which line is damaged
        if found.get("event") == "evaluated":
            number = int(found.get("number", -1))
            error = found.get("nrmse")
            scored = float(error) if isinstance(error, float | int) else None
            self.points[number] = Point(number, float(found.get("seconds", 0.0)), scored)

    @property
    def failed(self) -> int:
        """How many candidates have no error."""
        return sum(point.error is None for point in self.points.values())

    @property
    def least(self) -> Point | None:
        """The evaluation of the least error."""
        scored = [point for point in self.points.values() if point.error is not None]
        return min(scored, key=lambda point: point.error or 0.0, default=None)
