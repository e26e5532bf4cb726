"""Nobody but the person who was given the address gets through, from whatever page a request comes."""

from __future__ import annotations

import ipaddress
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archsearch.service.headers import ALWAYS
from archsearch.service.keys import Keys, same
from archsearch.service.problems import Problem, answer, plain

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SAFE = ("GET", "HEAD", "OPTIONS")
MOST_BYTES = 1_000_000
"""Of the body of a request: a source of a megabyte is no model."""
ASK = "Open the address that `archsearch serve` printed; it ends in ?token=..."


class Guard:
    """Checks host, origin, size and key of every request, and adds the headers of every response.

    Args:
        app: what is guarded.
        keys: of this server.
        hosts: the names under which it may be asked; a page of another name that resolves to this machine (DNS
            rebinding) is refused. An empty set takes any numerical address.
        cookie: the name of the cookie; that of another server on this machine differs.
    """

    def __init__(self, app: ASGIApp, keys: Keys, hosts: frozenset[str], cookie: str) -> None:
        self._app = app
        self._keys = keys
        self._hosts = hosts
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request = Request(scope)
        response = self._answer(request)
        if response is not None:
            await response(scope, receive, _with_headers(send))
        else:
            await self._app(scope, _Capped(receive), _with_headers(send))

    def _answer(self, request: Request) -> Response | None:
        """What to answer without asking the app; None to pass it on."""
        refused = self._wrong_host(request) or _wrong_origin(request) or _too_large(request)
        if refused is not None:
            return self._refusal(request, refused)
        if request.url.path.startswith("/static/"):
            return None
        by = self._known_by(request)
        request.scope.setdefault("state", {})["by"] = by
        if "token" in request.query_params and request.method == "GET":
            return self._welcome(request)
        return None if by else self._refusal(request, plain(401, "This request shows no valid token.", ASK))

    def _wrong_host(self, request: Request) -> Problem | None:
        name = _host_name(request.headers.get("host", ""))
        if name in self._hosts or (not self._hosts and _is_numerical(name)):
            return None
        return plain(421, f"This server is not known as {name or 'nothing'!r}.", "Use the address that it printed.")

    def _known_by(self, request: Request) -> str:
        """`bearer` or `cookie`: by what the person is known; empty if by nothing."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and same(given.strip(), self._keys.token):
            return "bearer"
        return "cookie" if same(request.cookies.get(self._cookie, ""), self._keys.session) else ""

    def _welcome(self, request: Request) -> Response:
        """Take the token out of the address, and remember the browser that showed it."""
        if not same(request.query_params["token"], self._keys.token):
            return self._refusal(request, plain(401, "The token in this address is not valid.", ASK))
        rest = [(key, value) for key, value in parse_qsl(request.url.query) if key != "token"]
        # Without its leading slashes a path like //elsewhere would be another host.
        target = "/" + request.url.path.lstrip("/\\") + (f"?{urlencode(rest)}" if rest else "")
        response = RedirectResponse(target, 303)
        response.set_cookie(self._cookie, self._keys.session, httponly=True, samesite="strict")
        return response

    def _refusal(self, request: Request, problem: Problem) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else None
        if request.url.path.startswith("/api"):
            return answer(problem, headers)
        text = f"{problem.status} {problem.title}\n\n{problem.detail}\n{problem.remedy}\n"
        return Response(text, problem.status, headers, media_type="text/plain; charset=utf-8")


TOO_LARGE = f"A request may have {MOST_BYTES} bytes."


class _Capped:
    """The body of a request, cut off where it becomes too large, whatever it said of its size."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > MOST_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message


def _with_headers(send: Send) -> Send:
    """Adds what every response must say."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in ALWAYS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _wrong_origin(request: Request) -> Problem | None:
    """Refuse what another page asks for, also one of another server on this machine."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    remedy = "Use the page of this server itself."
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return plain(403, "This request comes from another page.", remedy)
    if site in (None, "same-origin", "none"):
        return None
    navigation = request.headers.get("sec-fetch-mode") == "navigate" and request.method in SAFE
    return None if navigation else plain(403, "This request comes from another page.", remedy)


def _too_large(request: Request) -> Problem | None:
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) <= MOST_BYTES:
        return None
    return plain(413, TOO_LARGE, "Send less.")


def _host_name(host: str) -> str:
    """The name in a `Host` header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_numerical(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True
