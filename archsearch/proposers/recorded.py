"""The proposals of another run, once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.proposers.base import Proposer


class RecordedProposer(Proposer):
    """Proposes what was proposed before, number by number, whoever proposed it; then there is nothing left.

    So a search in which persons took part can be repeated: what they saw, and so what they said, came from the
    proposals that there were at the time.

    Args:
        candidates: by number.
    """

    def __init__(self, candidates: Mapping[int, Candidate]) -> None:
        self._candidates = dict(candidates)

    def propose(self, history: Sequence[Evaluation], taken: frozenset[str], index: int) -> Candidate | None:
        """The candidate that had this number; see `Proposer`."""
        return self._candidates.get(index)
