"""An OpenAI-compatible server that does what a script says: real HTTP on loopback."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLICE = 0.05
"""Seconds between the bytes of a server that is slow."""


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def rung(self) -> str:
        """How it asks for a typed reply."""
        kind = self.body.get("response_format", {}).get("type")
        return kind or ("tool" if self.body.get("tool_choice") else "text")


class Exchange(BaseHTTPRequestHandler):
    """One connection."""

    server: Server

    def log_message(self, *_: object) -> None:
        """Says nothing: what a server logs is no part of a test's output."""

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _serve(self, body: dict[str, Any]) -> None:
        self.close_connection = True
        asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        with self.server.lock:
            number = len(self.server.asked)
            self.server.asked.append(asked)
        self.server.steps[min(number, len(self.server.steps) - 1)](self, asked)

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Sends a whole response."""
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, data: bytes) -> None:
        """Sends bytes one by one, and the last again and again, until nobody listens."""
        while not self.server.stopping.wait(SLICE):
            self.connection.sendall(data[:1])
            data = data[1:] or data

    def reset(self) -> None:
        """Breaks the connection so that the other side sees an error rather than an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Step = Callable[[Exchange, Asked], None]


class Server(ThreadingHTTPServer):
    """Serves a script: a step for each request, the last for all that follow."""

    daemon_threads = True

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.steps = steps
        self.asked: list[Asked] = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that went away, which is what they are meant to do."""


@contextmanager
def serving(*steps: Step) -> Iterator[Server]:
    """A server that runs as long as the context."""
    server = Server(steps)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


USAGE = {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57}


def message(content: Any, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """The body of a chat completion; `more` replaces parts of it."""
    said = {"role": "assistant", "content": content, **more.pop("said", {})}
    choice = {"index": 0, "finish_reason": finish, "message": said}
    return {"id": "c1", "object": "chat.completion", "model": "tiny", "choices": [choice], "usage": USAGE, **more}


def call(name: str, arguments: Any) -> dict[str, Any]:
    """The body of a chat completion that calls a function."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    made = {"id": "x", "type": "function", "function": {"name": name, "arguments": text}}
    return message(None, "tool_calls", said={"tool_calls": [made]})


def replies(body: Any, status: int = 200, **headers: str) -> Step:
    """Sends this body, as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange, asked: exchange.send(status, data, {"content-type": "application/json", **named})


def says(content: Any, finish: str = "stop", **more: Any) -> Step:
    """Answers with these words."""
    return replies(message(content, finish, **more))


def refuses(status: int, told: str, code: str | None = None, **headers: str) -> Step:
    """Answers with an error."""
    return replies({"error": {"message": told, "code": code}}, status, **headers)


def by_rung(otherwise: Step, **steps: Step) -> Step:
    """Does what belongs to the way in which a typed reply is asked for."""
    return lambda exchange, asked: steps.get(asked.rung, otherwise)(exchange, asked)
