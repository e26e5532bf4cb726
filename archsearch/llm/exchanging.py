"""One question and what came of it: kept from before, or obtained from where replies come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from archsearch.llm.budget import Ledger
from archsearch.llm.completion import Completion, read_completion
from archsearch.llm.question import Question
from archsearch.llm.record import Exchange, Problem, Record


@dataclass(frozen=True)
class Obtained:
    """An exchange, its reply, and whether it was there already."""

    exchange: Exchange
    completion: Completion
    replayed: bool


class Source(ABC):
    """Where replies come from. Everything that passes is in the record of this run and in its ledger.

    Args:
        record: of this run.
        ledger: of this run.
    """

    def __init__(self, record: Record, ledger: Ledger) -> None:
        self._record, self._ledger = record, ledger
        for known in record.exchanges():
            ledger.count(known.usage)

    def obtain(self, question: Question) -> Obtained:
        """The reply to a question.

        Raises:
            Outage: there is none.
        """
        known = self._record.find(question.name)
        if known is not None and (known.problem is None or self._is_final(known.problem)):
            return obtained(known, replayed=True)
        return self._obtain(question)

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Give back what is held."""

    @abstractmethod
    def _is_final(self, problem: Problem) -> bool:
        """Whether a problem of before stands."""

    @abstractmethod
    def _obtain(self, question: Question) -> Obtained:
        """The reply to a question that this run has not asked yet."""


def obtained(exchange: Exchange, replayed: bool) -> Obtained:
    """The reply of an exchange.

    Raises:
        Outage: it has none.
    """
    if exchange.problem is not None:
        raise exchange.problem.outage()
    return Obtained(exchange, read_completion(exchange.reply or {}), replayed)
