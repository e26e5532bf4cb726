"""What the stages of a fit leave behind, for a person who asks why a fit is as it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from archsearch.training.algebra.minimise import GoOn, Minimum

Watch = Callable[[str, int, float], bool]
"""Called after every iteration of a fit, the model standing where the fit stands, with the stage, its iteration and its
error: the root of the mean square that this stage lowers, in standard deviations of the data; NaN where that is not
known. False stops the fit, which then is reported as it is."""


def unwatched(_stage: str, _step: int, _error: float) -> bool:
    """Go on, whoever might want to know."""
    return True


@dataclass(frozen=True)
class Stage:
    """What one stage of a fit did.

    Attributes:
        name: of the stage.
        steps: iterations.
        loss: the objective of this stage at its end.
        reason: why it was left.
        seconds: wall time.
    """

    name: str
    steps: int
    loss: float
    reason: str
    seconds: float = 0.0


class Journal:
    """The stages of a fit in the making, and whoever watches them.

    Args:
        watch: called after every iteration.
    """

    def __init__(self, watch: Watch) -> None:
        self.stages: list[Stage] = []
        self.stopped = False
        self._watch = watch

    def run(self, name: str, work: Callable[[GoOn], Minimum]) -> Minimum:
        """Do the work of one stage, unless the fit was stopped before, and note what it did."""
        if self.stopped:
            return Minimum(math.nan, 0, "stopped")
        began = time.perf_counter()
        found = work(lambda step, value: self._goes_on(name, step, value))
        self.stages.append(
            Stage(name, found.steps, found.loss, found.said or found.reason, time.perf_counter() - began)
        )
        return found

    def note(self, name: str, reason: str, loss: float) -> None:
        """Put something on record that is no stage of its own."""
        self.stages.append(Stage(name, 0, loss, reason))

    def say(self, what: str) -> None:
        """Add a word to why the last stage was left."""
        if not self.stages:
            return
        last = self.stages[-1]
        self.stages[-1] = replace(last, reason=f"{last.reason}; {what}")

    def _goes_on(self, name: str, step: int, value: float) -> bool:
        self.stopped = self.stopped or not self._watch(name, step, math.sqrt(value) if value >= 0 else math.nan)
        return not self.stopped
