"""Whom an LLM is asked for, and to whom a key may go."""

from __future__ import annotations

import pytest

from archsearch.errors import RequestError
from archsearch.llm.endpoint import HOSTED, Endpoint, endpoint_of
from archsearch.settings import LlmSettings, Price

KEY = "sk-0123456789"
MINE = "http://localhost:11434/v1"
THEIRS = "https://collector.example/v1"


def found(settings: LlmSettings, environment: dict[str, str], **more: object) -> Endpoint:
    endpoint = endpoint_of(settings, environment, **more)  # type: ignore[arg-type]
    assert endpoint is not None
    return endpoint


def test_no_model_is_no_endpoint() -> None:
    assert endpoint_of(LlmSettings(), {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": MINE}) is None


def test_flags_go_before_settings_and_settings_before_the_environment() -> None:
    environment = {"ARCHSEARCH_LLM_MODEL": "third", "OPENAI_BASE_URL": "http://third/v1"}
    assert str(found(LlmSettings(), environment)) == "third at http://third/v1"
    settings = LlmSettings(model="second", base_url="http://second/v1")
    assert str(found(settings, environment)) == "second at http://second/v1"
    assert str(found(settings, environment, model="first", base_url="http://first/v1")) == "first at http://first/v1"


def test_the_settings_of_an_endpoint_say_where_it_is_and_never_its_key() -> None:
    endpoint = found(LlmSettings(), {"ARCHSEARCH_LLM_MODEL": "m", "OPENAI_BASE_URL": MINE, "OPENAI_API_KEY": KEY})
    assert (endpoint.settings.model, endpoint.settings.base_url, endpoint.key) == ("m", MINE, KEY)
    assert KEY not in f"{endpoint} {endpoint!r} {endpoint.settings.model_dump_json()}"


def test_settings_survive_being_written() -> None:
    settings = LlmSettings(model="m", prices={"m": Price(input="0.15", output="0.6")}, max_cost="2.50")
    assert LlmSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("environment", "flag", "key"),
    [
        ({}, None, ""),
        ({"OPENAI_BASE_URL": MINE}, None, ""),
        ({"OPENAI_BASE_URL": THEIRS}, None, KEY),
        ({"OPENAI_BASE_URL": f"{THEIRS}/"}, None, KEY),
        ({}, THEIRS, KEY),
    ],
)
def test_a_run_folder_from_elsewhere_cannot_send_the_key_somewhere(
    environment: dict[str, str], flag: str | None, key: str
) -> None:
    recorded = LlmSettings(model="m", base_url=THEIRS)
    endpoint = found(recorded, {**environment, "OPENAI_API_KEY": KEY}, base_url=flag, recorded=True)
    assert (endpoint.base_url, endpoint.key) == (THEIRS, key)


@pytest.mark.parametrize("base_url", [None, HOSTED])
def test_a_run_of_the_hosted_service_keeps_its_key(base_url: str | None) -> None:
    recorded = LlmSettings(model="m", base_url=base_url)
    assert found(recorded, {"OPENAI_API_KEY": KEY}, recorded=True).key == KEY


@pytest.mark.parametrize(
    "address",
    [
        "localhost:11434",
        "ftp://localhost/v1",
        "http://",
        "http://user:secret@host/v1",
        "http://host/v1?key=secret",
        "http://host/v1#secret",
        "http://[host/v1",
        "http://host:port/v1",
        "http://ho st/v1",
    ],
)
def test_an_address_that_cannot_be_one_is_one_clear_error(address: str) -> None:
    with pytest.raises(RequestError, match="base URL") as raised:
        endpoint_of(LlmSettings(model="m"), {"OPENAI_BASE_URL": address})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("key", ["sk-with space-1", "sk-ключ-123", "sk-line\nbreak-1"])
def test_a_key_that_cannot_be_sent_is_one_clear_error_without_it(key: str) -> None:
    with pytest.raises(RequestError, match="OPENAI_API_KEY") as raised:
        endpoint_of(LlmSettings(model="m"), {"OPENAI_API_KEY": key})
    assert key not in str(raised.value)


def test_what_copying_leaves_around_a_key_is_no_part_of_it() -> None:
    assert found(LlmSettings(model="m"), {"OPENAI_API_KEY": f" {KEY}\n"}).key == KEY


def test_a_word_that_stands_for_no_key_is_not_taken_out_of_texts() -> None:
    endpoint = found(LlmSettings(model="m"), {"OPENAI_API_KEY": "ollama"})
    assert endpoint.scrubbed("an ollama server") == "an ollama server"


def test_an_empty_environment_variable_is_none() -> None:
    assert endpoint_of(LlmSettings(), {"ARCHSEARCH_LLM_MODEL": " "}) is None


def test_a_limit_in_money_for_a_model_without_a_price_is_one_clear_error() -> None:
    with pytest.raises(RequestError, match="needs a price for 'm'"):
        endpoint_of(LlmSettings(max_cost="1"), {"ARCHSEARCH_LLM_MODEL": "m"})


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        (MINE, "on this machine"),
        ("http://127.0.0.1:8000/v1", "on this machine"),
        ("http://[::1]:8000/v1", "on this machine"),
        (THEIRS, "elsewhere, encrypted"),
        ("http://127.example.org/v1", "elsewhere, NOT encrypted"),
        ("http://cluster:8000/v1", "elsewhere, NOT encrypted"),
    ],
)
def test_how_far_a_prompt_goes(address: str, reach: str) -> None:
    assert found(LlmSettings(model="m", base_url=address), {}).reach == reach
