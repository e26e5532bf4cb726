"""A run kept in memory and brought up to date by reading only what is new."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import best, rank
from archsearch.study.proposals import LogTail, Proposal
from archsearch.study.record import WishedLine
from archsearch.study.writer import PROPOSALS

if TYPE_CHECKING:
    from archsearch.study.store import Study


class RunReader:
    """What a run holds, as of the last `refresh`; for those who look at it again and again while it is searched.

    Proposals whose line is lost are known from their evaluations.

    Args:
        study: the run.

    Attributes:
        evaluations: by number.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._tail = LogTail(study.folder / PROPOSALS)
        self._tail.read()
        self.evaluations: dict[int, Evaluation] = {}
        self._take(study.evaluations())

    @property
    def proposals(self) -> dict[int, Proposal]:
        """All proposals by number."""
        return self._tail.log.proposals

    @property
    def wishes(self) -> list[WishedLine]:
        """What persons wanted, in order."""
        return self._tail.log.wishes

    @property
    def seconds(self) -> float:
        """Search time that the run has used."""
        return self._tail.log.seconds

    def refresh(self) -> bool:
        """Read what is new; whether there was anything.

        Raises:
            RunError: the run is damaged.
        """
        lines, told = self._tail.read(), self._tail.log.evaluated
        new = (self._study.evaluation_of(number, told[number]) for number in sorted(told.keys() - self.evaluations))
        self._take([item for item in new if item is not None])  # the folder of one may be deleted, to be made anew
        return bool(lines)

    def source(self, number: int) -> str:
        """The source of a candidate, proposed or evaluated."""
        proposal = self.proposals.get(number)
        return self._study.source(number) if proposal is None else proposal.candidate.source

    def ranked(self) -> list[Evaluation]:
        """All evaluations, smallest error first, failures last."""
        return rank(self.evaluations.values())

    def best(self) -> Evaluation | None:
        """The model to believe in; None if none fits."""
        return best(self.evaluations.values())

    def _take(self, evaluations: Iterable[Evaluation]) -> None:
        new = {item.number: item for item in evaluations}
        self._study.mend(self._tail.log, new)
        self.evaluations.update(new)
        self._tail.log.evaluated.update({number: item.candidate for number, item in new.items()})

    def waiting(self) -> list[Proposal]:
        """The proposals that nobody has decided about, in order."""
        return self._tail.log.waiting()
