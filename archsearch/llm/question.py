"""One request to an LLM: what it says, and how it is written for each way of asking."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import BaseModel

from archsearch.llm.messages import Call, Message, Payload, Rung
from archsearch.llm.tools import Tool

REPLY = "reply"
"""The function whose arguments are the reply, where a reply is asked for as a call."""
NAMED = ("properties", "$defs")
"""The words of JSON schema that hold schemas by names of our own, which need not be words of JSON schema."""


@dataclass(frozen=True)
class Form:
    """What the reply must look like: a name and a JSON schema."""

    name: str
    schema: Payload

    @classmethod
    def of(cls, kind: type[BaseModel]) -> Form:
        """The form of a pydantic model, as strict as servers that enforce it want it."""
        return cls(re.sub(r"\W", "_", kind.__name__), _schema_of(kind))


@dataclass(frozen=True)
class Question:
    """Everything that a reply depends on, in our own terms: servers write it differently, its record is the same.

    Args:
        model: who is asked.
        conversation: what was said so far.
        form: what the reply must look like.
        rung: how that is asked for.
        tools: what the LLM may call instead of replying.
        max_output: tokens that the reply may have.
        temperature: None if it is not sent.
        seed: None if it is not sent.
        occasion: what tells this question from the same words asked at another time.
    """

    model: str
    conversation: tuple[Message, ...]
    form: Form
    rung: Rung
    tools: tuple[Tool[Any], ...] = ()
    max_output: int = 8192
    temperature: float | None = None
    seed: int | None = None
    occasion: str = ""

    @property
    def name(self) -> str:
        """The name of its record: a hash of all of it."""
        said = [self.model, self.rung, self.max_output, self.temperature, self.seed, self.occasion]
        held = [self.messages(), self.form.name, self.form.schema, [_function(tool) for tool in self.tools]]
        return hashlib.sha256(json.dumps([said, held], sort_keys=True).encode()).hexdigest()

    @property
    def sent(self) -> str:
        """Nearly all that is sent, to count it."""
        return json.dumps([self.messages(), self.asked_for()], ensure_ascii=False)

    def messages(self) -> list[Payload]:
        """The conversation as it is sent, with the form in words where the server is not told it otherwise."""
        asked = _with_form(self.conversation, self) if self._in_words else self.conversation
        written = _as_text if self._in_words else _as_calls
        return [line for message in _counted(asked) for line in written(*message)]

    def asked_for(self) -> Payload:
        """The part of the request that asks for this form of reply and offers tools."""
        offered = [] if self._in_words else [_function(tool) for tool in self.tools]
        if self.rung == "tool":
            reply = {"name": REPLY, "description": "Give the reply.", "parameters": self.form.schema}
            only = {"type": "function", "function": {"name": REPLY}}
            choice = "required" if offered else only
            return {"tools": [*offered, {"type": "function", "function": reply}], "tool_choice": choice}
        asked: Payload = {"tools": offered} if offered else {}
        if self.rung == "json_schema":
            named = {"name": self.form.name, "schema": self.form.schema, "strict": True}
            asked["response_format"] = {"type": "json_schema", "json_schema": named}
        if self.rung == "json_object":
            asked["response_format"] = {"type": "json_object"}
        return asked

    def going_on(self, *messages: Message) -> Question:
        """The question with more said."""
        return replace(self, conversation=self.conversation + messages)

    @property
    def _in_words(self) -> bool:
        return self.rung in ("json_object", "text")


def form_in_words(form: Form) -> str:
    """What the reply must look like, for an LLM that is told so in words."""
    schema = json.dumps(form.schema, indent=1)
    return f"Reply with one JSON object and nothing else. It must match this JSON schema:\n```\n{schema}\n```"


def tools_in_words(tools: Sequence[Tool[Any]]) -> str:
    """How tools are used where the server knows no function calls."""
    lines = [
        "Before you reply you may use tools. To use one, reply with this JSON object alone:",
        '{"tool": NAME, "arguments": ARGUMENTS}',
        "The tools, each with the JSON schema of its arguments:",
    ]
    for tool in tools:
        schema = json.dumps(_schema_of(tool.arguments))
        lines.append(f"- {tool.name}: {tool.description} {schema}")
    return "\n".join(lines)


def _with_form(conversation: tuple[Message, ...], question: Question) -> tuple[Message, ...]:
    """The form joins the first system message: there it is the same in every question, and cached."""
    told = form_in_words(question.form)
    if question.tools:
        told = f"{told}\n\n{tools_in_words(question.tools)}"
    first = conversation[0]
    if first.role != "system":
        return (Message("system", told), *conversation)
    return (Message("system", f"{first.text}\n\n{told}"), *conversation[1:])


def _counted(conversation: Sequence[Message]) -> list[tuple[Message, int]]:
    """Each message, and how many calls came before it: what their ids are made of."""
    counted, calls = [], 0
    for message in conversation:
        counted.append((message, calls))
        calls += len(message.results)
    return counted


def _as_calls(message: Message, calls: int) -> list[Payload]:
    if message.role == "results":
        told = enumerate(message.results, calls)
        return [{"role": "tool", "tool_call_id": _id(number), "content": text} for number, text in told]
    said: Payload = {"role": message.role, "content": message.text}
    if message.calls:
        said["content"] = message.text or None
        said["tool_calls"] = [
            {"id": _id(number), "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for number, call in enumerate(message.calls, calls)
        ]
    return [said]


def _as_text(message: Message, calls: int) -> list[Payload]:
    if message.role == "results":
        return [{"role": "user", "content": "\n\n".join(message.results)}]
    return [{"role": message.role, "content": "\n".join([message.text, *map(_call_as_text, message.calls)]).strip()}]


def _call_as_text(call: Call) -> str:
    return f'{{"tool": {json.dumps(call.name)}, "arguments": {call.arguments}}}'


def _id(number: int) -> str:
    """Nine letters and digits, which is what the strictest servers want."""
    return f"call{number:05d}"


def _function(tool: Tool[Any]) -> Payload:
    parameters = _schema_of(tool.arguments)
    described = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": described}


def _schema_of(kind: type[Any]) -> Payload:
    """The JSON schema of a pydantic model; made once, since making it takes longer than all else of a question."""
    return _made(kind)  # type: ignore[arg-type]  # mypy doubts that a class has a hash


@cache
def _made(kind: type[BaseModel]) -> Payload:
    made: Payload = _strict(kind.model_json_schema())
    return made


def _strict(schema: Any) -> Any:
    """A JSON schema in which every object names all that it holds, as servers that enforce schemas want it."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {word: _strict(item) for word, item in schema.items() if word not in (*NAMED, "default")}
    kept |= {word: {name: _strict(item) for name, item in schema[word].items()} for word in NAMED if word in schema}
    if "properties" in kept:
        kept["required"] = list(kept["properties"])
        kept.setdefault("additionalProperties", False)
    return kept
