"""What is said to an LLM, and what it said back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

Rung = Literal["json_schema", "tool", "json_object", "text"]
"""How a typed reply is asked for: by a JSON schema that the server enforces, as the arguments of a function call, as
any JSON object, or in words. Servers differ in what they know, and some ignore what they do not know."""
LADDER: tuple[Rung, ...] = ("json_schema", "tool", "json_object", "text")

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Call:
    """A function that the LLM wants called: `arguments` is the JSON text that it wrote."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: who speaks; `results` are the answers to the calls of the message before it.
        text: what is said.
        calls: what the LLM wants called (role `assistant`).
        results: what these calls gave, in their order (role `results`).
    """

    role: Literal["system", "user", "assistant", "results"]
    text: str = ""
    calls: tuple[Call, ...] = ()
    results: tuple[str, ...] = ()


def system(text: str) -> Message:
    """What holds for the whole conversation; the same text in every question is cheaper, because servers cache it."""
    return Message("system", text)


def user(text: str) -> Message:
    """What is asked."""
    return Message("user", text)


@dataclass(frozen=True)
class Usage:
    """The tokens of one exchange or of several.

    Attributes:
        input: tokens that were sent.
        output: tokens that came back, those of unseen reasoning included.
        cached: how many of `input` the server had cached.
        estimated: how many of `input + output` the server did not report, so that they are estimated from the text.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    estimated: int = 0

    @property
    def total(self) -> int:
        """Tokens in both directions."""
        return self.input + self.output

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.estimated + other.estimated,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.input - other.input,
            self.output - other.output,
            self.cached - other.cached,
            self.estimated - other.estimated,
        )


@dataclass(frozen=True)
class ToolUse:
    """A tool that the LLM used: what it asked and what it was told."""

    name: str
    arguments: str
    result: str


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A reply that holds what its type promises, and what it took to get it.

    Attributes:
        reply: the validated reply.
        model: the model that answered, as the server names it; it need not be the one that was asked for.
        rung: how the reply was asked for in the end.
        usage: tokens of all exchanges that it took.
        cost: what they cost in the currency of the price; None if the price is not known.
        seconds: how long the LLM took; from the record, so a replay says the same.
        exchanges: how many requests it took.
        records: the names of their records, in order.
        tools: the tools that the LLM used, in order.
        conversation: what was said, the reply included; more can be asked by adding to it.
        replayed: whether all of it came from a record and nothing was sent.
    """

    reply: T
    model: str
    rung: Rung
    usage: Usage
    cost: Decimal | None
    seconds: float
    exchanges: int
    records: tuple[str, ...]
    tools: tuple[ToolUse, ...]
    conversation: tuple[Message, ...]
    replayed: bool


Payload = dict[str, Any]
"""A JSON object."""
