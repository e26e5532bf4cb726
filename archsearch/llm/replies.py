"""What a completion is: a reply of the right form, calls of tools, or something wrong that can be said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from archsearch.llm.completion import Completion
from archsearch.llm.messages import Call
from archsearch.llm.outage import Outage
from archsearch.llm.question import REPLY, Question
from archsearch.llm.reading import NotJson, findings_of, read_object

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Replied(Generic[T]):
    """A reply that holds what its type promises, and its text."""

    value: T
    text: str


@dataclass(frozen=True)
class Called:
    """The LLM wants tools used first."""

    calls: tuple[Call, ...]
    native: bool
    """Whether they came as function calls rather than in words."""


@dataclass(frozen=True)
class Wrong:
    """There is no usable reply.

    Attributes:
        text: what was said.
        finding: what is wrong with it, for the LLM and for a person.
        absent: nothing like JSON is in it, so the server ignored how it was asked.
        cut_off: it ended because it became too long.
        wants_tools: it wants tools used though none are left.
    """

    text: str
    finding: str
    absent: bool = False
    cut_off: bool = False
    wants_tools: bool = False


def read_reply(completion: Completion, question: Question, form: type[T]) -> Replied[T] | Called | Wrong:
    """What came back.

    Raises:
        Outage: the LLM or its server declined to answer (kinds `filtered`, `declined`).
    """
    _raise_if_declined(completion)
    calls = completion.calls
    replies = [call for call in calls if call.name == REPLY and question.rung == "tool"]
    if calls and not replies:
        return _wanted(calls, question, native=True)
    if len(replies) > 1:
        return Wrong(replies[0].arguments, f"Expected one call of {REPLY}, found {len(replies)}.")
    text = replies[0].arguments if replies else completion.text
    return _validated(text, question, form, completion.finish_reason == "length")


def _validated(text: str, question: Question, form: type[T], cut_off: bool) -> Replied[T] | Called | Wrong:
    try:
        found = read_object(text)
    except NotJson as error:
        return Wrong(text, str(error), error.absent, cut_off)
    call = _call_in(found)
    if call is not None:
        return _wanted((call,), question, native=False)
    try:
        return Replied(form.model_validate_json(found), found)
    except ValidationError as error:
        return Wrong(text, "\n".join(findings_of(error)), cut_off=cut_off)


def _wanted(calls: tuple[Call, ...], question: Question, native: bool) -> Called | Wrong:
    if question.tools:
        return Called(calls, native)
    names = ", ".join(call.name for call in calls)
    return Wrong("", f"No tools can be used now ({names} was asked for): reply.", wants_tools=True)


def _call_in(text: str) -> Call | None:
    """A call in words: an object of exactly a tool's name and its arguments."""
    found = json.loads(text)
    if set(found) != {"tool", "arguments"} or not isinstance(found["tool"], str):
        return None
    return Call(found["tool"], json.dumps(found["arguments"]))


def _raise_if_declined(completion: Completion) -> None:
    if completion.finish_reason == "content_filter":
        message = "The content filter of the endpoint stopped the reply."
        raise Outage("filtered", message, "Say it differently in the description of the problem, or ask another model.")
    if completion.said.refusal:
        message = f"The LLM declined to answer: {' '.join(completion.said.refusal.split())[:300]}"
        raise Outage("declined", message, "Say it differently in the description of the problem, or ask another model.")
