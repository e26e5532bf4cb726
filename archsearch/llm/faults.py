"""From what the client raises to what a person can do about it."""

from __future__ import annotations

import json
import re
import socket
import ssl
from typing import Any

import openai

from archsearch.llm.endpoint import BASE_URL, HOSTED, KEY, Endpoint
from archsearch.llm.messages import Payload
from archsearch.llm.outage import Kind, Outage
from archsearch.llm.reading import cleaned

LONGEST_QUOTE = 300
TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|too many tokens|prompt is too long", re.IGNORECASE
)
FILTERED = re.compile(r"content.?(filter|policy|management)", re.IGNORECASE)
NO_MODEL = re.compile(r"model_not_found|(model|deployment)\b.{0,80}(not found|not exist)|no such model", re.I | re.S)
NO_WAY = re.compile(r"response_format|json_schema|structured|\btools?\b|parameters", re.IGNORECASE)
"""What a router says when none of its servers knows this way of asking; it says so with 404."""
NOT_THIS_WAY = re.compile(r"response_format|json_schema|tool_choice", re.IGNORECASE)
"""What a server says that fails, with 500, on a way of asking that it should refuse: so does llama-cpp-python's."""
NO_QUOTA = re.compile(r"insufficient.?(quota|credit|balance|funds)|exceeded your current quota|out of credit", re.I)
GO_ON = "The search goes on without the LLM; resume it later to ask again."


class TooLarge(openai.OpenAIError):
    """A reply is longer than any reply is; no retry would make it shorter."""


class Unreadable(openai.OpenAIError):
    """A reply is not what was asked for; no retry would mend it."""


class ParameterRefused(Outage):
    """An endpoint refused a request because of one optional parameter, without which it can be asked again."""

    def __init__(self, outage: Outage, parameter: str) -> None:
        super().__init__(outage.kind, outage.message, outage.remedy)
        self.parameter = parameter


def object_in(body: bytes, content_type: str) -> Payload:
    """The JSON object in a body.

    Raises:
        Unreadable: there is none.
    """
    if not body.strip():
        raise Unreadable("empty")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        kind = content_type.split(";")[0].strip()
        raise Unreadable(
            "a web page" if "html" in kind else f"no JSON ({cleaned(kind) or 'of no stated type'})"
        ) from None
    if not isinstance(found, dict):
        raise Unreadable("JSON, but no object")
    return found


def outage_of(error: Exception, status: int, endpoint: Endpoint) -> Outage:
    """What an error of the client means; nothing that it says has the key in it.

    Args:
        error: what was raised.
        status: the last status that the server gave; 0 if it gave none.
        endpoint: who was asked.
    """
    if isinstance(error, openai.APIStatusError):
        found = _of_status(error, endpoint)
    elif isinstance(error, openai.APITimeoutError):
        found = out_of_time(status, endpoint)
    elif isinstance(error, openai.APIConnectionError):
        found = _of_connection(error, endpoint)
    elif isinstance(error, TooLarge):
        found = Outage("too_large", f"{_who(endpoint)} sent more than a reply can be.", "Lower `max_output_tokens`.")
    elif isinstance(error, Unreadable):
        found = Outage("endpoint", f"Expected a chat completion from {_who(endpoint)}, found {error}.", _check_url())
    else:
        told = f"The client of the LLM failed: {type(error).__name__}: {_quote(endpoint.scrubbed(str(error)))}."
        found = Outage("client", told, GO_ON)
    return Outage(found.kind, endpoint.scrubbed(found.message), found.remedy)


def out_of_time(status: int, endpoint: Endpoint) -> Outage:
    """The time is over, or would be after the wait that the server wants; its last status tells why."""
    seconds = endpoint.settings.timeout_seconds
    if status == 429:
        return _limited(f"{_who(endpoint)} limits the rate of calls for longer than the {seconds:g} s of a call.")
    if status >= 500:
        return Outage("server", f"{_who(endpoint)} still failed ({status}) after {seconds:g} s.", GO_ON)
    message = f"{_who(endpoint)} gave no whole reply within {seconds:g} s."
    return Outage("timeout", message, "Raise `timeout_seconds`, or lower `max_output_tokens`.")


def no_key(endpoint: Endpoint) -> Outage | None:
    """The outage that is certain before anything is sent: a hosted service that nobody has a key for."""
    if endpoint.key or endpoint.base_url != HOSTED:
        return None
    message = f"{HOSTED} wants a key, and {KEY} is not set."
    return Outage("key", message, f"Set {KEY}, or {BASE_URL} for another endpoint.")


