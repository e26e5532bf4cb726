"""Which proposals are open, and whether another one may be made."""

from __future__ import annotations

from collections.abc import Collection

from archsearch.candidate.candidate import Candidate
from archsearch.settings import RunSettings
from archsearch.study.record import Decision
from archsearch.study.writer import Writer

REPEATS = 50
"""So many proposals in a row that were there before mean that the proposer has nothing new to say."""
QUEUE = 12
"""When so many proposals in a row wait for a person, no more are made: all that come would."""
LONGEST_QUEUE = 4 * QUEUE
"""So many may wait in all, where others pass in between."""


class Queue:
    """The proposals of a run, as far as nothing has come of them yet.

    Args:
        writer: of the run.
        settings: of the search.
    """

    def __init__(self, writer: Writer, settings: RunSettings) -> None:
        self._writer = writer
        self._settings = settings

    def open(self, running: Collection[int]) -> list[int]:
        """The proposals that neither run nor are settled, in order."""
        writer = self._writer
        return [n for n in sorted(writer.proposals) if n not in running and not writer.is_settled(n)]

    def undecided(self, running: Collection[int]) -> list[int]:
        """Those of them that a person has to decide on."""
        return [number for number in self.open(running) if self._writer.proposals[number].decision is None]

    def has_room(self, number: int, undecided: Collection[int]) -> bool:
        """Whether a proposal may be made: all that it may depend on is settled, or for a person to decide."""
        generation = self._settings.generation
        if self._settings.review == "batch" and any(k // generation != number // generation for k in undecided):
            return False
        recent = set(range(max(0, number - QUEUE), number))
        if len(undecided) >= LONGEST_QUEUE or (len(recent) == QUEUE and recent <= set(undecided)):
            return False
        known = range(number - generation + 1)
        return all(self._writer.is_settled(k) or k in undecided for k in known)

    def repeat(self, number: int, candidate: Candidate) -> Decision | None:
        """The decision against what was proposed before."""
        proposals = self._writer.proposals
        for known in range(number):
            if proposals[known].candidate.id == candidate.id:
                return Decision(approved=False, by="search", reason=f"the same as number {known}")
        return None

    def only_repeats(self, number: int) -> bool:
        """Whether a proposer has said nothing new for a while."""
        recent = [self._writer.proposals[known].decision for known in range(max(0, number - REPEATS), number)]
        return len(recent) == REPEATS and all(decision is not None and decision.by == "search" for decision in recent)
