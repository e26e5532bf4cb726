"""The proposer that asks an LLM, and goes on with another one when there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.llm.messages import Answer, Message, user
from archsearch.llm.outage import Outage
from archsearch.llm.tools import Tool
from archsearch.proposers.base import Proposer
from archsearch.proposers.prompts import prompt
from archsearch.proposers.questions import ROUND, TOOL_CALLS, Questions, occasion_of
from archsearch.proposers.replies import Reader, Reply, Sorted, TurnedBack

T = TypeVar("T", bound=BaseModel)

MOST_OUTAGES = 3
"""After so many questions in a row without a reply, an LLM is not asked again in this session."""


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


class LanguageProposer(Proposer):
    """Proposes what an LLM suggests, a few candidates a question; the baselines first, as every search.

    Proposals come in rounds. A question and its reply depend on what was known when the round began, so all proposals
    of the round, whichever session makes them, ask the same question, which the record answers. What the static check
    refuses, what breaks a ban or a pin, and what was tried under other names is told to the LLM once, all of it; what
    is wrong even then is proposed as it is, for the search to refuse and remember. What a round does not fill is left
    to another proposer, and so is all of it when the LLM is out; one place at least is kept for what can be trained, so
    that every round gets on.

    Args:
        questions: what is asked.
        asker: the LLM.
        fallback: proposes the baselines, and what the LLM does not.
        tell: told, in a sentence, when the LLM is out.

    Reference:
        Holt, Liu, van der Schaar: Automatically learning hybrid digital twins of dynamical systems (NeurIPS 2024). Here
        with typed replies, a static check and a repair turn, with training of what is checked alone, and with
        feedback on parameters, terms and residuals beside the scores.
    """

    def __init__(
        self,
        questions: Questions,
        asker: Asker,
        fallback: Proposer,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.questions = questions
        self._asker = asker
        self._fallback = fallback
        self._tell = tell
        self._reader = Reader(questions.space)
        self._rounds: dict[int, tuple[Candidate, ...]] = {}  # nothing that the record does not hold as well
        self._outages = 0

    def propose(self, history: Sequence[Evaluation], taken: frozenset[str], index: int) -> Candidate | None:
        """The next candidate; see `Proposer`."""
        if index < self.questions.first:
            return self._fallback.propose(history, taken, index)
        return (
            self._suggested(history, taken, self.questions.begin_of(index))
            or self._fallback.propose(history, taken, index)
            or self._suggested(history, taken, index)
        )

    def _suggested(self, history: Sequence[Evaluation], taken: frozenset[str], begin: int) -> Candidate | None:
        """The first candidate of a round that was not proposed before."""
        fresh = (candidate for candidate in self._round(history, begin) if candidate.id not in taken)
        return next(fresh, None)

    def _round(self, history: Sequence[Evaluation], begin: int) -> tuple[Candidate, ...]:
        """The candidates of a round, good ones first."""
        if begin not in self._rounds:
            found = self._asked(history, begin) if self._outages < MOST_OUTAGES else ()
            self._rounds[begin] = tuple(self.questions.candidate(candidate) for candidate in found)
        return self._rounds[begin]

    def _asked(self, history: Sequence[Evaluation], begin: int) -> tuple[Candidate, ...]:
        """What the LLM suggests, the repaired included; nothing if it is out."""
        questions = self.questions
        conversation, tools = questions.conversation(history, begin), questions.tools(history, begin)
        occasion = occasion_of(begin)
        try:
            answer = self._asker.ask(conversation, Reply, tools=tools, tool_calls=TOOL_CALLS, occasion=occasion)
        except Outage as outage:
            self._note(outage, begin)
            return ()
        self._outages = 0
        found = self._reader.sort(answer.reply, questions.past(begin), wishes=questions.wishes(begin))
        return self._repaired(found, answer, begin, occasion) if found.turned_back else found.good

    def _repaired(self, found: Sorted, answer: Answer[Reply], begin: int, occasion: str) -> tuple[Candidate, ...]:
        """The good ones, those that one more turn makes good, and at last those that are still wrong."""
        asked = user(_repair(found, len(answer.reply.proposals)))
        try:
            again = self._asker.ask((*answer.conversation, asked), Reply, occasion=f"{occasion}, repaired")
        except Outage as outage:
            self._note(outage, begin)
            return _filled(found.good, found.turned_back)
        questions = self.questions
        mended = self._reader.sort(again.reply, questions.past(begin), found.good, questions.wishes(begin))
        return _filled((*found.good, *mended.good), mended.turned_back)

    def _note(self, outage: Outage, begin: int) -> None:
        """Say that the LLM is out, and remember how often in a row."""
        self._outages = MOST_OUTAGES if outage.lasting else self._outages + 1
        later = "It is not asked again." if self._outages >= MOST_OUTAGES else "It is asked again later."
        reason = " ".join(f"{outage.message} {outage.remedy}".split())
        self._tell(f"No reply from the LLM for the proposals from {begin} on ({outage.kind}): {reason} {later}")


def _repair(found: Sorted, count: int) -> str:
    wrong = [{"place": item.place, "claim": item.claim, "findings": item.findings} for item in found.turned_back]
    return prompt("repair", good=len(found.good), all=count, turned_back=wrong)


def _filled(good: Sequence[Candidate], turned_back: Sequence[TurnedBack]) -> tuple[Candidate, ...]:
    """The good ones, then candidates for the search to refuse, as far as there is room."""
    room = ROUND - max(1, len(good))
    wrong = [item.candidate for item in turned_back if item.candidate is not None]
    return (*good, *wrong[: max(0, room)])
