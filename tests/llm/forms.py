"""What tests ask an LLM for, and the tools that they offer it."""

from __future__ import annotations

from pydantic import BaseModel

from archsearch.llm.tools import Tool


class Reply(BaseModel):
    """What is asked for."""

    slot: str
    width: int


class Look(BaseModel):
    """Arguments of a tool."""

    state: str


class Nothing(BaseModel):
    """No arguments."""


def _break(_: Nothing) -> str:
    raise ZeroDivisionError("by an LLM")


TOOLS = (
    Tool("look", "Values of a state.", Look, lambda asked: f"{asked.state}: 1 2 3"),
    Tool("break", "Breaks.", Nothing, _break),
)
