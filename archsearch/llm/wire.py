"""The one place that speaks to an LLM's server: bounded in time and size, and no further than where it was sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx2
import openai

from archsearch.llm import faults
from archsearch.llm.endpoint import NO_KEY, Endpoint
from archsearch.llm.messages import Payload
from archsearch.llm.outage import Outage
from archsearch.llm.reading import changed

LARGEST = 8 * 2**20
"""Bytes of a reply: far more than the longest that a model gives."""
GRACE_SECONDS = 0.5
"""What the client may take to notice that its time is over."""
CONNECT_SECONDS = 10.0
OF_THE_CLIENT = "x-stainless-raw-response"
"""By which the client itself knows, when the answer is there, what it was asked for."""
IMPERSONAL = frozenset(
    ["host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent", OF_THE_CLIENT]
)
"""The headers of a request that say nothing of who sends it."""
T = TypeVar("T")


@dataclass(frozen=True)
class Received:
    """What a server answered, without the key if that was in it."""

    payload: Payload
    retries: int
    request_id: str | None


@dataclass
class _Call:
    """One call under way: when it must have ended, and the last status that the server gave."""

    end: float
    status: int = 0
    outcome: Any = None

    @property
    def seconds_left(self) -> float:
        return self.end - time.monotonic()


class Wire:
    """A connection to one endpoint. Retries are the client's own; redirects are not followed.

    Args:
        endpoint: who is asked, and with which key.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._here = threading.local()
        settings = endpoint.settings
        self._client = openai.OpenAI(
            api_key=endpoint.key or NO_KEY,
            base_url=endpoint.base_url,
            max_retries=settings.retries,
            timeout=openai.Timeout(settings.timeout_seconds, connect=min(CONNECT_SECONDS, settings.timeout_seconds)),
            http_client=openai.DefaultHttpxClient(
                follow_redirects=False,  # neither the key nor the prompt goes to a machine that nobody named
                limits=httpx2.Limits(max_keepalive_connections=0),  # by the next call a connection would be stale
                headers={"accept-encoding": "identity"},  # the bytes that are counted are the bytes that are kept
                event_hooks={"request": [self._before], "response": [self._after]},
            ),
        )

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def complete(self, body: Payload) -> Received:
        """Ask for a chat completion.

        Raises:
            Outage: there is no reply; typed, and within the time of the settings.
            ParameterRefused: an outage that asking without that parameter may mend.
        """
        return self._bounded(lambda: self._complete(body))

    def models(self) -> tuple[str, ...]:
        """The names of the models that the endpoint offers.

        Raises:
            Outage: it does not say.
        """
        return self._bounded(
            lambda: tuple(sorted(self._endpoint.scrubbed(str(model.id)) for model in self._client.models.list()))
        )

    def _complete(self, body: Payload) -> Received:
        create = cast(Any, self._client.chat.completions.with_raw_response.create)
        try:
            raw = create(**body)
        except openai.APIStatusError as error:
            parameter = faults.refused_parameter(error, body)
            if parameter is None:
                raise
            raise faults.ParameterRefused(
                faults.outage_of(error, error.status_code, self._endpoint), parameter
            ) from None
        payload = faults.object_in(raw.content, raw.headers.get("content-type", ""))
        clean = cast(Payload, changed(payload, self._endpoint.scrubbed))
        number = raw.request_id
        return Received(clean, raw.retries_taken, number and self._endpoint.scrubbed(number))

    def _bounded(self, call: Callable[[], T]) -> T:
        """Does it in a thread of its own, and waits for that no longer than the settings say.

        Looking up a name, headers that come byte by byte and a server that says to wait are bounded by nothing else;
        and a person can interrupt what waits here.
        """
        seconds = self._endpoint.settings.timeout_seconds
        watched = _Call(time.monotonic() + seconds)
        thread = threading.Thread(target=self._run, args=(call, watched), daemon=True, name="llm-call")
        thread.start()
        thread.join(seconds + GRACE_SECONDS)
        outcome = watched.outcome
        if outcome is None:
            raise faults.out_of_time(watched.status, self._endpoint)
        if isinstance(outcome, Outage):
            raise outcome
        return cast(T, outcome)

    def _run(self, call: Callable[[], T], watched: _Call) -> None:
        self._here.call = watched
        try:
            watched.outcome = call()
        except Outage as outage:
            watched.outcome = outage
        except Exception as error:  # noqa: BLE001 - the one place where what a client raises becomes what a search expects
            watched.outcome = faults.outage_of(error, watched.status, self._endpoint)

    def _before(self, request: httpx2.Request) -> None:
        """Leaves each attempt no more than the time that is left, and none after that."""
        left = cast(_Call, self._here.call).seconds_left
        if left <= 0:
            raise openai.APITimeoutError(request)
        if self._endpoint.withheld:
            for name in set(request.headers) - IMPERSONAL:
                del request.headers[name]
        known = request.extensions["timeout"]
        request.extensions = {
            **request.extensions,
            "timeout": {step: min(left, limit) if limit is not None else left for step, limit in known.items()},
        }

    def _after(self, response: httpx2.Response) -> None:
        call = cast(_Call, self._here.call)
        call.status = response.status_code
        if response.is_error and _seconds_to_wait(response.headers) > call.seconds_left:
            raise openai.APITimeoutError(response.request)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise faults.Unreadable("compressed, although that was not asked for")
        response.stream = _Measured(cast(httpx2.SyncByteStream, response.stream), call, response.request)


def _seconds_to_wait(headers: httpx2.Headers) -> float:
    """How long the server says to wait, if it says so in seconds."""
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return 0.0


class _Measured(httpx2.SyncByteStream):
    """A body that may not take longer or become larger than a reply may.

    Args:
        body: as it comes from the network.
        call: which it belongs to.
        request: which it answers.
    """

    def __init__(self, body: httpx2.SyncByteStream, call: _Call, request: httpx2.Request) -> None:
        self._body, self._call, self._request = body, call, request

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for piece in self._body:
            size += len(piece)
            if size > LARGEST:
                raise faults.TooLarge
            if self._call.seconds_left <= 0:
                raise openai.APITimeoutError(self._request)
            yield piece

    def close(self) -> None:
        self._body.close()
