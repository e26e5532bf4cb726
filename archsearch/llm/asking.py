"""One question until it is answered: down the ladder, through tools, with one repair; bounded in every direction."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Generic, TypeVar

from pydantic import BaseModel

from archsearch.llm.completion import Completion
from archsearch.llm.exchanging import Obtained, Source
from archsearch.llm.messages import LADDER, Answer, Message, ToolUse, Usage, user
from archsearch.llm.outage import Kind, Outage
from archsearch.llm.question import REPLY, Question, form_in_words
from archsearch.llm.replies import Called, Replied, Wrong, read_reply
from archsearch.llm.tools import use

T = TypeVar("T", bound=BaseModel)
LONGER = 2
"""By how much the limit of a reply is raised, once, when a reply was cut off."""
REPAIRS = 1
NOTHING_SAID = "(no reply)"
MOST_CALLS_AT_ONCE = 8


class Asking(Generic[T]):
    """The state of one question on its way to an answer.

    Args:
        source: where replies come from.
        question: as it is asked first.
        form: what the reply must be.
        tool_calls: how many calls of tools the LLM may make in all.
    """

    def __init__(self, source: Source, question: Question, form: type[T], tool_calls: int) -> None:
        self._source, self._question, self._form = source, question, form
        self._tools = question.tools
        self._calls_left = tool_calls
        self._repairs_left = REPAIRS
        self._may_be_longer = True
        self._uses: list[ToolUse] = []
        self._obtained: list[Obtained] = []

    def answer(self) -> Answer[T]:
        """Ask until there is an answer.

        At most one request for each rung, one for a repair, one for a longer reply, and one for each call of a tool.

        Raises:
            Outage: there is none.
        """
        while True:
            try:
                obtained = self._source.obtain(self._question)
            except Outage as outage:
                if outage.kind != "refused" or not self._descended():
                    raise
                continue
            self._obtained.append(obtained)
            found = read_reply(obtained.completion, self._question, self._form)
            if isinstance(found, Replied):
                return self._answer(found)
            if isinstance(found, Called):
                self._use(found, obtained.completion)
            else:
                self._mend(found)

    def _descended(self) -> bool:
        """Goes to the next way of asking, if there is one."""
        below = LADDER[LADDER.index(self._question.rung) + 1 :]
        if below:
            self._question = replace(self._question, rung=below[0])
        return bool(below)

    def _use(self, called: Called, completion: Completion) -> None:
        """Does what the LLM wants done, and tells it what came of it and how much more it may ask."""
        calls = called.calls[: min(self._calls_left, MOST_CALLS_AT_ONCE)]
        uses = [use(self._tools, call) for call in calls]
        self._uses += uses
        self._calls_left -= len(calls)
        spoken = Message("assistant", completion.text if called.native else "", calls)
        self._question = self._question.going_on(spoken, Message("results", results=tuple(self._told(uses))))
        if self._calls_left <= 0:
            self._question = replace(self._question, tools=())

    def _told(self, uses: list[ToolUse]) -> list[str]:
        left = f"{self._calls_left} more calls are possible." if self._calls_left else "No calls are left: reply now."
        return [f"{made.name}: {made.result}" for made in uses[:-1]] + [f"{uses[-1].name}: {uses[-1].result}\n{left}"]

    def _mend(self, wrong: Wrong) -> None:
        """Finds the next thing to try, or gives up."""
        said = wrong.text.strip()
        if wrong.absent and (said or not wrong.cut_off) and self._descended():
            return  # words without JSON, cut off or not: the server passed over how it was asked
        if wrong.cut_off:
            self._make_room(wrong)
        elif self._repairs_left:
            self._repairs_left -= 1
            spoken = Message("assistant", said or NOTHING_SAID)  # servers refuse a message without words
            self._question = self._question.going_on(spoken, user(self._repair(wrong)))
        else:
            raise self._gave_up("tools" if wrong.wants_tools else "invalid" if said else "empty", wrong)

    def _make_room(self, wrong: Wrong) -> None:
        """Lets a reply that was cut off be longer, once."""
        if not self._may_be_longer:
            raise self._gave_up("truncated", wrong)
        self._may_be_longer = False
        self._question = replace(self._question, max_output=LONGER * self._question.max_output)

    def _repair(self, wrong: Wrong) -> str:
        form = form_in_words(self._question.form)
        how = f"Call {REPLY} once." if self._question.rung == "tool" else form
        return f"That reply was not usable:\n{wrong.finding}\n\n{how}"

    def _gave_up(self, kind: Kind, wrong: Wrong) -> Outage:
        model = self._question.model
        messages: dict[str, tuple[str, str]] = {
            "truncated": (
                f"{model} was cut off at {self._question.max_output} tokens, before its reply was whole.",
                "Raise `max_output_tokens`, or ask a model that reasons less.",
            ),
            "tools": (f"{model} asked for tools again and again and gave no reply.", "Ask another model."),
            "invalid": (f"{model} gave no usable reply, though it was told why. {wrong.finding}", "Ask another model."),
            "empty": (f"{model} gave an empty reply in every way of asking.", "Ask another model."),
        }
        return Outage(kind, *messages[kind])

    def _answer(self, replied: Replied[T]) -> Answer[T]:
        exchanges = [obtained.exchange for obtained in self._obtained]
        usage = sum((item.tokens.usage() for item in exchanges if item.tokens), Usage())
        costs = [item.cost for item in exchanges]
        known = [cost for cost in costs if cost is not None]
        return Answer(
            reply=replied.value,
            model=self._obtained[-1].completion.model or self._question.model,
            rung=self._question.rung,
            usage=usage,
            cost=sum(known, Decimal(0)) if len(known) == len(costs) else None,
            seconds=sum(item.seconds for item in exchanges),
            exchanges=len(exchanges),
            records=tuple(item.name for item in exchanges),
            tools=tuple(self._uses),
            conversation=(*self._question.conversation, Message("assistant", replied.text)),
            replayed=all(obtained.replayed for obtained in self._obtained),
        )
