"""The probe of an endpoint, and what `archsearch doctor` says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from misbehaviours import KEY, NO_FORMAT, PROSE, fenced
from scripted_server import Step, by_rung, call, message, refuses, replies, says, serving
from typer.testing import CliRunner

from archsearch.cli.main import app
from archsearch.llm.endpoint import endpoint_of
from archsearch.llm.outage import Outage
from archsearch.llm.probe import Probed, probe
from archsearch.settings import LlmSettings

RIGHT = {"animals": 42, "more": "newts"}
WELL = says(json.dumps(RIGHT))


def probed(step: Step) -> Probed:
    with serving(step) as server:
        endpoint = endpoint_of(LlmSettings(model="m", base_url=server.base_url, retries=0), {"OPENAI_API_KEY": KEY})
        assert endpoint is not None
        return probe(endpoint)


@pytest.mark.parametrize(
    ("step", "verdicts"),
    [
        (WELL, ["works"]),
        (by_rung(PROSE, tool=replies(call("reply", RIGHT))), ["ignored", "works"]),
        (by_rung(NO_FORMAT, json_object=WELL), ["refused", "refused", "works"]),
        (by_rung(PROSE, text=says(fenced(json.dumps(RIGHT)))), ["ignored", "ignored", "ignored", "works"]),
        (PROSE, ["ignored"] * 4),
        (NO_FORMAT, ["refused"] * 4),
    ],
)
def test_a_probe_goes_by_what_is_answered_and_not_by_the_status(step: Step, verdicts: list[str]) -> None:
    found = probed(step)
    assert [verdict for _, verdict in found.verdicts] == verdicts
    assert (found.rung is not None) == ("works" in verdicts)


def test_a_probe_asks_in_words_that_do_not_ask_for_json() -> None:
    with serving(WELL) as server:
        endpoint = endpoint_of(LlmSettings(model="m", base_url=server.base_url), {})
        assert endpoint is not None
        probe(endpoint)
    assert "json" not in str(server.asked[0].body["messages"]).lower()


def test_an_answer_of_the_right_form_may_be_wrong() -> None:
    assert probed(WELL).right
    assert not probed(says('{"animals": 41, "more": "newts"}')).right


def test_a_model_that_there_is_not_is_told_with_those_that_there_are() -> None:
    models = {"object": "list", "data": [{"id": name, "object": "model"} for name in ("lama3", "qwen")]}

    def serve(exchange: object, asked: object) -> None:
        is_list = asked.path.endswith("/models")  # type: ignore[attr-defined]
        step = replies(models) if is_list else refuses(404, "model 'llama3' not found")
        step(exchange, asked)  # type: ignore[arg-type]

    with serving(serve) as server:
        endpoint = endpoint_of(LlmSettings(model="llama3", base_url=server.base_url), {})
        assert endpoint is not None
        with pytest.raises(Outage) as raised:
            probe(endpoint)
    assert raised.value.kind == "model"
    assert "lama3, qwen; did you mean 'lama3'?" in raised.value.remedy


def doctor(tmp_path: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    cleared = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "ARCHSEARCH_LLM_MODEL": "", "COLUMNS": "300"}
    command = ["doctor", "--runs-dir", str(tmp_path), *arguments]
    told = CliRunner().invoke(app, command, env={**cleared, **environment})
    (line,) = [line for line in told.stdout.splitlines() if line.strip().startswith("llm")]
    rest = told.stdout.split(line)[1]
    return told.exit_code, " ".join(f"{line} {rest}".split())


def test_doctor_needs_no_llm(tmp_path: Path) -> None:
    code, told = doctor(tmp_path)
    assert (code, "llm ok none is named" in told) == (0, True)


def test_doctor_asks_nobody_unless_told_to(tmp_path: Path) -> None:
    with serving(WELL) as server:
        code, told = doctor(tmp_path, ARCHSEARCH_LLM_MODEL="m", OPENAI_BASE_URL=server.base_url)
        assert (code, server.asked) == (0, [])
    assert f"m at {server.base_url} (on this machine), not asked" in told


def test_doctor_says_which_way_of_asking_works(tmp_path: Path) -> None:
    with serving(by_rung(PROSE, json_object=WELL)) as server:
        code, told = doctor(
            tmp_path, "--llm", "--llm-model", "m", "--llm-base-url", server.base_url, OPENAI_API_KEY=KEY
        )
    assert code == 0
    assert "json_schema ignored, tool ignored, json_object works; tiny answered well" in told
    assert KEY not in told


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (refuses(401, f"Incorrect API key: {KEY}"), "OPENAI_API_KEY"),
        (says(None), "no typed replies"),
        (replies(message("", choices="none")), "base URL"),
    ],
)
def test_doctor_says_what_is_wrong_and_what_to_do(step: Step, said: str, tmp_path: Path) -> None:
    with serving(step) as server:
        told = doctor(tmp_path, "--llm", ARCHSEARCH_LLM_MODEL="m", OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY=KEY)
    assert told[0] == 3
    assert "llm NOT OK" in told[1]
    assert said in told[1]
    assert KEY not in told[1]


def test_doctor_was_told_to_ask_and_knows_nobody(tmp_path: Path) -> None:
    code, told = doctor(tmp_path, "--llm")
    assert (code, "ARCHSEARCH_LLM_MODEL" in told) == (3, True)


def test_doctor_tells_of_a_base_url_that_cannot_be_one(tmp_path: Path) -> None:
    code, told = doctor(tmp_path, ARCHSEARCH_LLM_MODEL="m", OPENAI_BASE_URL="localhost:11434")
    assert code == 3
    assert "OPENAI_BASE_URL" in told
