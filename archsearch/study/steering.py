"""What persons may do to a run, also while another process searches it: decide, edit, propose, wish."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from archsearch.candidate.candidate import Candidate
from archsearch.errors import RequestError
from archsearch.study.files import appending
from archsearch.study.proposals import LogTail, Proposal, ProposalLog
from archsearch.study.record import AnyLine, DecidedLine, Decision, ProposedLine, Wish, WishedLine
from archsearch.study.writer import PROPOSALS, now

if TYPE_CHECKING:
    from archsearch.study.store import Study

__all__ = ["AlreadyDecidedError", "Steering"]


class AlreadyDecidedError(RequestError):
    """Somebody else was faster; nothing was written.

    Attributes:
        proposal: as it was decided.
    """

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        super().__init__(f"Proposal {proposal.number} is decided already: {_told(proposal)}.")


class Steering:
    """Adds what persons say to `proposals.jsonl`, one at a time, whoever else writes there.

    Each method returns when the disk has it; a search that runs hears of it within a fraction of a second, one that
    does not when it is resumed.

    Args:
        study: the run.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._tail = LogTail(study.folder / PROPOSALS)

    def waiting(self) -> list[Proposal]:
        """The proposals that nobody has decided about, in order."""
        return self._log().waiting()

    def wishes(self) -> list[WishedLine]:
        """What persons wanted so far, in order."""
        return list(self._log().wishes)

    def decide(self, number: int, decision: Decision) -> Proposal:
        """Approve or refuse a proposal.

        Raises:
            RequestError: there is no such proposal.
            AlreadyDecidedError: it is decided.
        """
        with self._appending() as append:
            self._undecided(number)
            append(self._decided(number, decision))
        return self._log().proposals[number]

    def replace(self, number: int, candidate: Candidate, by: str, reason: str = "") -> int:
        """Put a person's version of a proposal in its place: the proposal is refused, its child approved.

        Args:
            number: the proposal.
            candidate: what the person made of it.
            by: the person.
            reason: why.

        Returns:
            The number of the child.

        Raises:
            RequestError: there is no such proposal, or nothing was changed, or that is proposed already.
            AlreadyDecidedError: it is decided.
        """
        with self._appending() as append:
            edited = self._undecided(number).candidate
            child = replace(candidate, author=by, parents=(edited.id,), genome=None)
            own = self._next(child)
            edit = f"edited by {by}, see {own}" + (f": {reason}" if reason else "")
            for line in (
                self._decided(number, Decision(approved=False, by=by, reason=edit)),
                self._proposed(own, child),
                self._decided(own, Decision(approved=True, by=by, reason=reason or f"edited from {number}")),
            ):
                append(line)
        return own

    def propose(self, candidate: Candidate, by: str) -> int:
        """Add a person's own candidate, approved; returns its number.

        Raises:
            RequestError: it is proposed already.
        """
        with self._appending() as append:
            own = self._next(candidate)
            append(self._proposed(own, replace(candidate, author=by)))
            append(self._decided(own, Decision(approved=True, by=by)))
        return own

    def wish(self, wish: Wish, by: str) -> WishedLine:
        """Say what is wanted of the proposals to come.

        Raises:
            RequestError: a candidate that is preferred, or that it is preferred to, is not evaluated.
        """
        with self._appending() as append:
            log = self._tail.log
            if wish.kind == "preference":
                _refuse_unknown((wish.better, wish.worse), log.evaluated)
            line = WishedLine(number=log.next_number(), at=now(), seconds=log.seconds, wish=wish, by=by)
            append(line)
        return line

    # ---- lines ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _appending(self) -> Iterator[Callable[[AnyLine], None]]:
        with appending(self._study.folder / PROPOSALS) as append:
            self._log()
            yield lambda line: append(line.model_dump_json())

    def _log(self) -> ProposalLog:
        self._tail.read()
        return self._tail.log

    def _undecided(self, number: int) -> Proposal:
        known = self._tail.log.proposals
        if number not in known:
            raise RequestError(f"{self._study.id}: has no proposal {number}.", "`archsearch review` shows what waits.")
        if known[number].decision is not None:
            raise AlreadyDecidedError(known[number])
        return known[number]

    def _next(self, candidate: Candidate) -> int:
        for known in self._tail.log.proposals.values():
            if known.candidate.id == candidate.id:
                message = f"This source is that of proposal {known.number}, {_told(known)}."
                raise RequestError(message, "Change something, or decide on that one.")
        return self._tail.log.next_number()

    def _proposed(self, number: int, candidate: Candidate) -> ProposedLine:
        return ProposedLine.of(candidate, number, now(), self._tail.log.seconds)

    def _decided(self, number: int, decision: Decision) -> DecidedLine:
        return DecidedLine(number=number, at=now(), seconds=self._tail.log.seconds, decision=decision)


def _told(proposal: Proposal) -> str:
    decision = proposal.decision
    if decision is None:
        return "which waits for a decision"
    verb = "approved" if decision.approved else "refused"
    at = f" at {proposal.decided_at}" if proposal.decided_at else ""
    return f"{verb} by {decision.by}{at}" + (f" ({decision.reason})" if decision.reason else "")


def _refuse_unknown(numbers: Sequence[int], evaluated: Collection[int]) -> None:
    for number in numbers:
        if number not in evaluated:
            message = f"Expected the numbers of two evaluated candidates, found {number}, which is not evaluated."
            raise RequestError(message, "`archsearch show RUN` lists them.")
    if len(set(numbers)) < len(numbers):
        raise RequestError(f"Expected two different candidates, found {numbers[0]} twice.")