def refused_parameter(error: Exception, sent: Payload) -> str | None:
    """The optional parameter that a refusal is about, so that the request can do without it."""
    if not isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return None
    told = str(error.param or _told(error))
    optional = ("max_completion_tokens", "max_tokens", "temperature", "seed")
    return next((name for name in optional if name in sent and re.search(rf"\b{name}\b", told)), None)


def _of_status(error: openai.APIStatusError, endpoint: Endpoint) -> Outage:
    code, told, who = error.status_code, endpoint.scrubbed(cleaned(_told(error))), _who(endpoint)
    said = f" It says: {_quote(told)}" if told else ""
    if code == 401:
        return Outage("key", f"{who} does not accept the key ({_key_state(endpoint)}).{said}", f"Set {KEY}.")
    if code == 402 or (code in (403, 429) and NO_QUOTA.search(told)):
        return Outage("quota", f"{who} has no credit left for this key.{said}", "See the account at the provider.")
    if code == 403:
        return Outage("key", f"{who} does not let this key use {endpoint.model} ({code}).{said}", f"Check {KEY}.")
    if code == 429:
        return _limited(f"{who} limits the rate of calls.{said}")
    if 300 <= code < 400:
        return _of_redirect(error, endpoint)
    if code >= 500 and code != 501 and not NOT_THIS_WAY.search(told):
        return Outage("server", f"{who} failed ({code}).{said}", GO_ON)
    return Outage(_kind_of_refusal(code, told), f"{who} refused the request ({code}).{said}", _remedy(code, told))


def _kind_of_refusal(code: int, told: str) -> Kind:
    if FILTERED.search(told):
        return "filtered"
    if code == 413 or TOO_LONG.search(told):
        return "too_long"
    if NO_MODEL.search(told):
        return "model"
    return "endpoint" if code in (404, 405, 410) and not NO_WAY.search(told) else "refused"


def _remedy(code: int, told: str) -> str:
    remedies: dict[Kind, str] = {
        "filtered": "Say it differently in the description of the problem, or ask another model.",
        "too_long": "Ask a model or a server with a longer context, or lower `max_output_tokens`.",
        "model": "Name a model that the endpoint has; `archsearch doctor --llm` lists them.",
        "endpoint": _check_url(),
        "refused": "See what the server says; `archsearch doctor --llm` tries every way of asking.",
    }
    return remedies[_kind_of_refusal(code, told)]


def _of_redirect(error: openai.APIStatusError, endpoint: Endpoint) -> Outage:
    """Says where to, without a path that might hold anything."""
    where = re.match(r"https?://[\w.:\[\]-]+", error.response.headers.get("location", ""))
    to = f" to {where[0]}" if where else ""
    message = f"{_who(endpoint)} sends on{to} ({error.status_code}); neither the prompt nor the key was sent there."
    return Outage("endpoint", message, f"If that is right, make it the base URL ({BASE_URL}).")


def _of_connection(error: openai.APIConnectionError, endpoint: Endpoint) -> Outage:
    """The reason lies in the chain of causes, below the client's `Connection error`."""
    causes = list(_causes(error))
    who = _who(endpoint)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        told = f"No secure connection to {who}: {_quote(str(causes[-1]))}."
        return Outage("network", told, "Check the address, the clock and the certificates of this machine.")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Outage("network", f"There is no machine '{endpoint.host}', or no network.", _check_url())
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Outage("network", f"Nothing listens at {who}.", "Start the server, or correct the base URL.")
    return Outage("network", f"The connection to {who} failed: {_quote(str(causes[-1]))}.", GO_ON)


def _causes(error: BaseException) -> list[BaseException]:
    found, cause = [error], error.__cause__ or error.__context__
    while cause is not None and len(found) < 20:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def _limited(message: str) -> Outage:
    return Outage("rate_limit", message, f"Raise `retries` or `timeout_seconds`. {GO_ON}")


def _told(error: openai.APIStatusError) -> str:
    """What the server says of an error, in whichever of the common places."""
    body: Any = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        parts = inner if isinstance(inner, dict) else {"message": inner}
        words = [parts.get(name) for name in ("message", "detail", "code")]
        return " ".join(str(word) for word in words if word)
    return str(body or "")


def _quote(text: str) -> str:
    text = " ".join(cleaned(text).split())
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."


def _who(endpoint: Endpoint) -> str:
    return endpoint.base_url


def _key_state(endpoint: Endpoint) -> str:
    if endpoint.withheld:
        return f"it was not sent: only the record of the run names this address; confirm it by {BASE_URL}"
    return f"{KEY} is set" if endpoint.key else f"{KEY} is not set"


def _check_url() -> str:
    return f"Check the base URL ({BASE_URL}); it ends with `/v1` for most servers."
