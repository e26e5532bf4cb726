"""What a prediction is asked for, and how its bytes are read: shapes and times are ours, the numbers are claimed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from archsearch.evaluation.failures import FailedError, result_failure
from archsearch.evaluation.result import Arrays
from archsearch.problem.problem import Part
from archsearch.training.flow.integrate import dense_times

DENSE_POINTS = 200
"""About how many points a predicted trajectory has for drawing."""


@dataclass(frozen=True)
class Asked:
    """What is to be predicted of one part of the data.

    Attributes:
        part: the trajectories.
        dense: points per sampling interval.
        gates: terms that are closed one by one.
    """

    part: Part
    dense: int = 1
    gates: tuple[str, ...] = ()

    @staticmethod
    def for_drawing(part: Part) -> Asked:
        """With as many points as a figure needs; frames of a field are large, and are looked at one by one."""
        most, is_field = part.trajectories.times.shape[1], part.trajectories.states.ndim > 3
        return Asked(part, 1 if is_field else max(1, round(DENSE_POINTS / most)))

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the arrays that come back, in their order."""
        many, most, *each = self.part.trajectories.states.shape
        yield "dense_states", (many, (most - 1) * self.dense + 1, *each)
        for gate in self.gates:
            yield f"without.{gate}", (many, most, *each)


def bytes_of(asked: Mapping[str, Asked]) -> int:
    """How many bytes a prediction has, exactly."""
    return 8 * sum(int(np.prod(shape)) for one in asked.values() for _, shape in one.shapes())


def gates_within(most_bytes: int, asked: Mapping[str, Asked], part: Part, terms: tuple[str, ...]) -> tuple[str, ...]:
    """The first of the terms, as many as can be closed one by one on a part before the whole has too many bytes.

    What is asked for besides always is, however large: its size follows from the data alone, and a score may not depend
    on how many terms a candidate says it has.
    """
    room = max(0, most_bytes - bytes_of(asked))
    return terms[: room // (8 * part.trajectories.states.size)]


def read_predictions(blob: bytes, asked: Mapping[str, Asked]) -> dict[str, Arrays]:
    """For every part `times`, `states`, `dense_times`, `dense_states` and `without.<term>`.

    Raises:
        FailedError: there are more or fewer bytes than were asked for.
    """
    expected = bytes_of(asked)
    if len(blob) != expected:
        raise FailedError(result_failure(f"its predictions have {len(blob)} bytes, expected {expected}"))
    numbers = np.frombuffer(blob, "<f8")
    found: dict[str, Arrays] = {}
    for name, one in asked.items():
        arrays: Arrays = {}
        for key, shape in one.shapes():
            size = int(np.prod(shape))
            arrays[key], numbers = numbers[:size].reshape(shape), numbers[size:]
        times = one.part.trajectories.times
        arrays["times"], arrays["states"] = times, arrays["dense_states"][:, :: one.dense]
        arrays["dense_times"] = dense_times(torch.from_numpy(times.copy()), one.dense).numpy()
        found[name] = arrays
    return found
