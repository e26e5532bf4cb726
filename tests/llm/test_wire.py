"""Where requests go, and where they do not."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from forms import Reply
from misbehaviours import KEY, OK, starts_and_drips
from scripted_server import Step, refuses, replies, serving

from archsearch.llm.client import Llm
from archsearch.llm.endpoint import HOSTED, endpoint_of
from archsearch.llm.messages import user
from archsearch.llm.outage import Outage
from archsearch.settings import LlmSettings

ASKED = (user("Which slot?"),)


def outage_of(llm: Any) -> Outage:
    with pytest.raises(Outage) as raised:
        llm.ask(ASKED, Reply)
    return raised.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_neither_key_nor_prompt_follows_a_redirect_to_another_machine(status: int, llm_at: Any) -> None:
    with serving(OK) as other:
        elsewhere = other.base_url.replace("127.0.0.1", "localhost")
        with serving(replies(b"", status, location=f"{elsewhere}/chat/completions?key={KEY}")) as server:
            outage = outage_of(llm_at(server.base_url))
        assert (outage.kind, other.asked) == ("endpoint", [])
    assert "localhost" in outage.message
    assert KEY not in str(outage)


def test_nothing_listens(llm_at: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outage = outage_of(llm_at(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", retries=0))
    assert outage.kind == "network"
    assert "Nothing listens" in outage.message


def test_no_such_machine(llm_at: Any) -> None:
    outage = outage_of(llm_at("http://no-such-machine.invalid/v1", retries=0))
    assert outage.kind == "network"
    assert "no-such-machine.invalid" in outage.message


def test_a_server_that_takes_no_secure_connection(llm_at: Any) -> None:
    with serving(OK) as server:
        outage = outage_of(llm_at(server.base_url.replace("http:", "https:"), retries=0))
    assert outage.kind == "network"
    assert "secure" in outage.message


def test_a_proxy_of_the_environment_is_used(llm_at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        llm_at("http://llm.example/v1").ask(ASKED, Reply)
        assert [asked.path for asked in proxy.asked] == ["http://llm.example/v1/chat/completions"]


def test_the_key_is_a_header_and_nothing_else(llm_at: Any) -> None:
    with serving(OK) as server:
        llm_at(server.base_url).ask(ASKED, Reply)
    (asked,) = server.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in f"{asked.body} {asked.path}"


def test_nothing_compressed_is_asked_for(llm_at: Any) -> None:
    with serving(OK) as server:
        llm_at(server.base_url).ask(ASKED, Reply)
    assert server.asked[0].headers["accept-encoding"] == "identity"


def test_a_key_that_somebody_wrote_into_a_prompt_is_not_sent_there(llm_at: Any, tmp_path: Path) -> None:
    with serving(OK) as server:
        llm_at(server.base_url).ask((user(f"My key is {KEY}, which slot?"),), Reply)
    assert KEY not in str(server.asked[0].body)
    assert all(KEY not in path.read_text() for path in tmp_path.rglob("*.json"))


def test_an_address_that_only_a_record_names_gets_nothing_of_this_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"x-gateway: {KEY}")
    with serving(OK, refuses(401, "who are you?")) as server:
        recorded = LlmSettings(model="m", base_url=server.base_url)
        endpoint = endpoint_of(recorded, os.environ, recorded=True)
        assert endpoint is not None
        with Llm(endpoint, tmp_path) as llm:
            assert llm.ask((user("Which slot, without a key?"),), Reply).reply.width == 8
            outage = outage_of(llm)
        headers = {name for asked in server.asked for name in asked.headers}
        assert len(server.asked) == 2
        assert KEY not in str(server.asked)
    assert not {"authorization", "openai-organization", "x-gateway"} & headers
    assert "OPENAI_BASE_URL" in outage.message


def test_the_hosted_service_is_not_asked_without_a_key(llm_at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was sent")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    outage = outage_of(llm_at(HOSTED, key=""))
    assert (outage.kind, outage.lasting) == ("key", True)


def test_nothing_is_sent_once_the_time_is_over(llm_at: Any) -> None:
    with serving(refuses(500, "oops")) as server:
        outage = outage_of(llm_at(server.base_url, timeout_seconds=0.2))
        assert outage.kind == "server"
        time.sleep(1.0)  # the client wants to try again half a second later, when nobody waits for it any more
        assert len(server.asked) == 1


def test_a_wait_that_is_too_long_is_not_begun(llm_at: Any) -> None:
    with serving(refuses(429, "wait", retry_after="60")) as server:
        started = time.monotonic()
        assert outage_of(llm_at(server.base_url, timeout_seconds=5)).kind == "rate_limit"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("step", [refuses(500, "oops"), starts_and_drips(200)], ids=["wants to retry", "drips"])
def test_a_call_that_was_given_up_ends_its_thread(step: Step, llm_at: Any) -> None:
    before = set(threading.enumerate())
    with serving(step) as server:
        outage_of(llm_at(server.base_url, timeout_seconds=0.2))
        time.sleep(1.0)
        assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "llm-call"]


def test_a_prompt_with_half_characters_can_be_sent(llm_at: Any) -> None:
    with serving(OK) as server:
        assert llm_at(server.base_url).ask((user("gro\ud800wth"),), Reply).reply.width == 8
