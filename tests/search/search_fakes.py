"""A search without training: a rich space, and an evaluator that makes up errors from the genome."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, Failure, FittedNet, Score
from archsearch.evaluation import Outcome, Tell, nobody

SPACE = """
[problem]
title = "Two species that nobody ever saw"
time_unit = "yr"

[data]
file = "data.csv"

[split]
by = "time"
validation_from = 15.0

[[states]]
name = "prey"
positive = true

[[states]]
name = "hunter"
positive = true

[[parameters]]
name = "birth"
value = 0.5
low = 0.01
high = 2.0
unit = "1/yr"

[[parameters]]
name = "attack"
value = 0.1
low = 0.001
high = 2.0
unit = "1/yr"

[[parameters]]
name = "death"
value = 0.5
low = 0.01
high = 2.0
unit = "1/yr"

[[parameters]]
name = "capacity"
value = 1.0
low = 0.01
high = 5.0

[[terms]]
name = "growth"
expression = "birth * prey"
equations = { prey = "+" }
trust = "suspect"

[[terms]]
name = "predation"
expression = "attack * prey * hunter"
equations = { prey = "-" }
trust = "suspect"

[[terms]]
name = "gain"
expression = "attack * prey * hunter"
equations = { hunter = "+" }
trust = "suspect"

[[terms]]
name = "loss"
expression = "death * hunter"
equations = { hunter = "-" }

[[library]]
name = "logistic"
expression = "birth * prey * (1 - prey / capacity)"
replaces = "growth"

[[library]]
name = "saturating_predation"
expression = "attack * prey * hunter / (capacity + prey)"
replaces = "predation"

[[library]]
name = "ratio_predation"
expression = "attack * prey * hunter / (capacity + hunter)"
replaces = "predation"

[[library]]
name = "saturating_gain"
expression = "attack * prey * hunter / (capacity + prey)"
replaces = "gain"

[[library]]
name = "crowding"
expression = "death * prey * prey"
equations = { prey = "-" }

[[library]]
name = "rivalry"
expression = "death * hunter * hunter"
equations = { hunter = "-" }

[[library]]
name = "immigration"
expression = "birth * capacity"
equations = { prey = "+" }

[[slots]]
name = "unknown_prey"
equation = "prey"
roles = ["add"]
inputs = ["prey", "hunter"]

[[slots]]
name = "unknown_gain"
term = "gain"
roles = ["replace", "scale"]
inputs = ["prey", "hunter"]

[[slots]]
name = "varying_birth"
parameter = "birth"
roles = ["replace"]
inputs = ["prey"]
"""


def write_space(folder: Path) -> Path:
    """Write the space with its data into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    times = np.arange(21.0)
    rows = [f"{t},{2 + math.sin(t):.6f},{2 + math.cos(t):.6f}" for t in times]
    (folder / "data.csv").write_text("\n".join(["time,prey,hunter", *rows]) + "\n")
    (folder / "space.toml").write_text(SPACE)
    return folder


def chance(*parts: object) -> float:
    """A number in [0, 1) that is drawn by what is written, in every process the same."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def additive_error(genes: Mapping[str, object], world: int) -> float:
    """The sum of one effect per gene and of a few interactions; positive, around 1."""
    effects = [chance(world, name, value) - 0.5 for name, value in genes.items()]
    return math.exp(sum(effects) / 2)


class FakeEvaluator:
    """Takes a moment that nobody can foresee, fails now and then, and scores by `additive_error`.

    Args:
        world: draws the effects.
        seconds: the longest that an evaluation takes.
        failing: the share of candidates that fail.
    """

    def __init__(self, world: int = 0, seconds: float = 0.0, failing: float = 0.1) -> None:
        self.world = world
        self.seconds = seconds
        self.failing = failing
        self.evaluated: list[str] = []
        self._moments = np.random.default_rng()  # on purpose another one every time: timing must not matter

    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        time.sleep(self.seconds * self._moments.random())
        self.evaluated.append(candidate.id)
        if chance("fails", self.world, candidate.id) < self.failing:
            return failed(candidate, number)
        return fitted(candidate, number, additive_error(candidate.genome or {}, self.world))

    def close(self) -> None:
        pass


def fitted(candidate: Candidate, number: int, error: float) -> Outcome:
    score = Score(nrmse=error, rmse={"prey": error}, per_trajectory={"1": error}, trajectories=1, diverged=0)
    nets = sum(str(name).endswith(".hidden") for name in candidate.genome or {})
    evaluation = Evaluation(
        number=number,
        candidate=candidate.id,
        author=candidate.author,
        parents=candidate.parents,
        claim=candidate.claim,
        status="ok",
        train=score,
        validation=score,
        nets={f"net{i}": FittedNet(role="add", inputs=("prey",), hidden=(8,), weights=25) for i in range(nets)},
        weights=25 * nets,
        seconds=time.monotonic() % 1,
        genome=candidate.genome,
    )
    predictions = {"validation.states": np.full((1, 3, 2), error), "validation.times": np.arange(3.0)[None]}
    weights = f"weights of {candidate.id}".encode()
    return Outcome(evaluation=evaluation, weights=weights, predictions=predictions, log="")


def failed(candidate: Candidate, number: int) -> Outcome:
    failure = Failure(kind="diverged", message="It grew without limit.", remedy="Bound it.")
    return Outcome(Evaluation.of(candidate, number, failure), b"", {}, "step 1\nstep 2\n")
