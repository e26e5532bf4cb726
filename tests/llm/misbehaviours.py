"""What servers do, and what must come out: the list that the client is held to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scripted_server import (
    SLICE,
    Asked,
    Exchange,
    Step,
    by_rung,
    call,
    message,
    refuses,
    replies,
    says,
)

KEY = "sk-0123456789-do-not-tell"
GOOD = {"slot": "growth", "width": 8}
TEXT = json.dumps(GOOD)
OK = says(TEXT)
SOON = {"retry_after_ms": "5"}
NO_FORMAT = refuses(400, "response_format is not supported by this server")
NO_FORMAT_HERE = refuses(400, "'response_format' of type 'json_schema' is not supported with this model.")
NO_ROUTE = refuses(404, "No endpoints found that can handle the requested parameters.")
NO_JSON_MODE = refuses(400, "The model m is not supported for JSON mode")
TOO_FAST = refuses(
    429,
    "Rate limit reached. You can increase it by adding a payment method at .../account/billing.",
    retry_after_ms="5",
)
PROSE = says("I think the growth rate should be learned.")


def fenced(text: str) -> str:
    return f"```json\n{text}\n```"


def hangs(exchange: Exchange, asked: Asked) -> None:
    """Says nothing until it is stopped."""
    exchange.server.stopping.wait(5)


def drips(start: bytes) -> Step:
    """Sends this byte by byte, and goes on with its last byte."""
    return lambda exchange, asked: exchange.drip(start)


def starts_and_drips(status: int) -> Step:
    """Sends the head at once and the body byte by byte."""

    def step(exchange: Exchange, asked: Asked) -> None:
        exchange.send_response(status)
        exchange.send_header("content-type", "application/json")
        exchange.end_headers()
        exchange.drip(b" ")

    return step


def continues(exchange: Exchange, asked: Asked) -> None:
    """Says 'go on' for ever."""
    while not exchange.server.stopping.wait(SLICE):
        exchange.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def hangs_up(exchange: Exchange, asked: Asked) -> None:
    """Ends the connection without a word."""


def resets_midway(exchange: Exchange, asked: Asked) -> None:
    """Breaks off in the middle of the body."""
    exchange.send_response(200)
    exchange.send_header("content-length", "5000")
    exchange.end_headers()
    exchange.wfile.write(b'{"choices": [')
    exchange.wfile.flush()
    exchange.reset()


def ends_midway(exchange: Exchange, asked: Asked) -> None:
    """Promises more than it sends."""
    exchange.send(200, b'{"choices": [', {"content-length": "5000"})


def sends_raw(data: bytes) -> Step:
    """Sends these bytes, HTTP or not."""
    return lambda exchange, asked: exchange.connection.sendall(data)


def echoes_the_key(exchange: Exchange, asked: Asked) -> None:
    """Gives the key back wherever it can, escaped as well."""
    key = asked.headers["authorization"].removeprefix("Bearer ")
    body = json.dumps(message(json.dumps({"slot": f"key {key}", "width": 8}), model=key, debug={key: [key]}))
    escaped = body.replace("sk-", "\\u0073k-", 1).encode()
    exchange.send(200, escaped, {"content-type": "application/json", "x-request-id": key})


def refuses_with_the_key(status: int) -> Step:
    """Quotes the key in an error, at a place where a long quote is cut."""
    return lambda exchange, asked: refuses(status, f"{'x' * 280} {KEY} is wrong")(exchange, asked)


@dataclass(frozen=True)
class Case:
    """A server, and what must come out of asking it.

    Attributes:
        name: what the server does.
        steps: its script.
        kind: of the outage; None if there is a reply.
        rung: how the reply was asked for in the end.
        slot: what the reply says.
        requests: how many requests it took; None if any number will do.
        told: what the outage says, among other things.
        seconds: how long one question may take.
        tool_calls: how many calls of tools are allowed.
        uses: the tools that were used.
        estimated: whether tokens had to be estimated.
        settings: other than usual.
    """

    name: str
    steps: tuple[Step, ...]
    kind: str | None = None
    rung: str = "json_schema"
    slot: str = "growth"
    requests: int | None = 1
    told: str = ""
    seconds: float = 10.0
    tool_calls: int = 0
    uses: tuple[str, ...] = ()
    estimated: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


def case(name: str, *steps: Step, **expected: Any) -> Case:
    """A case with its script as a list."""
    return Case(name, steps, **expected)


QUICK: Any = {"seconds": 2.5, "settings": {"timeout_seconds": 0.4}}
ONE_RETRY, NO_RETRY = {"retries": 1}, {"retries": 0}
ALL_REFUSED = by_rung(NO_FORMAT)
CASES = (
    case("answers as it should", OK),
    # who may ask what
    case("401", refuses(401, "Incorrect API key"), kind="key", told="OPENAI_API_KEY"),
    case("403", refuses(403, "not allowed in your country"), kind="key"),
    case("404 of the model", refuses(404, "The model `m` does not exist", "model_not_found"), kind="model"),
    case("404 of the model, as Ollama says it", refuses(404, 'model "m" not found, try pulling it'), kind="model"),
    case("404 of the path", replies(b"<h1>Not Found</h1>", 404, content_type="text/html"), kind="endpoint", told="/v1"),
    case("402", refuses(402, "Payment required"), kind="quota"),
    case(
        "429 without credit",
        refuses(429, "exceeded your current quota", "insufficient_quota", **SOON),
        kind="quota",
        requests=3,
    ),
    # ways of asking that it does not know
    case(
        "400 on json_schema",
        by_rung(OK, json_schema=NO_FORMAT, tool=replies(call("reply", GOOD))),
        rung="tool",
        requests=2,
    ),
    case("400 on json_schema for this model", by_rung(OK, json_schema=NO_FORMAT_HERE), rung="tool", requests=2),
    case("400 on json_schema, blaming the model", by_rung(OK, json_schema=NO_JSON_MODE), rung="tool", requests=2),
    case("404 of a router, on json_schema", by_rung(OK, json_schema=NO_ROUTE), rung="tool", requests=2),
    case("400 down to json_object", by_rung(NO_FORMAT, json_object=OK), rung="json_object", requests=3),
    case("400 down to text", by_rung(NO_FORMAT, text=OK), rung="text", requests=4),
    case("400 at every rung", ALL_REFUSED, kind="refused", requests=4, told="response_format"),
    case("422 on json_schema", by_rung(OK, json_schema=refuses(422, "extra field")), rung="tool", requests=2),
    case("501 on json_schema", by_rung(OK, json_schema=refuses(501, "no grammar", **SOON)), rung="tool", requests=4),
    case(
        "500 where it should refuse json_schema",
        by_rung(OK, json_schema=refuses(500, "body.response_format.type: Input should be 'json_object'", **SOON)),
        rung="tool",
        requests=4,
    ),
    case("ignores response_format: prose", by_rung(PROSE, text=OK), rung="text", requests=4),
    case("ignores all of it: fenced JSON in prose", says(f"Sure!\n{fenced(TEXT)}\nGood luck."), rung="json_schema"),
    case("never says anything but prose", PROSE, kind="invalid", requests=5),
    case(
        "temperature refused",
        refuses(400, "Unsupported value: 'temperature'"),
        OK,
        requests=2,
        settings={"temperature": 0.3},
    ),
    case(
        "max_tokens refused", refuses(400, "'max_tokens' is not supported, use 'max_completion_tokens'"), OK, requests=2
    ),
    case(
        "each optional parameter refused",
        refuses(400, "bad seed"),
        refuses(400, "bad temperature"),
        refuses(400, "bad max_tokens"),
        refuses(400, "bad max_completion_tokens"),
        OK,
        requests=5,
        settings={"temperature": 0.3, "seed": 1},
    ),
    case("context too long", refuses(400, "This model's maximum context length is 2048 tokens"), kind="too_long"),
    case("413", refuses(413, "Payload Too Large"), kind="too_long"),
    # limits and faults of the server
    case("429, then well", refuses(429, "slow down", **SOON), OK, requests=2),
    case("429 for ever", refuses(429, "slow down", **SOON), kind="rate_limit", requests=3),
    case("429 that advertises payment", TOO_FAST, kind="rate_limit", requests=3),
    case("429 for an hour", refuses(429, "slow down", retry_after="3600"), kind="rate_limit"),
    case("429 for longer than we wait", refuses(429, "slow down", retry_after="60"), kind="rate_limit", **QUICK),
    case("500, then well", refuses(500, "oops", **SOON), OK, requests=2),
    case("500 for ever", refuses(500, "oops", **SOON), kind="server", requests=3),
    case("503 with a web page", replies(b"<html>busy</html>", 503, **SOON), kind="server", requests=3),
    case(
        "an error with status 200",
        replies({"error": {"message": "upstream is down", "code": 502}}),
        kind="server",
        told="upstream",
    ),
    # the network
    case("hangs up without a word", hangs_up, kind="network", requests=2, settings=ONE_RETRY),
    case("hangs up once, then well", hangs_up, OK, requests=2, settings=ONE_RETRY),
    case("reset in the middle of the body", resets_midway, kind="network", requests=2, settings=ONE_RETRY),
    case("body shorter than promised", ends_midway, kind="network", requests=2, settings=ONE_RETRY),
    case("speaks no HTTP", sends_raw(b"SSH-2.0-OpenSSH_9.6\r\n"), kind="network", requests=None, settings=NO_RETRY),
    case(
        "broken chunks",
        sends_raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        kind="network",
        requests=None,
        settings=NO_RETRY,
    ),
    # time
    case("no headers", hangs, kind="timeout", **QUICK),
    case("headers byte by byte", drips(b"HTTP/1.1 200 OK\r\nx-a: a"), kind="timeout", **QUICK),
    case("body byte by byte", starts_and_drips(200), kind="timeout", **QUICK),
    case("error byte by byte", starts_and_drips(500), kind="server", **QUICK),
    case("goes on saying 'go on'", continues, kind="timeout", **QUICK),
    # bodies that are no completion
    case(
        "a web page with status 200",
        replies(b"<html>Welcome</html>", content_type="text/html"),
        kind="endpoint",
        told="web page",
    ),
    case("an empty body", replies(b""), kind="endpoint", told="empty"),
    case("204", sends_raw(b"HTTP/1.1 204 No Content\r\n\r\n"), kind="endpoint"),
    case("a list", replies([1, 2]), kind="endpoint"),
    case("half a JSON body", replies(b'{"choices": [{"index"'), kind="endpoint"),
    case("an event stream", replies(b'data: {"choices": []}\n\n', content_type="text/event-stream"), kind="endpoint"),
    case("other JSON", replies({"models": []}), kind="endpoint", told="choices"),
    case("choices that are none", replies({"choices": "two"}), kind="endpoint", told="choices"),
    case("a huge body", replies(b"{" + b" " * (9 * 2**20)), kind="too_large"),
    case(
        "a compressed bomb",
        replies(gzip.compress(b" " * 2**24), content_encoding="gzip"),
        kind="endpoint",
        told="compressed",
    ),
    case("nested without end", replies(b'{"a":' * 100_000), kind="endpoint"),
    # completions without a reply
    case("empty choices", replies(message("", choices=[])), kind="empty", requests=5),
    case("null content", says(None), kind="empty", requests=5),
    case("blank content", says(" \n"), kind="empty", requests=5),
    case("content filter", says("", "content_filter"), kind="filtered"),
    case(
        "content filter as a 400",
        refuses(400, "The prompt triggered the content management policy", "content_filter"),
        kind="filtered",
    ),
    case("a refusal", says(None, said={"refusal": "I cannot help with hares."}), kind="declined", told="hares"),
    case("cut off, then whole", says('{"slot": "gro', "length"), OK, requests=2),
    case("cut off for ever", says('{"slot": "gro', "length"), kind="truncated", requests=2, told="max_output_tokens"),
    case("nonsense until it was cut off", says("la la la", "length"), kind="truncated", requests=5),
    case("thought until it was cut off", says("", "length"), kind="truncated", requests=2),
    # replies of odd shape
    case("content in parts", says([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": TEXT}])),
    case("thinks aloud first", says('<think>perhaps {"slot": "x"}?</think>\n' + TEXT)),
    case("another model answers", says(TEXT, model="other-2026")),
    case("no usage", replies({name: part for name, part in message(TEXT).items() if name != "usage"}), estimated=True),
    case("usage null", says(TEXT, usage=None), estimated=True),
    case("usage nonsense", says(TEXT, usage={"prompt_tokens": -3, "completion_tokens": "many"}), estimated=True),
    case(
        "usage beyond what was sent",
        says(TEXT, usage={"prompt_tokens": 9_000_000, "completion_tokens": 1}),
        estimated=True,
    ),
    case(
        "control and direction characters",
        says('{"slot": "gro\\u001b[2Jwth\\u202e\\u0000", "width": 8}'),
        slot="gro[2Jwth",
    ),
    case("half a character", says('{"slot": "gro\\ud800wth", "width": 8}'), slot="growth"),
    case(
        "half a character outside JSON",
        replies(json.dumps(message("x" + TEXT)).replace("x{", "\\ud800{").encode()),
        OK,
        requests=2,
    ),
    case("line breaks inside strings", says('{"slot": "a\nb", "width": 8}'), slot="a\nb"),
    # replies that are wrong
    case("two fenced blocks, then one", says(f"{fenced(TEXT)}\nor\n{fenced(TEXT)}"), OK, requests=2),
    case(
        "two fenced blocks for ever",
        says(f"{fenced(TEXT)}\nor\n{fenced(TEXT)}"),
        kind="invalid",
        requests=2,
        told="2 fenced",
    ),
    case("a field of another type, then mended", says('{"slot": 5, "width": "wide"}'), OK, requests=2),
    case(
        "a field of another type for ever",
        says('{"slot": 5, "width": "wide"}'),
        kind="invalid",
        requests=2,
        told="width",
    ),
    case("a name twice, then mended", says('{"slot": "a", "width": 8, "width": 9}'), OK, requests=2),
    case(
        "a name twice for ever", says('{"slot": "a", "width": 8, "width": 9}'), kind="invalid", requests=2, told="twice"
    ),
    case("NaN", says('{"slot": "a", "width": NaN}'), kind="invalid", requests=2, told="finite"),
    case(
        "a number beyond all numbers", says('{"slot": "a", "width": 1e999}'), kind="invalid", requests=2, told="finite"
    ),
    case("a number of 5000 digits", says(f'{{"slot": "a", "width": {"9" * 5000}}}'), kind="invalid", requests=2),
    case("nested too deeply", says('{"a":' * 50_000), kind="invalid", requests=2),
    case("JSON with words after it", says(TEXT + " I hope this helps."), kind="invalid", requests=2),
    # tools
    case("uses a tool", replies(call("look", {"state": "hare"})), OK, tool_calls=2, requests=2, uses=("look",)),
    case("arguments that are wrong", replies(call("look", {"sate": 1})), OK, tool_calls=2, requests=2, uses=("look",)),
    case(
        "arguments that are no JSON",
        replies(call("look", "{state: hare")),
        OK,
        tool_calls=2,
        requests=2,
        uses=("look",),
    ),
    case(
        "a tool that there is not",
        replies(call("run_shell", {"command": "rm"})),
        OK,
        tool_calls=2,
        requests=2,
        uses=("run_shell",),
    ),
    case(
        "a call without a function",
        replies(message(None, said={"tool_calls": [{"id": "x"}]})),
        OK,
        tool_calls=2,
        requests=2,
        uses=("",),
    ),
    case(
        "calls without end",
        replies(call("look", {"state": "hare"})),
        kind="tools",
        tool_calls=2,
        requests=4,
        uses=("look", "look"),
    ),
    case("calls although none were offered", replies(call("look", {"state": "hare"})), OK, requests=2),
    case(
        "a tool in words",
        by_rung(NO_FORMAT, text=says('{"tool": "look", "arguments": {"state": "hare"}}')),
        kind="tools",
        tool_calls=1,
        requests=6,
    ),
    case("a tool that breaks", replies(call("break", {})), OK, tool_calls=2, requests=2, uses=("break",)),
    # where the key goes
    case("redirects with 302", replies(b"", 302, location="http://127.0.0.2:9/v1"), kind="endpoint", told="127.0.0.2"),
    case("echoes the key", echoes_the_key, slot="key [key]"),
    case("echoes the key in an error", refuses_with_the_key(400), kind="refused", requests=4),
    case("echoes the key in a 401", refuses_with_the_key(401), kind="key"),
)
