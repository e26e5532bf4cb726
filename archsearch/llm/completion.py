"""The reply of a server, read as what it is and not as what it should be."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from archsearch.llm.budget import tokens_in
from archsearch.llm.messages import Call, Payload, Usage
from archsearch.llm.outage import Outage
from archsearch.llm.reading import cleaned

MOST_TOKENS = 10_000_000
"""More than any model takes or gives at once: a server that reports more does not report tokens."""
OVERHEAD = 10_000
"""Tokens that a server may add to what it was sent: the template of the conversation, the schema."""


class Lenient(BaseModel):
    """A part of a reply: what is not known is passed over, what is missing has a value that says so."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Function(Lenient):
    """The function of a call."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCall(Lenient):
    """A call that the LLM wants made."""

    function: Function | None = None


class Said(Lenient):
    """What the LLM said."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(Lenient):
    """One of the replies; we ask for one."""

    message: Said | None = None
    finish_reason: str | None = None


class Completion(Lenient):
    """A chat completion."""

    model: str | None = None
    choices: list[Choice] | None = None
    usage: Any = None

    @property
    def said(self) -> Said:
        """What the LLM said; nothing if it said nothing."""
        return (self.choices[0].message if self.choices else None) or Said()

    @property
    def text(self) -> str:
        """Its words; some servers give them in parts, with reasoning among them."""
        content = self.said.content or ""
        if isinstance(content, str):
            return content
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that it wants made."""
        return tuple(_call(item.function) for item in self.said.tool_calls or ())

    @property
    def finish_reason(self) -> str:
        """Why it stopped."""
        return (self.choices[0].finish_reason if self.choices else None) or ""


def read_completion(payload: Payload) -> Completion:
    """Read a reply.

    Raises:
        Outage: it is no chat completion (kind `endpoint`), or an error in the clothes of one (kind `server`).
    """
    try:
        found = Completion.model_validate(payload)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise _no_completion(f"its `{place}` is not what it should be") from None
    if found.choices is None:
        problem = payload.get("error") or payload.get("detail") or payload.get("message")
        if problem:
            told = cleaned(str(problem))[:300]
            raise Outage("server", f"The server answered with an error: {told}.", "Ask again later.")
        raise _no_completion("it has no `choices`")
    return found


def used(completion: Completion, sent: str) -> Usage:
    """The tokens that a server reports, or an estimate where it reports none or what cannot be."""
    usage = completion.usage if isinstance(completion.usage, dict) else {}
    length = len(sent.encode("utf-8", "replace")) + OVERHEAD
    given, got, total = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if given is None or got is None or given > length:
        reply = completion.text + "".join(call.name + call.arguments for call in completion.calls)
        given, got = tokens_in(sent), tokens_in(reply)
        return Usage(given, got, estimated=given + got)
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(given, max(got, (total or 0) - given), min(cached or 0, given))


def _call(function: Function | None) -> Call:
    function = function or Function()
    written = function.arguments
    text = json.dumps(written) if isinstance(written, dict) else written or ""
    return Call(function.name or "", text)


def _count(value: Any) -> int | None:
    """A number of tokens; some servers report none where there are none."""
    ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return value if ok else None


def _no_completion(what: str) -> Outage:
    message = f"Expected a chat completion, found a reply that is none: {what}."
    return Outage("endpoint", message, "Check the base URL; it ends with `/v1` for most servers.")
