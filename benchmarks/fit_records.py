"""What the benchmark of the fit measured: a line per fit, a curve of error against time, and both as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

CHAIN = "archsearch"
NAMES = {
    CHAIN: "archsearch",
    "dopri5": "torchdiffeq dopri5 + Adam",
    "rk4": "fixed-step RK4 + Adam",
    "diffrax": "diffrax Tsit5 + Adam, jitted",
}
"""What tables and figures call the methods."""
ENDS, CURVES = "ends.csv", "curves.csv"


@dataclass(frozen=True)
class Key:
    """Which fit.

    Attributes:
        run: `compared` with other methods, or `robust`: many seeds of the chain alone.
        variant: how the data were taken.
        problem: its letter.
        seed: of the data and of the starting weights.
        method: a key of `NAMES`.
    """

    run: str
    variant: str
    problem: str
    seed: int
    method: str


@dataclass(frozen=True)
class End:
    """How a fit ended.

    Attributes:
        seconds: CPU seconds of the whole fit, or the budget that was spent; scoring and compiling not charged.
        compiling: CPU seconds to compile, where anything is.
        train: mean square error against the noisy training data, in variances of the clean data.
        test: the same of rollouts of unseen clean trajectories.
        floor: the test error that counts as the noise floor of this problem and seed.
        arrived: whether it ended at most three times above it.
    """

    key: Key
    seconds: float
    compiling: float
    train: float
    test: float
    floor: float
    arrived: bool


@dataclass(frozen=True)
class Point:
    """The test error of a fit after so many CPU seconds."""

    key: Key
    seconds: float
    error: float


Record = TypeVar("Record", End, Point)
Curve = Sequence[tuple[float, float]]
"""(seconds, test error), in the order of time."""

READERS: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str, "bool": "True".__eq__}


def flat(record: End | Point) -> dict[str, Any]:
    """Its columns."""
    row = asdict(record)
    return row.pop("key") | row


def write_records(target: Path, records: Sequence[Record], kind: type[Record]) -> None:
    """A line per record, below the names of the columns."""
    columns = [*(field.name for field in fields(Key)), *(field.name for field in fields(kind) if field.name != "key")]
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat(record) for record in records)


def read_records(source: Path, kind: type[Record]) -> list[Record]:
    """What `write_records` wrote; nothing if there is no such file."""
    if not source.exists():
        return []
    with source.open(encoding="utf-8", newline="") as file:
        return [
            kind(key=Key(**_typed(Key, row)), **_typed(kind, row))  # type: ignore[arg-type]  # typed by the fields
            for row in csv.DictReader(file)
        ]


def _typed(kind: type[Any], row: dict[str, str]) -> dict[str, Any]:
    return {field.name: READERS[str(field.type)](row[field.name]) for field in fields(kind) if field.name != "key"}


def merged(old: Iterable[Record], new: Sequence[Record]) -> list[Record]:
    """Old records, those of fits that were made anew replaced."""
    again = {record.key for record in new}
    return [*(record for record in old if record.key not in again), *new]


@dataclass
class Results:
    """Everything that was measured so far, kept in a folder."""

    folder: Path
    ends: list[End]
    curves: list[Point]

    @staticmethod
    def of(folder: Path) -> Results:
        """What the folder holds."""
        return Results(folder, read_records(folder / ENDS, End), read_records(folder / CURVES, Point))

    def add(self, end: End, curve: Curve) -> None:
        """Keep the result of a fit, in place of an earlier one of the same; on disk at once."""
        self.ends = merged(self.ends, [end])
        self.curves = merged(self.curves, [Point(end.key, seconds, error) for seconds, error in curve])
        self.folder.mkdir(parents=True, exist_ok=True)
        write_records(self.folder / ENDS, self.ends, End)
        write_records(self.folder / CURVES, self.curves, Point)

    def curve(self, key: Key) -> Curve:
        """The curve of a fit; empty if it was not made."""
        return sorted((point.seconds, point.error) for point in self.curves if point.key == key)
