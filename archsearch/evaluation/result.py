"""What an evaluation leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

from archsearch.candidate.outcome import Evaluation
from archsearch.problem.trajectories import Floats

Arrays = dict[str, Floats]


@dataclass(frozen=True)
class Outcome:
    """What an evaluation leaves.

    Attributes:
        evaluation: the record.
        weights: safetensors, empty if it failed.
        predictions: `<part>.times`, `<part>.states`, `<part>.dense_times`, `<part>.dense_states` for the parts `train`
            and `validation`; empty if it failed.
        log: what the candidate printed.
    """

    evaluation: Evaluation
    weights: bytes
    predictions: Arrays
    log: str
