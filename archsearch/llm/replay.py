"""Replies of another run, so that its search can be repeated without a network."""

from __future__ import annotations

from archsearch.llm.budget import Ledger, reserved_for
from archsearch.llm.exchanging import Obtained, Source, obtained
from archsearch.llm.outage import Outage
from archsearch.llm.question import Question
from archsearch.llm.record import Problem, Record


class Replayed(Source):
    """Replies of another run, and no network.

    Args:
        other: the record of that run.
        record: of this run.
        ledger: of this run; what the other run paid counts, so that its limits end this one where they ended that.
    """

    def __init__(self, other: Record, record: Record, ledger: Ledger) -> None:
        super().__init__(record, ledger)
        self._other = other

    def _is_final(self, problem: Problem) -> bool:
        return True

    def _obtain(self, question: Question) -> Obtained:
        expected = reserved_for(question)
        self._ledger.reserve(expected)
        found = self._other.find(question.name)
        if found is None:
            self._ledger.withdraw(expected)
            message = f"The record in {self._other.folder} has no reply to this question ({question.name[:12]})."
            raise Outage("not_recorded", message, "Repeat the search with the settings and the version that made it.")
        self._ledger.settle(expected, found.usage)
        self._record.keep(found)
        return obtained(found, replayed=True)
