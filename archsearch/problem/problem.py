"""A problem: a search space together with its data, split into what is fitted, what ranks, and what is sealed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archsearch.problem.space import SearchSpace
from archsearch.problem.trajectories import Bools, Floats, Trajectories

PartName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Part:
    """Trajectories with what a predictor may see of them and what is scored.

    Attributes:
        trajectories: whole rollouts, from their first sample to the last that is scored.
        given: (N, T), samples whose observations the predictor may see.
        scored: (N, T), samples that are scored; never also given, except in the training part.
        start: what a rollout starts from (see `SplitTable.start`).
    """

    trajectories: Trajectories
    given: Bools
    scored: Bools
    start: Literal["first", "warmup", "continue"]


@dataclass(frozen=True)
class Problem:
    """What is asked.

    Attributes:
        space: the search space.
        folder: where the space file lies.
        name: a short name for folders and titles.
        train: the only part that a fit sees.
        validation: ranks candidates; its targets stay in the trusted process.
        test: sealed; scored for the models that a report names. None if the split has none.
        scales: (n,), standard deviation of the training observations of each state (1 for hidden states).
        fingerprint: SHA-256 over space and data, hexadecimal.
    """

    space: SearchSpace
    folder: Path
    name: str
    train: Part
    validation: Part
    test: Part | None
    scales: Floats
    fingerprint: str

    def part(self, name: PartName) -> Part | None:
        """The part of that name, None if the split has none."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]
