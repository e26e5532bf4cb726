"""Which way of asking an endpoint knows, found out by what it answers."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from archsearch.errors import did_you_mean
from archsearch.llm.budget import Ledger
from archsearch.llm.endpoint import Endpoint
from archsearch.llm.live import Live
from archsearch.llm.messages import LADDER, Rung, user
from archsearch.llm.outage import Outage
from archsearch.llm.question import Form, Question
from archsearch.llm.record import Record
from archsearch.llm.replies import Replied, read_reply

ASKED = "A pond has 19 frogs and 23 newts. How many animals are that, and of which kind are there more?"
"""Says nothing of JSON: who answers in JSON all the same was told so by the way of asking."""
MOST_NAMED = 8


class Pond(BaseModel):
    """What is asked for."""

    animals: int
    more: Literal["frogs", "newts"]


RIGHT = Pond(animals=42, more="newts")
Verdict = Literal["works", "refused", "ignored"]


@dataclass(frozen=True)
class Probed:
    """What an endpoint knows.

    Attributes:
        model: who answered, as the endpoint names it.
        verdicts: what became of each way of asking that was tried, from the top to the first that works.
        right: whether the answer was not only of the right form but right.
        seconds: how long that answer took.
        counts_tokens: whether the endpoint says how many tokens it took.
    """

    model: str
    verdicts: tuple[tuple[Rung, Verdict], ...] = ()
    right: bool = False
    seconds: float = 0.0
    counts_tokens: bool = False

    @property
    def rung(self) -> Rung | None:
        """The way of asking that works; None if none does."""
        return next((rung for rung, verdict in self.verdicts if verdict == "works"), None)


def probe(endpoint: Endpoint) -> Probed:
    """Ask an endpoint a small question in each way, until one works; a few hundred tokens at most.

    Raises:
        Outage: it cannot be asked at all.
    """
    with tempfile.TemporaryDirectory() as folder:
        live = Live(endpoint, Record(Path(folder)), Ledger(endpoint.settings))
        try:
            return _probed(endpoint, live)
        except Outage as outage:
            raise _with_names(outage, endpoint, live) from None
        finally:
            live.close()


def _probed(endpoint: Endpoint, live: Live) -> Probed:
    found = Probed(endpoint.model)
    for rung in LADDER:
        found = _asked(found, endpoint, live, rung)
        if found.rung is not None:
            break
    return found


def _asked(found: Probed, endpoint: Endpoint, live: Live, rung: Rung) -> Probed:
    """What is known after asking in one more way."""
    limit = endpoint.settings.max_output_tokens
    question = Question(endpoint.model, (user(ASKED),), Form.of(Pond), rung, max_output=limit)
    try:
        obtained = live.obtain(question)
    except Outage as outage:
        if outage.kind != "refused":
            raise
        return replace(found, verdicts=(*found.verdicts, (rung, "refused")))
    reply = read_reply(obtained.completion, question, Pond)
    verdict: Verdict = "works" if isinstance(reply, Replied) else "ignored"
    return Probed(
        model=obtained.completion.model or endpoint.model,
        verdicts=(*found.verdicts, (rung, verdict)),
        right=isinstance(reply, Replied) and reply.value == RIGHT,
        seconds=obtained.exchange.seconds,
        counts_tokens=not obtained.exchange.usage.estimated,
    )


def _with_names(outage: Outage, endpoint: Endpoint, live: Live) -> Outage:
    """The outage with the models that there are, if it is about a model that there is not."""
    if outage.kind != "model":
        return outage
    try:
        names = live.models()
    except Outage:
        return outage
    listed = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
    return Outage("model", outage.message, f"It has: {listed or 'none'}{did_you_mean(endpoint.model, names)}.")
