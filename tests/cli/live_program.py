"""The command line with an evaluator that fits nothing and only takes its time, for tests of what a terminal shows.

Arguments: seconds that an evaluation takes, the number of the one that finds the machine unfit (or -1), and then those
of the command line.
"""

from __future__ import annotations

import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))

from search_fakes import FakeEvaluator, write_space

from archsearch import evaluation
from archsearch.candidate.candidate import Candidate
from archsearch.cli.main import run
from archsearch.errors import MachineError
from archsearch.evaluation import Outcome, Tell, Told, nobody
from archsearch.problem.problem import Problem
from archsearch.sandbox.tiers import Tier

__all__ = ["main", "write_space"]

STEPS = 10


class Slow(FakeEvaluator):
    """Says how far it is, and how its error falls."""

    takes, unfit = 1.0, -1

    def __init__(self, problem: Problem, *_: Any) -> None:
        super().__init__(failing=0.0)
        parts = {"train": problem.train.trajectories, "validation": problem.validation.trajectories}
        self._predictions = {f"{name}.states": found.states for name, found in parts.items()}
        self._given_up = threading.Event()

    def close(self) -> None:
        self._given_up.set()

    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        for step in range(1, STEPS + 1):
            self._given_up.wait(self.takes / STEPS)
            tell(Told("states and unknowns", step, 0.5**step))
        if number == self.unfit:
            raise MachineError("this machine is unfit", "Take another one.")
        return replace(super().evaluate(candidate, number, tell), predictions=self._predictions)


def main() -> None:
    Slow.takes, Slow.unfit = float(sys.argv[1]), int(sys.argv[2])
    sys.argv[1:3] = []
    evaluation.Evaluator = Slow  # type: ignore[misc, assignment]
    evaluation.candidate_sandbox = lambda *_: nullcontext(SimpleNamespace(tier=Tier.NONE))  # type: ignore[assignment, return-value]
    run()


if __name__ == "__main__":
    main()
