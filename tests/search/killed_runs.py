"""What is there of a run whose search was killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archsearch.study.store import Study


def result_of(run: Path) -> list[dict[str, Any]]:
    """All that a search leaves, but for how long things took."""
    return [item.model_dump(exclude={"seconds"}) for item in Study.open(run).evaluations()]


def finished_in(run: Path) -> set[str]:
    """The candidates whose evaluation is on disk."""
    return {path.parent.name for path in (run / "candidates").glob("[0-9]*/evaluation.json")}


def until(holds: Callable[[], bool], within: float) -> bool:
    """Wait until something holds; whether it does."""
    end = time.monotonic() + within
    while not holds() and time.monotonic() < end:
        time.sleep(0.002)
    return holds()
