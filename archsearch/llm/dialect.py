"""How an endpoint wants a request written, as far as it differs from its neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from archsearch.llm.endpoint import Endpoint
from archsearch.llm.messages import Payload
from archsearch.llm.question import Question

NEW_LIMIT, OLD_LIMIT = "max_completion_tokens", "max_tokens"
KNOW_NEW_LIMIT = ("openai.com", "azure.com")
"""Who wants the new name. Others know the old one, and some pass over the new one without a word."""


@dataclass(frozen=True)
class Dialect:
    """What to write in a request.

    Attributes:
        limit: the name of the limit of output tokens; None if the endpoint takes neither.
        without: optional parameters that it refuses.
    """

    limit: str | None = OLD_LIMIT
    without: frozenset[str] = frozenset()

    @classmethod
    def of(cls, endpoint: Endpoint) -> Dialect:
        """What is tried first at an endpoint."""
        return cls(NEW_LIMIT if endpoint.host.endswith(KNOW_NEW_LIMIT) else OLD_LIMIT)

    def refusing(self, parameter: str) -> Dialect:
        """The dialect of an endpoint that refused a parameter: a limit has another name to try first."""
        without = self.without | {parameter}
        if parameter != self.limit:
            return replace(self, without=without)
        other = OLD_LIMIT if parameter == NEW_LIMIT else NEW_LIMIT
        return Dialect(None if other in without else other, without)

    def body(self, question: Question) -> Payload:
        """The body of the request."""
        optional: dict[str, Any] = {"temperature": question.temperature, "seed": question.seed}
        if self.limit is not None:
            optional[self.limit] = question.max_output
        sent = {name: value for name, value in optional.items() if value is not None and name not in self.without}
        return {"model": question.model, "messages": question.messages(), **question.asked_for(), **sent}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out, for the record."""
        return tuple(f"{name} is not sent: the endpoint refused it" for name in sorted(self.without))
