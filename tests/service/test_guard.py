from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from served import ADDRESS, RUN, Served
from starlette.testclient import TestClient

from archsearch.service.guard import MOST_BYTES, Guard
from archsearch.service.serving import is_loopback, names_of

PAGES = ("/", "/start", f"/runs/{RUN}", f"/runs/{RUN}/queue", f"/runs/{RUN}/candidates/3")
OTHERS = (
    f"/runs/{RUN}/export/3/latex",
    f"/runs/{RUN}/candidates/3/fit.svg",
    f"/api/runs/{RUN}/candidates/3",
    "/api/runs",
    "/api/openapi.json",
    "/runs/none",
)


def changing_routes(served: Served) -> Iterator[tuple[str, str]]:
    """Every route that changes something, with a method and a path of it."""
    app = served.app._app
    assert isinstance(app, FastAPI)
    stack = list(app.routes)
    while stack:
        route = stack.pop()
        stack += getattr(getattr(route, "original_router", None), "routes", [])
        if isinstance(route, APIRoute):
            for method in (route.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
                yield method, route.path.replace("{run}", RUN).replace("{number}", "6")


@pytest.mark.parametrize("path", [*PAGES, *OTHERS])
def test_who_shows_no_token_sees_nothing(reading: Served, path: str) -> None:
    answer = reading.stranger().get(path)
    assert answer.status_code == 401
    assert "hare" not in answer.text.replace(RUN, "")


@pytest.mark.parametrize("token", ["", "x", "é"])
def test_a_wrong_token_is_refused(reading: Served, token: str) -> None:
    client = reading.stranger()
    assert client.get("/", params={"token": token}).status_code == 401
    assert client.get("/api/runs", headers={"Authorization": b"Bearer " + token.encode()}).status_code == 401
    assert client.get("/", headers={"Cookie": "archsearch=x"}).status_code == 401


def test_the_token_becomes_a_cookie_that_no_script_and_no_other_page_can_use(reading: Served) -> None:
    answer = reading.stranger().get(f"/runs/{RUN}?full=1&token={reading.keys.token}")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/runs/{RUN}?full=1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert reading.keys.token not in answer.headers["set-cookie"]


def test_the_address_with_the_token_leads_nowhere_else(reading: Served) -> None:
    answer = reading.stranger().get(f"//elsewhere.example/?token={reading.keys.token}")
    assert answer.status_code in (303, 404)
    assert not answer.headers.get("location", "/x").startswith(("//", "http://elsewhere"))


@pytest.mark.parametrize("host", ["attacker.example", "127.0.0.1.attacker.example", "", "[", "attacker.example:8765"])
def test_a_name_that_only_resolves_to_this_machine_is_refused(reading: Served, host: str) -> None:
    assert reading.program().get("/api/runs", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "LOCALHOST"])
def test_the_names_of_this_machine_are_taken(reading: Served, host: str) -> None:
    assert reading.program().get("/api/runs", headers={"Host": host}).status_code == 200


def test_every_change_needs_the_key_of_the_forms(served: Served) -> None:
    routes = list(changing_routes(served))
    assert len(routes) >= 12
    browser = served.browser()
    for method, path in routes:
        for body in ({}, {"form": "x"}, {"form": served.keys.session}):
            answer = browser.request(method, path, data=body)
            assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
def test_what_another_page_asks_for_is_refused_whatever_it_knows(served: Served, headers: dict[str, str]) -> None:
    browser, program = served.browser(), served.program()
    for method, path in changing_routes(served):
        assert browser.request(method, path, data=served.form(), headers=headers).status_code == 403
        assert program.request(method, path, json={}, headers=headers).status_code == 403
    assert program.get("/api/runs", headers=headers).status_code == 403


def test_a_link_from_another_page_opens_but_brings_no_cookie_of_its_own(reading: Served) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert reading.stranger().get("/", headers=headers).status_code == 401
    assert reading.browser().post("/start", data=reading.form(), headers=headers).status_code == 403


TRAVERSALS = ["%2e%2e", "..%2f..%2fetc", "%2fetc%2fpasswd", ".searches", "a%00b", "..%5c..", "%2e", "a%2fb"]


@pytest.mark.parametrize("name", TRAVERSALS)
def test_a_path_is_no_run(reading: Served, name: str) -> None:
    program = reading.program()
    for path in (f"/runs/{name}", f"/api/runs/{name}", f"/api/runs/{name}/log", f"/runs/{name}/candidates/3"):
        answer = program.get(path)
        assert answer.status_code in (404, 307), path
        assert "root:" not in answer.text


@pytest.mark.parametrize("name", ["../app.py", "%2e%2e/app.py", "..%2fapp.py", "katex/..%2f..%2fapp.py", "/etc/passwd"])
def test_only_what_ships_for_the_pages_is_served(reading: Served, name: str) -> None:
    answer = reading.program().get(f"/static/{name}")
    assert answer.status_code == 404
    assert "make_app" not in answer.text


def test_too_much_is_refused_said_or_unsaid(served: Served) -> None:
    program = served.program()
    large = b'{"source": "' + b"x" * MOST_BYTES + b'"}'
    path = f"/api/runs/{RUN}/proposals/6/edit"
    headers = {"Content-Type": "application/json"}
    assert program.post(path, content=large, headers=headers).status_code == 413

    def pieces() -> Iterator[bytes]:
        for place in range(0, len(large), 50_000):
            yield large[place : place + 50_000]

    assert program.post(path, content=pieces(), headers=headers).status_code == 413


@pytest.mark.parametrize("path", [*PAGES, *OTHERS, "/static/pages.js"])
def test_every_answer_says_what_a_browser_may_do_with_it(reading: Served, path: str) -> None:
    headers = reading.browser().get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'unsafe" not in policy
    assert ("unsafe-inline" not in policy) or "sandbox" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


def test_no_secret_is_on_any_page(reading: Served) -> None:
    browser = reading.browser()
    for path in (*PAGES, "/api/runs", f"/api/runs/{RUN}", "/api/openapi.json"):
        text = browser.get(path).text
        assert reading.keys.token not in text
        assert reading.keys.session not in text
    assert reading.keys.form not in browser.get(f"/api/runs/{RUN}").text


def test_pages_carry_no_script_no_style_and_nothing_of_another_host(reading: Served) -> None:
    browser = reading.browser()
    for path in PAGES:
        text = browser.get(path).text
        assert "<script>" not in text
        assert " style=" not in text
        assert " onclick=" not in text
        assert "<style" not in text
        for mark in ('src="http', 'href="http', "src='http", 'src="//', 'href="//'):
            assert mark not in text


def test_another_address_knows_its_own_names_only() -> None:
    assert "lab.example" in names_of("lab.example")
    assert names_of("0.0.0.0") == frozenset()
    assert is_loopback("127.0.0.2")
    assert not is_loopback("192.168.0.7")
    assert not is_loopback("lab.example")


def test_on_every_address_a_name_is_refused_and_a_number_taken(reading: Served) -> None:
    guard = Guard(reading.app._app, reading.keys, frozenset(), "archsearch")
    client = TestClient(guard, base_url=ADDRESS, headers={"Authorization": f"Bearer {reading.keys.token}"})
    assert client.get("/api/runs", headers={"Host": "192.168.0.7:8765"}).status_code == 200
    assert client.get("/api/runs", headers={"Host": "attacker.example:8765"}).status_code == 421
