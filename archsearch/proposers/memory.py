"""What a run remembers beside its evaluations, as far as a proposer may look it up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archsearch.candidate.candidate import Candidate
from archsearch.problem.trajectories import Floats


@dataclass(frozen=True)
class Past:
    """A proposal of the past.

    Attributes:
        number: its place in the search.
        candidate: what was proposed.
        refusal: why it was not evaluated; empty if it was, or will be.
    """

    number: int
    candidate: Candidate
    refusal: str = ""


@dataclass(frozen=True)
class Wishes:
    """What a person wants of the search: hints in words, and names of terms and slots that are banned or pinned."""

    hints: tuple[str, ...] = ()
    bans: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()


class Memory(ABC):
    """What a proposer may look up.

    Everything is asked for with a number, and depends on what came before it alone: so a search that is resumed, or
    repeated, finds the same.
    """

    @abstractmethod
    def before(self, number: int) -> tuple[Past, ...]:
        """All proposals with smaller numbers, in order."""

    @abstractmethod
    def trained(self, number: int) -> Mapping[str, Floats]:
        """Predictions of an evaluated candidate for the training data, `times` and `states`; empty if it failed."""

    def wishes(self, number: int) -> Wishes:
        """What a person wanted when this proposal was made."""
        return Wishes()


class Given(Memory):
    """A memory of what it is given, for those who have no run.

    Args:
        past: proposals, in order.
    """

    def __init__(self, past: Sequence[Past] = ()) -> None:
        self._past = tuple(past)

    def before(self, number: int) -> tuple[Past, ...]:
        """All proposals with smaller numbers, in order."""
        return tuple(item for item in self._past if item.number < number)

    def trained(self, number: int) -> Mapping[str, Floats]:
        """Nothing: there was no evaluation."""
        return {}
