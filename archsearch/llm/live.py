"""Replies of an endpoint, with everything that was asked and answered in the record."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import cast

from archsearch.llm.budget import Ledger, cost_of, reserved_for
from archsearch.llm.completion import read_completion, used
from archsearch.llm.dialect import Dialect
from archsearch.llm.endpoint import Endpoint
from archsearch.llm.exchanging import Obtained, Source, obtained
from archsearch.llm.faults import ParameterRefused, no_key
from archsearch.llm.messages import Payload, Usage
from archsearch.llm.outage import Kind, Outage
from archsearch.llm.question import Question
from archsearch.llm.reading import changed
from archsearch.llm.record import Exchange, Problem, Record, Tokens
from archsearch.llm.wire import Received, Wire

KEPT: frozenset[Kind] = frozenset({"refused", "filtered", "too_long"})
"""Problems that are the same however often the same is asked; a resumed run does not ask again."""
MAY_BE_CHARGED: frozenset[Kind] = frozenset({"timeout", "network", "too_large", "endpoint", "client"})
"""Problems after which nobody knows what the server has counted, so that the reservation stands."""


class Live(Source):
    """Replies of an endpoint.

    Args:
        endpoint: who is asked.
        record: of this run.
        ledger: of this run.
    """

    def __init__(self, endpoint: Endpoint, record: Record, ledger: Ledger) -> None:
        super().__init__(record, ledger)
        self._endpoint = endpoint
        self._wire = Wire(endpoint)
        self._dialect = Dialect.of(endpoint)

    def close(self) -> None:
        """Give the connection back."""
        self._wire.close()

    def models(self) -> tuple[str, ...]:
        """The names of the models that the endpoint offers.

        Raises:
            Outage: it does not say.
        """
        return self._wire.models()

    def _is_final(self, problem: Problem) -> bool:
        return problem.kind in KEPT

    def _obtain(self, question: Question) -> Obtained:
        expected = reserved_for(question)
        self._ledger.reserve(expected)
        try:
            made = self._asked(question, expected)
        except BaseException:
            self._ledger.settle(expected, expected)  # interrupted: nobody knows what the server has counted
            raise
        self._ledger.settle(expected, made.usage)
        self._record.keep(made)
        return obtained(made, replayed=False)

    def _asked(self, question: Question, expected: Usage) -> Exchange:
        """Asks, and notes what came of it, whatever that is."""
        at, started = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        received, problem, used_up = None, None, None
        try:
            received = self._send(question)
            used_up = used(read_completion(received.payload), question.sent)
        except Outage as outage:
            problem = Problem.of(outage)
            used_up = expected if outage.kind in MAY_BE_CHARGED else None
        return Exchange(
            name=question.name,
            at=at,
            base_url=self._endpoint.base_url,
            model=question.model,
            rung=question.rung,
            occasion=self._endpoint.scrubbed(question.occasion),
            request=self._body(question),
            reply=received.payload if received else None,
            problem=problem,
            tokens=Tokens.of(used_up) if used_up else None,
            cost=cost_of(used_up or Usage(), self._endpoint.settings.price),
            currency=self._endpoint.settings.currency,
            seconds=round(time.monotonic() - started, 3),
            retries=received.retries if received else 0,
            request_id=received.request_id if received else None,
            notes=self._dialect.notes,
        )

    def _send(self, question: Question) -> Received:
        """Sends it in the dialect of the endpoint, which is found out by being refused: four times at most."""
        without_key = no_key(self._endpoint)
        if without_key is not None:
            raise without_key
        while True:
            try:
                return self._wire.complete(self._body(question))
            except ParameterRefused as refused:
                self._dialect = self._dialect.refusing(refused.parameter)

    def _body(self, question: Question) -> Payload:
        """The body of the request, without the key even if somebody wrote it into a description."""
        return cast(Payload, changed(self._dialect.body(question), self._endpoint.scrubbed))
