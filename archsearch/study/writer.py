"""The one who may write to a run while a search goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, Failure
from archsearch.study.candidate_files import EVALUATION, folder_name, outcome_files
from archsearch.study.files import append_line, write_folder
from archsearch.study.journal import Choices, Journal, Settled
from archsearch.study.proposals import Proposal
from archsearch.study.record import AnyLine, DecidedLine, Decision, EvaluatedLine, ProposedLine
from archsearch.study.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from archsearch.evaluation import Outcome

PROPOSALS = "proposals.jsonl"
JOURNAL = "study.journal"
CANDIDATES = "candidates"


class Writer:
    """Adds proposals, decisions and outcomes to a run; made by `Study.writing`, which holds the lock.

    Each of its methods returns when the disk has what it was given, and an interrupt waits for that.

    Args:
        folder: the run.
        choices: the closed space, for the journal.
        proposals: what the run holds already.
        evaluations: likewise, by number.
        seconds_before: search time that earlier sessions used.
    """

    @uninterrupted()
    def __init__(
        self,
        folder: Path,
        choices: Choices,
        proposals: Mapping[int, Proposal],
        evaluations: Mapping[int, Evaluation],
        seconds_before: float,
    ) -> None:
        self._folder = folder
        self.proposals = dict(proposals)
        self.evaluations = dict(evaluations)
        self.seconds_before = seconds_before
        self._journal = Journal(folder / JOURNAL, choices, self._settled_from(0))

    def is_settled(self, number: int) -> bool:
        """Whether nothing more will happen to this proposal: it was evaluated or refused."""
        return number in self.evaluations or self._is_refused(number)

    def next_number(self) -> int:
        """The first number that has no proposal."""
        return next(number for number in count() if number not in self.proposals)

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
    def propose(self, number: int, candidate: Candidate, seconds: float) -> None:
        """Remember a proposal."""
        self._append(
            ProposedLine(
                number=number,
                at=_now(),
                seconds=seconds,
                candidate=candidate.id,
                author=candidate.author,
                claim=candidate.claim,
                parents=candidate.parents,
                genome=candidate.genome,
                source=candidate.source,
                rationale=candidate.rationale,
            )
        )
        self.proposals[number] = Proposal(number, candidate)

    @uninterrupted()
    def decide(self, number: int, decision: Decision, seconds: float) -> None:
        """Remember what was decided about a proposal."""
        self._append(DecidedLine(number=number, at=_now(), seconds=seconds, decision=decision))
        self.proposals[number] = Proposal(number, self.proposals[number].candidate, decision)
        self._journal.extend(self._settled_from(self._journal.length))

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
        """Add the line that says that a candidate was evaluated."""
        self._append(
            EvaluatedLine(
                number=evaluation.number,
                at=_now(),
                seconds=seconds,
                candidate=evaluation.candidate,
                status=evaluation.status,
                nrmse=evaluation.validation.nrmse if evaluation.validation else None,
            )
        )

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

    def _append(self, line: AnyLine) -> None:
        append_line(self._folder / PROPOSALS, line.model_dump_json())


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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
