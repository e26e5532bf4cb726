"""The proposer that asks an LLM, and goes on with the grammar when there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.llm.messages import Answer, Message, system, user
from archsearch.llm.outage import Outage
from archsearch.llm.tools import Tool
from archsearch.problem.problem import Problem
from archsearch.proposers.base import Proposer
from archsearch.proposers.baselines import baseline_candidates
from archsearch.proposers.briefing import problem_prompt
from archsearch.proposers.measured import GivenPhysics, Measured
from archsearch.proposers.memory import Memory
from archsearch.proposers.progress import Telling
from archsearch.proposers.prompts import prompt, system_prompt
from archsearch.proposers.replies import Reader, Reply, Sorted, TurnedBack

T = TypeVar("T", bound=BaseModel)

ROUND = 3
"""Proposals that one question asks for."""
TOOL_CALLS = 4
OCCASION = re.compile(r"proposals from (\d+) on")
MOST_OUTAGES = 3
"""After so many questions in a row without a reply, an LLM is not asked again in this session."""

Toolbox = Callable[[Sequence[Evaluation], int], Sequence[Tool[Any]]]
"""The tools for a question, given the evaluations that may be used and the number of the proposal."""


class Asker(Protocol):
    """Whoever can be asked for a typed reply; `archsearch.llm.client` can."""

    def ask(
        self,
        conversation: Sequence[Message],
        form: type[T],
        *,
        tools: Sequence[Tool[Any]] = (),
        tool_calls: int = 0,
        occasion: str = "",
    ) -> Answer[T]:
        """Ask; raises `Outage` if there is no usable reply, and nothing else."""
        ...


def occasion_of(begin: int) -> str:
    """By what the record knows the questions of a round."""
    return f"proposals from {begin} on"


def round_of(occasion: str) -> int | None:
    """The number of the first proposal of the round that a recorded question belongs to."""
    found = OCCASION.match(occasion)
    return int(found[1]) if found else None


def no_tools(history: Sequence[Evaluation], number: int) -> Sequence[Tool[Any]]:
    """The toolbox of those who have none."""
    return ()


class LanguageProposer(Proposer):
    """Proposes what an LLM suggests, a few candidates a question; the baselines first, as every search.

    Proposals come in rounds of `ROUND`. A question and its reply depend on what was known when its round began, so all
    proposals of the round, whichever session makes them, ask the same question, which the record answers. What the
    static check refuses, or was tried under other names, is told to the LLM once, all of it; what is wrong even then is
    proposed as it is, for the search to refuse and remember. What a round does not fill, and all of it when the LLM is
    out, is left to another proposer.

    Args:
        problem: what is asked. Of its data only the training part is looked at.
        asker: the LLM.
        memory: of the run.
        generation: a proposal may depend on evaluations that lie at least this many places before it.
        fallback: proposes the baselines, and what the LLM does not.
        toolbox: what the LLM may use before it replies.
        tell: told, in a sentence, when the LLM is out.

    Reference:
        Holt, Liu, van der Schaar: Automatically learning hybrid digital twins of dynamical systems (NeurIPS 2024). Here
        with typed replies, a static check and a repair turn, with training of what is checked alone, and with
        feedback on parameters, terms and residuals beside the scores.
    """

    def __init__(
        self,
        problem: Problem,
        asker: Asker,
        memory: Memory,
        generation: int,
        fallback: Proposer,
        toolbox: Toolbox = no_tools,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._asker = asker
        self._memory = memory
        self._generation = generation
        self._fallback = fallback
        self._toolbox = toolbox
        self._tell = tell
        measured = Measured.of(problem)
        self._telling = Telling(measured, memory)
        self._static = (system_prompt(), problem_prompt(problem, measured, GivenPhysics.of(measured)))
        self._reader = Reader(problem.space)
        self.first = len(baseline_candidates(problem.space))
        self._rounds: dict[int, tuple[Candidate, ...]] = {}  # nothing that the record does not hold as well
        self._outages = 0

    def propose(self, history: Sequence[Evaluation], taken: frozenset[str], index: int) -> Candidate | None:
        """The next candidate; see `Proposer`."""
        suggested = self._suggested(history, taken, self.begin_of(index)) if index >= self.first else None
        found = suggested or self._fallback.propose(history, taken, index)
        return found or (self._suggested(history, taken, index) if index >= self.first else None)

    def _suggested(self, history: Sequence[Evaluation], taken: frozenset[str], begin: int) -> Candidate | None:
        """The first candidate of a round that was not proposed before."""
        fresh = (candidate for candidate in self._round(history, begin) if candidate.id not in taken)
        return next(fresh, None)

    def begin_of(self, index: int) -> int:
        """The number of the first proposal in the round of this one."""
        return index - (index - self.first) % ROUND

    def conversation(self, history: Sequence[Evaluation], begin: int) -> tuple[Message, ...]:
        """What is said at the beginning of a round.

        Args:
            history: the evaluations that exist; those that a proposal of this number may not depend on are left out.
            begin: the number of the first proposal of the round.
        """
        known = self._known(history, begin)
        calls = TOOL_CALLS if self._toolbox(known, begin) else 0
        volatile = self._telling.prompt(known, begin, ROUND, calls)
        return system(self._static[0]), user(f"{self._static[1]}\n{volatile}")

    def _known(self, history: Sequence[Evaluation], begin: int) -> list[Evaluation]:
        return [item for item in history if item.number <= begin - self._generation]

    def _round(self, history: Sequence[Evaluation], begin: int) -> tuple[Candidate, ...]:
        """The candidates of a round, good ones first."""
        if begin not in self._rounds:
            self._rounds[begin] = self._asked(history, begin) if self._outages < MOST_OUTAGES else ()
        return self._rounds[begin]

    def _asked(self, history: Sequence[Evaluation], begin: int) -> tuple[Candidate, ...]:
        """What the LLM suggests, the repaired included; nothing if it is out."""
        tools = self._toolbox(self._known(history, begin), begin)
        occasion = occasion_of(begin)
        try:
            answer = self._asker.ask(
                self.conversation(history, begin), Reply, tools=tools, tool_calls=TOOL_CALLS, occasion=occasion
            )
        except Outage as outage:
            self._note(outage, begin)
            return ()
        self._outages = 0
        found = self._reader.sort(answer.reply, self._memory.before(begin))
        return self._repaired(found, answer, begin, occasion) if found.turned_back else found.good

    def _repaired(self, found: Sorted, answer: Answer[Reply], begin: int, occasion: str) -> tuple[Candidate, ...]:
        """The good ones, those that one more turn makes good, and at last those that are still wrong."""
        asked = user(_repair(found, len(answer.reply.proposals)))
        try:
            again = self._asker.ask((*answer.conversation, asked), Reply, occasion=f"{occasion}, repaired")
        except Outage as outage:
            self._note(outage, begin)
            return (*found.good, *_anything(found.turned_back))
        mended = self._reader.sort(again.reply, self._memory.before(begin), found.good)
        return (*found.good, *mended.good, *_anything(mended.turned_back))

    def _note(self, outage: Outage, begin: int) -> None:
        """Say that the LLM is out, and remember how often in a row."""
        self._outages = MOST_OUTAGES if outage.lasting else self._outages + 1
        later = "It is not asked again." if self._outages >= MOST_OUTAGES else "It is asked again later."
        reason = " ".join(f"{outage.message} {outage.remedy}".split())
        self._tell(f"No reply from the LLM for the proposals from {begin} on ({outage.kind}): {reason} {later}")


def _repair(found: Sorted, count: int) -> str:
    wrong = [{"place": item.place, "claim": item.claim, "findings": item.findings} for item in found.turned_back]
    return prompt("repair", good=len(found.good), all=count, turned_back=wrong)


def _anything(turned_back: Sequence[TurnedBack]) -> list[Candidate]:
    """Those that are candidates at all, for the search to refuse with its reasons."""
    return [item.candidate for item in turned_back if item.candidate is not None]
