"""The one who may write to a run while a search goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, Failure
from archsearch.study.candidate_files import EVALUATION, folder_name, outcome_files
from archsearch.study.files import appending, write_folder
from archsearch.study.journal import Choices, Journal, Settled
from archsearch.study.proposals import LogTail, Proposal
from archsearch.study.record import DecidedLine, Decision, EvaluatedLine, ProposedLine, WishedLine
from archsearch.study.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from archsearch.evaluation import Outcome

PROPOSALS = "proposals.jsonl"
JOURNAL = "study.journal"
CANDIDATES = "candidates"


class Writer:
    """Adds proposals, decisions and outcomes to a run; made by `Study.writing`, which holds the lock.

    Each of its methods returns when the disk has what it was given, and an interrupt waits for that. Meanwhile persons
    may decide, propose and wish through `Steering`: `hear` takes that into account.

    Args:
        folder: the run.
        choices: the closed space, for the journal.
        tail: what the run holds already, and what others will add.
        evaluations: likewise, by number.
    """

    @uninterrupted()
    def __init__(
        self,
        folder: Path,
        choices: Choices,
        tail: LogTail,
        evaluations: Mapping[int, Evaluation],
    ) -> None:
        self._folder = folder
        self._tail = tail
        self.evaluations = dict(evaluations)
        self.seconds_before = tail.log.seconds
        self._journal = Journal(folder / JOURNAL, choices, self._settled_from(0))

    @property
    def proposals(self) -> Mapping[int, Proposal]:
        """All proposals by number, with what was decided about them."""
        return self._tail.log.proposals

    @property
    def wishes(self) -> Sequence[WishedLine]:
        """What persons wanted, in the order in which they said so."""
        return self._tail.log.wishes

    def hear(self) -> bool:
        """Take into account what others have added; whether there was anything."""
        heard = bool(self._tail.read())
        if heard:
            self._journal.extend(self._settled_from(self._journal.length))
        return heard

    def is_settled(self, number: int) -> bool:
        """Whether nothing more will happen to this proposal: it was evaluated or refused."""
        return number in self.evaluations or self._is_refused(number)

    def next_number(self) -> int:
        """The first number that has no proposal."""
        return self._tail.log.next_number()

    def taken_before(self, number: int) -> frozenset[str]:
        """The ids of all proposals before this one."""
        return frozenset(self.proposals[known].candidate.id for known in range(number))

    def history(self, last: int) -> list[Evaluation]:
        """The evaluations up to this number, in order."""
        return [self.evaluations[number] for number in sorted(self.evaluations) if number <= last]

    def approved(self) -> int:
        """How many proposals were not refused."""
        return sum(not self._is_refused(number) for number in self.proposals)

    @uninterrupted()
    def propose(self, number: int, candidate: Candidate, seconds: float, decision: Decision | None = None) -> bool:
        """Remember a proposal, and what was decided at once; False if a person has taken the number meanwhile."""
        with self._appending() as append:
            if number in self.proposals:
                return False
            append(ProposedLine.of(candidate, number, now(), seconds).model_dump_json())
            if decision is not None:
                append(DecidedLine(number=number, at=now(), seconds=seconds, decision=decision).model_dump_json())
        return self.hear()

    @uninterrupted()
    def decide(self, number: int, decision: Decision, seconds: float) -> Decision:
        """Remember what was decided about a proposal; returns the decision that stands, which is the first."""
        with self._appending() as append:
            if self.proposals[number].decision is None:
                append(DecidedLine(number=number, at=now(), seconds=seconds, decision=decision).model_dump_json())
        self.hear()
        return self.proposals[number].decision or decision

    @uninterrupted()
    def record(self, number: int, outcome: Outcome, seconds: float) -> Evaluation:
        """Remember what came of a candidate; returns the evaluation as it will be read back."""
        candidate = self.proposals[number].candidate
        files = outcome_files(candidate, _ranked_or_failed(candidate, outcome))
        evaluation = Evaluation.model_validate_json(files[EVALUATION])
        write_folder(self._folder / CANDIDATES / folder_name(number, candidate.id), files)
        self.evaluations[number] = evaluation
        self.note_evaluated(evaluation, seconds)
        self._journal.extend(self._settled_from(self._journal.length))
        return evaluation

    def note_evaluated(self, evaluation: Evaluation, seconds: float) -> None:
        """Add the line that says that a candidate was evaluated; the disk may take its time: the folder says it too."""
        line = EvaluatedLine(
            number=evaluation.number,
            at=now(),
            seconds=seconds,
            candidate=evaluation.candidate,
            status=evaluation.status,
            nrmse=evaluation.validation.nrmse if evaluation.validation else None,
        )
        with self._appending(synced=False) as append:
            append(line.model_dump_json())

    def _settled_from(self, number: int) -> list[Settled]:
        """The settled proposals from this number on, up to the first that is not settled."""
        settled = []
        while self.is_settled(number):
            settled.append(Settled(self.proposals[number].candidate, self.evaluations.get(number)))
            number += 1
        return settled

    def _is_refused(self, number: int) -> bool:
        proposal = self.proposals.get(number)
        return proposal is not None and proposal.decision is not None and not proposal.decision.approved

    @contextmanager
    def _appending(self, synced: bool = True) -> Iterator[Callable[[str], None]]:
        """Alone with the log, and up to date with it."""
        with appending(self._folder / PROPOSALS, synced) as append:
            self.hear()
            yield append


def _ranked_or_failed(candidate: Candidate, outcome: Outcome) -> Outcome:
    """The outcome; a failure if it claims to fit but has no finite error to be ranked by."""
    evaluation = outcome.evaluation
    if evaluation.status == "failed" or math.isfinite(evaluation.error):
        return outcome
    failure = Failure(
        kind="result",
        message=f"Its validation error is {evaluation.error}, which is not a finite number.",
        remedy="Bound what grows without limit, or start its parameters elsewhere.",
    )
    record = Evaluation.of(candidate, evaluation.number, failure)
    return type(outcome)(record.model_copy(update={"seconds": evaluation.seconds}), b"", {}, outcome.log)


def now() -> str:
    """The UTC time, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
