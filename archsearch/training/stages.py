"""What the stages of a fit leave behind, for a person who asks why a fit is as it is."""

from __future__ import annotations

from dataclasses import dataclass

from archsearch.training.minimise import Minimum


@dataclass(frozen=True)
class Stage:
    """What one stage of a fit did: its name, iterations, loss at its end, and why it was left."""

    name: str
    steps: int
    loss: float
    reason: str


def stage(name: str, minimum: Minimum) -> Stage:
    """The stage that ended at this minimum."""
    return Stage(name, minimum.steps, minimum.loss, minimum.reason)
