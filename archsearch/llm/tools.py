"""Functions that an LLM may ask for before it replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from archsearch.errors import ArchsearchError, did_you_mean
from archsearch.llm.messages import Call, ToolUse
from archsearch.llm.reading import NotJson, findings_of, read_object

A = TypeVar("A", bound=BaseModel)
LONGEST = 8000
"""Characters of a result that are told; a table of a whole data set would cost more than it tells."""


@dataclass(frozen=True)
class Tool(Generic[A]):
    """A function over public data that an LLM may call.

    Args:
        name: letters, digits and underscores.
        description: what it tells, for the LLM.
        arguments: what it takes; validated before `function` is called.
        function: gives the text that the LLM is told. The same arguments must give the same text, or a replay of the
            conversation goes astray: no times, no random draws without a seed.
    """

    name: str
    description: str
    arguments: type[A]
    function: Callable[[A], str]


def use(tools: Sequence[Tool[Any]], call: Call) -> ToolUse:
    """Do what the LLM asked for; whatever is wrong with that is the result, so that it can mend it."""
    known = {tool.name: tool for tool in tools}
    if call.name not in known:
        listed = ", ".join(known) or "none"
        told = f"There is no tool '{call.name}'{did_you_mean(call.name, known)}. There are: {listed}."
    else:
        told = _result(known[call.name], call.arguments)
    return ToolUse(call.name, call.arguments, _shortened(told))


def _result(tool: Tool[Any], text: str) -> str:
    try:
        arguments = tool.arguments.model_validate_json(read_object(text or "{}"))
    except NotJson as error:
        return f"The arguments of {tool.name} were not usable: {error}"
    except ValidationError as error:
        return "\n".join([f"The arguments of {tool.name} were not usable:", *findings_of(error)])
    try:
        return tool.function(arguments)
    except ArchsearchError as error:
        return f"{tool.name} could not be done: {error}"
    except Exception as error:  # noqa: BLE001 - what an LLM wrote drives it, and no LLM may end a search; it is told and recorded
        return f"{tool.name} could not be done: {type(error).__name__}: {error}"


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n[{len(text) - LONGEST} more characters are left out: ask for less at a time]"
