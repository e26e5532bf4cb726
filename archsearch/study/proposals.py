"""`proposals.jsonl`: what was proposed, decided, wished and evaluated, line by line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from archsearch.candidate.candidate import Candidate, content_id
from archsearch.errors import RunError
from archsearch.study.record import AnyLine, DecidedLine, Decision, EvaluatedLine, ProposedLine, WishedLine, read_line


@dataclass(frozen=True)
class Proposal:
    """A candidate in its place in the search, with what was decided about it (None: nothing yet).

    `proposed_at` and `decided_at` are UTC times, ISO 8601; empty if they are not known.
    """

    number: int
    candidate: Candidate
    decision: Decision | None = None
    proposed_at: str = field(default="", compare=False)
    decided_at: str = field(default="", compare=False)


Gate = Callable[[Proposal], Decision | None]
"""Decides on a proposal before it is evaluated; None if a person has to."""


@dataclass
class ProposalLog:
    """What the lines add up to.

    Attributes:
        proposals: by number.
        evaluated: the ids of those that have a line saying so, by number.
        wishes: what persons wanted, in the order in which they said so.
        seconds: search time that the run had used at the last line.
    """

    proposals: dict[int, Proposal] = field(default_factory=dict)
    evaluated: dict[int, str] = field(default_factory=dict)
    wishes: list[WishedLine] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, line: AnyLine, where: str) -> None:
        """Take one more line into account; of two decisions on one proposal, or proposals of one number, the first."""
        self.seconds = max(self.seconds, line.seconds)
        match line:
            case ProposedLine():
                found = Proposal(line.number, _checked(line, where), proposed_at=line.at)
                self.proposals.setdefault(line.number, found)
            case DecidedLine():
                known = self.proposals.get(line.number)
                if known is not None and known.decision is None:
                    self.proposals[line.number] = replace(known, decision=line.decision, decided_at=line.at)
            case EvaluatedLine():
                self.evaluated[line.number] = line.candidate
            case WishedLine():
                self.wishes.append(line)

    def next_number(self) -> int:
        """The first number that has no proposal."""
        return next(number for number in count() if number not in self.proposals)

    def waiting(self) -> list[Proposal]:
        """The proposals that nobody has decided about, in order."""
        undecided = [item for item in self.proposals.values() if item.decision is None]
        return sorted((item for item in undecided if item.number not in self.evaluated), key=lambda item: item.number)


class LogTail:
    """The log of a run that others add to, read as it grows; any number of threads may share one.

    Args:
        path: the file, which need not exist.

    Attributes:
        log: what was read so far.
    """

    def __init__(self, path: Path) -> None:
        self.log = ProposalLog()
        self._path = path
        self._offset = self._lines = 0
        self._lock = threading.Lock()

    def read(self) -> list[AnyLine]:
        """Take the lines into account that were finished since; returns them."""
        with self._lock:
            return self._read()

    def _read(self) -> list[AnyLine]:
        data = self._more()
        found = []
        for text in data.split(b"\n")[:-1]:
            self._lines += 1
            where = f"{self._path}, line {self._lines}"
            line = read_line(text, where)
            self.log.add(line, where)
            found.append(line)
        self._offset += data.rfind(b"\n") + 1
        return found

    def _more(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                if file.seek(0, os.SEEK_END) <= self._offset:
                    return b""
                file.seek(self._offset)
                return file.read()
        except FileNotFoundError:
            return b""


def read_log(path: Path) -> ProposalLog:
    """Read all finished lines of the file, which need not exist."""
    tail = LogTail(path)
    tail.read()
    return tail.log


def _checked(line: ProposedLine, where: str) -> Candidate:
    if content_id(line.source) != line.candidate:
        raise RunError(
            f"{where}: expected the source of candidate {line.candidate}, found {content_id(line.source)}.",
            "Delete this line: what it said is taken from the candidates' folders.",
        )
    return line.to_candidate()
