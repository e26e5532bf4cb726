"""Asking an LLM for something of a given type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, final

from pydantic import BaseModel

from archsearch.llm.asking import Asking
from archsearch.llm.budget import Ledger
from archsearch.llm.endpoint import Endpoint
from archsearch.llm.exchanging import Source
from archsearch.llm.messages import Answer, Message
from archsearch.llm.question import Form, Question
from archsearch.llm.record import Record
from archsearch.llm.replay import Replayed
from archsearch.llm.tools import Tool

T = TypeVar("T", bound=BaseModel)


@final
class Llm:
    """An LLM behind an OpenAI-compatible endpoint, asked for typed replies.

    Every request and reply is in the record; the same question asked again in the same run is answered from there, so a
    run that is resumed pays for nothing twice. Use it as a context, or `close` it.

    Args:
        endpoint: who is asked, and how much that may cost.
        folder: `llm/` of the run, for the record.
        replay: `llm/` of another run; then all replies come from there, and nothing is sent.

    Raises:
        RunError: the record in `folder` cannot be read.
    """

    def __init__(self, endpoint: Endpoint, folder: Path, replay: Path | None = None) -> None:
        self._endpoint = endpoint
        self._record = Record(folder)
        self.ledger = Ledger(endpoint.settings)
        self._source = self._source_of(replay)

    def _source_of(self, replay: Path | None) -> Source:
        if replay is not None:
            return Replayed(Record(replay), self._record, self.ledger)
        from archsearch.llm.live import Live  # the client library takes a second to load; a replay needs none

        return Live(self._endpoint, self._record, self.ledger)

    def ask(
        self,
        conversation: Sequence[Message],
        form: type[T],
        *,
        tools: Sequence[Tool[Any]] = (),
        tool_calls: int = 0,
        occasion: str = "",
    ) -> Answer[T]:
        """Ask for a reply of a given type.

        The reply is validated however it was asked for. Where the server does not know a way of asking, or passes over
        it, the next one is tried, and what worked is remembered. A reply that is wrong is turned back once, with all
        that is wrong; one that was cut off is asked for once more with twice the room.

        Args:
            conversation: what is said, the part that never changes first.
            form: what the reply must be. Say what fields mean in their descriptions. Objects with names that
                the form does not fix (`dict[str, float]`) are not enforced by some servers: use lists of pairs.
            tools: functions that the LLM may call before it replies.
            tool_calls: how many calls it may make in all.
            occasion: what tells this question from the same words asked before; without it, they get the same reply.

        Returns:
            The reply, and what it took.

        Raises:
            Outage: there is none; nothing else is raised for anything that an LLM, a server or a network does.
        """
        settings = self._endpoint.settings
        question = Question(
            model=self._endpoint.model,
            conversation=tuple(conversation),
            form=Form.of(form),
            rung=self._record.rung(str(self._endpoint)),
            tools=tuple(tools) if tool_calls > 0 else (),
            max_output=settings.max_output_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
            occasion=occasion,
        )
        answer = Asking(self._source, question, form, tool_calls).answer()
        self._record.keep_rung(str(self._endpoint), answer.rung)
        return answer

    def close(self) -> None:
        """Give the connection back."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
