"""What a run remembers beside its evaluations, as far as a proposer may look it up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from archsearch.candidate.candidate import Candidate
from archsearch.problem.trajectories import Floats


@dataclass(frozen=True)
class Past:
    """A proposal of the past.

    Attributes:
        number: its place in the search.
        candidate: what was proposed.
        refusal: why it was not evaluated; empty if it was, or will be.
        waits: whether a person has yet to decide on it.
    """

    number: int
    candidate: Candidate
    refusal: str = ""
    waits: bool = False


@dataclass(frozen=True)
class Wishes:
    """What a person wants of the search, as of one proposal; what was taken back is no longer in it.

    Attributes:
        hints: in words.
        bans: names of terms and slots that no proposal may use.
        pins: names of terms and slots that every proposal uses.
        preferences: numbers of evaluated candidates, the better first, in the order in which they were said.
        reasons: why, in words, one for each preference; an empty one, or none at the end, if it was not said.
    """

    hints: tuple[str, ...] = ()
    bans: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    preferences: tuple[tuple[int, int], ...] = ()
    reasons: tuple[str, ...] = ()

    def reasoned(self) -> Iterator[tuple[int, int, str]]:
        """The preferences with their reasons: the better one, the worse one, why."""
        reasons = chain(self.reasons, repeat(""))
        yield from ((better, worse, why) for (better, worse), why in zip(self.preferences, reasons, strict=False))


NO_WISHES = Wishes()


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
        return NO_WISHES

    def unwanted(self, number: int) -> tuple[Past, ...]:
        """Those with smaller numbers that a person refused, and did not put a version of their own in the place of."""
        return ()


class Given(Memory):
    """A memory of what it is given, for those who have no run.

    Args:
        past: proposals, in order.
        wishes: of a person, the same for every proposal.
        unwanted: what a person refused.
    """

    def __init__(self, past: Sequence[Past] = (), wishes: Wishes = NO_WISHES, unwanted: Sequence[Past] = ()) -> None:
        self._past = tuple(past)
        self._wishes = wishes
        self._unwanted = tuple(unwanted)

    def before(self, number: int) -> tuple[Past, ...]:
        """All proposals with smaller numbers, in order."""
        return tuple(item for item in self._past if item.number < number)

    def trained(self, number: int) -> Mapping[str, Floats]:
        """Nothing: there was no evaluation."""
        return {}

    def wishes(self, number: int) -> Wishes:
        """What it was given."""
        return self._wishes

    def unwanted(self, number: int) -> tuple[Past, ...]:
        """Those of what it was given that have smaller numbers."""
        return tuple(item for item in self._unwanted if item.number < number)


NOTHING = Given()
"""The memory of who remembers nothing, and is wished nothing."""
