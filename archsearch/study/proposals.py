"""`proposals.jsonl`: what was proposed, decided and evaluated, line by line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from archsearch.candidate.candidate import Candidate, content_id
from archsearch.errors import RunError
from archsearch.study.files import read_lines
from archsearch.study.record import AnyLine, DecidedLine, Decision, ProposedLine, read_line


@dataclass(frozen=True)
class Proposal:
    """A candidate in its place in the search, with what was decided about it (None: nothing yet)."""

    number: int
    candidate: Candidate
    decision: Decision | None = None


@dataclass
class ProposalLog:
    """What the lines add up to.

    Attributes:
        proposals: by number.
        evaluated: the numbers that have a line saying so.
        seconds: search time that the run had used at the last line.
    """

    proposals: dict[int, Proposal] = field(default_factory=dict)
    evaluated: set[int] = field(default_factory=set)
    seconds: float = 0.0

    def add(self, line: AnyLine, where: str) -> None:
        """Take one more line into account."""
        self.seconds = max(self.seconds, line.seconds)
        if isinstance(line, ProposedLine):
            self.proposals[line.number] = Proposal(line.number, _checked(line, where))
        elif isinstance(line, DecidedLine):
            if line.number in self.proposals:
                self.proposals[line.number] = replace(self.proposals[line.number], decision=line.decision)
        else:
            self.evaluated.add(line.number)


def read_log(path: Path) -> ProposalLog:
    """Read all finished lines of the file, which need not exist."""
    log = ProposalLog()
    for index, text in enumerate(read_lines(path), start=1):
        where = f"{path}, line {index}"
        log.add(read_line(text, where), where)
    return log


def _checked(line: ProposedLine, where: str) -> Candidate:
    if content_id(line.source) != line.candidate:
        raise RunError(
            f"{where}: expected the source of candidate {line.candidate}, found {content_id(line.source)}.",
            "Delete this line: what it said is taken from the candidates' folders.",
        )
    return line.to_candidate()
