"""What a proposer promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation


class Proposer(ABC):
    """Whatever suggests candidates.

    A proposer keeps nothing between calls that its answers depend on: the same arguments give the same answer, in this
    process and in another one. That is what makes a search resumable.
    """

    @abstractmethod
    def propose(self, history: Sequence[Evaluation], taken: frozenset[str], index: int) -> Candidate | None:
        """Suggest the next candidate.

        Args:
            history: the evaluations that it may use, by number; not always all that exist.
            taken: the ids of everything that was proposed before; suggesting one of them again is of no use.
            index: the number of this proposal, counted from 0.

        Returns:
            A candidate, or None if there is nothing left to suggest.
        """
