"""What runs now: the fits of a search under way with the curves of their errors, kept where other processes can look.

`running.json` is there while a search is, is replaced as a whole about once a second, and is nothing that a run needs:
no reader may rely on it, and what stands in it is what candidates' own processes said.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from archsearch.candidate.candidate import Candidate
from archsearch.study.files import replace_file
from archsearch.study.lock import LOCK, searching

RUNNING = "running.json"
EVERY_SECONDS = 1.0
MOST_BYTES = 1 << 22
MOST_POINTS = 120
"""Of a curve: when there are more, every other one is left out, and from then on also of those that come."""


class RunningFit(BaseModel):
    """A candidate that is being evaluated.

    Attributes:
        number: of its proposal.
        candidate: its id.
        author: who proposed it.
        claim: what it claims.
        stage: what its fit does now; empty before it says so.
        step: the iteration of this stage.
        error: what this stage lowers, in standard deviations of the training data; None if that is not known.
        curve: the errors of this stage so far, evenly thinned out; those of different stages are of different things.
        seconds: since it started.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    candidate: str
    author: str
    claim: str
    stage: str = ""
    step: int = 0
    error: float | None = None
    curve: tuple[float, ...] = ()
    seconds: float = 0.0


class Running(BaseModel):
    """What a search does now.

    Attributes:
        fits: what is evaluated, by number.
        paused: whether nothing new starts.
        waiting: how many proposals wait for a person.
        evaluated: how many candidates were evaluated, failures included.
        failed: how many of them failed.
        seconds: search time of the run.
    """

    model_config = ConfigDict(frozen=True)

    fits: tuple[RunningFit, ...] = ()
    paused: bool = False
    waiting: int = 0
    evaluated: int = 0
    failed: int = 0
    seconds: float = 0.0


def read_running(folder: Path) -> Running | None:
    """What the search of a run does now; None if none runs, or if it does not say."""
    if searching(folder / LOCK) is None:
        return None
    try:
        with (folder / RUNNING).open("rb") as file:
            return Running.model_validate_json(file.read(MOST_BYTES))
    except (OSError, ValidationError):
        return None


class Curve:
    """Values one after the other, of which a bounded number is kept, evenly spread."""

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._stride, self._seen = 1, 0

    def add(self, value: float) -> None:
        """One more value."""
        if self._seen % self._stride == 0:
            self._kept.append(value)
        self._seen += 1
        if len(self._kept) > MOST_POINTS:
            self._kept, self._stride = self._kept[::2], 2 * self._stride

    def values(self) -> tuple[float, ...]:
        """The values that are kept."""
        return tuple(self._kept)


class RunningFits:
    """The fits that run, by number.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fits: dict[int, tuple[RunningFit, float, Curve]] = {}

    def start(self, number: int, candidate: Candidate) -> None:
        """An evaluation began."""
        fit = RunningFit(number=number, candidate=candidate.id, author=candidate.author, claim=candidate.claim)
        self._fits[number] = fit, self._clock(), Curve()

    def tell(self, number: int, stage: str, step: int, error: float | None) -> None:
        """An evaluation says how far it is; nothing if it is not known."""
        if number not in self._fits:
            return
        fit, began, curve = self._fits[number]
        if error is not None:
            curve = curve if stage == fit.stage else Curve()
            curve.add(error)
        known = fit.error if error is None else error
        self._fits[number] = fit.model_copy(update={"stage": stage, "step": step, "error": known}), began, curve

    def end(self, number: int) -> None:
        """An evaluation is done."""
        self._fits.pop(number, None)

    def now(self) -> tuple[RunningFit, ...]:
        """What runs, the oldest first."""
        at = self._clock()
        return tuple(
            fit.model_copy(update={"curve": curve.values(), "seconds": round(at - began, 1)})
            for fit, began, curve in self._fits.values()
        )


class RunningFile:
    """Keeps `running.json` of a run; gone at the end.

    Args:
        folder: the run.
        clock: seconds that only grow.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / RUNNING
        self._clock = clock
        self._next = clock()

    def keep(self, running: Callable[[], Running]) -> None:
        """Write down what runs, unless that has just been done."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + EVERY_SECONDS
        with contextlib.suppress(OSError):  # whoever looks on sees less; what the run needs is written elsewhere
            replace_file(self._path, running().model_dump_json().encode())

    def remove(self) -> None:
        """Nothing runs any more."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
