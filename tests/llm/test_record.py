"""What is written, what is never paid for twice, and what a replay repeats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from forms import TOOLS, Reply
from misbehaviours import KEY, NO_FORMAT, OK, PROSE, TEXT
from scripted_server import call, refuses, replies, says, serving

from archsearch.errors import RunError
from archsearch.llm.messages import system, user
from archsearch.llm.outage import Outage
from archsearch.settings import Price

ASKED = (system("You propose models."), user("Which slot?"))
NOWHERE = "http://127.0.0.1:9/v1"
PRICES = {"m": Price(input="1.25", output="10")}


def test_the_same_question_is_asked_once(llm_at: Any) -> None:
    with serving(OK) as server:
        llm = llm_at(server.base_url)
        first, second = llm.ask(ASKED, Reply), llm.ask(ASKED, Reply)
        assert len(server.asked) == 1
    assert (first.replayed, second.replayed) == (False, True)
    assert (first.reply, first.usage, first.seconds) == (second.reply, second.usage, second.seconds)
    assert llm.ledger.calls == 1


def test_another_occasion_is_another_question(llm_at: Any) -> None:
    with serving(OK) as server:
        llm = llm_at(server.base_url)
        for occasion in "ab":
            llm.ask(ASKED, Reply, occasion=occasion)
        assert len(server.asked) == 2


def test_a_run_that_is_resumed_pays_for_nothing_twice_and_knows_what_it_paid(llm_at: Any) -> None:
    with serving(OK) as server:
        before = llm_at(server.base_url, prices=PRICES)
        before.ask(ASKED, Reply, occasion="a")
        before.ask(ASKED, Reply, occasion="b")
        after = llm_at(server.base_url, prices=PRICES)
        assert (after.ledger.calls, after.ledger.usage, after.ledger.cost) == (
            2,
            before.ledger.usage,
            before.ledger.cost,
        )
        after.ask(ASKED, Reply, occasion="b")
        assert len(server.asked) == 2


def test_a_run_that_is_resumed_asks_again_what_failed_for_a_while(llm_at: Any) -> None:
    with serving(refuses(500, "oops", retry_after_ms="1"), OK) as server:
        with pytest.raises(Outage):
            llm_at(server.base_url, retries=0).ask(ASKED, Reply)
        assert llm_at(server.base_url).ask(ASKED, Reply).reply.width == 8


def talk(llm: Any) -> list[str]:
    """A conversation with everything in it: steps down, tools, a repair, an outage."""
    said = []
    for occasion in ("one", "two", "three", "four"):
        try:
            said.append(
                repr(llm.ask(ASKED, Reply, tools=TOOLS, tool_calls=2, occasion=occasion)).split(", replayed=")[0]
            )
        except Outage as outage:
            said.append(f"{outage.kind}: {outage}")
    return [*said, llm.ledger.told()]


def eventful() -> tuple[Any, ...]:
    look = replies(call("look", {"state": "hare"}))
    return (NO_FORMAT, look, replies(call("reply", '{"slot": 1}')), OK, look, PROSE, OK, refuses(401, f"{KEY}?"), OK)


def test_a_replay_repeats_everything_without_a_network(llm_at: Any, tmp_path: Path) -> None:
    with serving(*eventful()) as server:
        live = talk(llm_at(server.base_url, "live", prices=PRICES))
    assert next(line.split(":")[0] for line in live if not line.startswith("Answer")) == "key"
    replayed = talk(llm_at(server.base_url, "again", replay="live", prices=PRICES))
    assert replayed == live
    assert files(tmp_path / "again") == files(tmp_path / "live")
    assert talk(llm_at(server.base_url, "third", replay="again", prices=PRICES)) == live


def test_a_replay_loads_no_client() -> None:
    import subprocess
    import sys

    code = "import sys; import archsearch.llm.client; print(sorted({'openai', 'httpx2', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_replay_asks_nobody_what_is_not_recorded(llm_at: Any) -> None:
    with serving(OK) as server:
        llm_at(server.base_url, "live").ask(ASKED, Reply)
        with pytest.raises(Outage) as raised:
            llm_at(server.base_url, "again", replay="live").ask((user("Something else?"),), Reply)
        assert (raised.value.kind, len(server.asked)) == ("not_recorded", 1)


def test_a_replay_stops_at_the_limit_where_the_run_did(llm_at: Any) -> None:
    with serving(OK) as server:
        live = talk(llm_at(server.base_url, "live", max_calls=3))
    assert sum(line.startswith("budget") for line in live) == 1
    assert talk(llm_at(server.base_url, "again", replay="live", max_calls=3)) == live


def test_a_record_says_what_it_took_and_never_with_which_key(llm_at: Any, tmp_path: Path) -> None:
    with serving(says(TEXT, model="tiny-2")) as server:
        answer = llm_at(server.base_url, prices=PRICES).ask(ASKED, Reply, occasion="first")
    record = json.loads((tmp_path / "llm" / f"{answer.records[0]}.json").read_text())
    assert {name: record[name] for name in ("version", "model", "rung", "occasion", "cost", "currency", "problem")} == {
        "version": 1,
        "model": "m",
        "rung": "json_schema",
        "occasion": "first",
        "cost": "0.0001325",
        "currency": "USD",
        "problem": None,
    }
    assert record["tokens"] == {"input": 50, "output": 7, "cached": 0, "estimated": 0}
    assert record["request"]["messages"][1] == {"role": "user", "content": "Which slot?"}
    assert record["reply"]["model"] == "tiny-2"
    assert not {"authorization", "headers", "key"} & set(json.dumps(record).lower().replace('"', " ").split())


def test_a_failure_is_recorded_with_its_reason(llm_at: Any, tmp_path: Path) -> None:
    with serving(refuses(403, "no")) as server, pytest.raises(Outage):
        llm_at(server.base_url).ask(ASKED, Reply)
    (path,) = (tmp_path / "llm").glob("*.json")
    record = json.loads(path.read_text())
    assert (record["problem"]["kind"], record["reply"], record["tokens"]) == ("key", None, None)


@pytest.mark.parametrize("text", ["", "{", '{"version": 2}', "[]", '{"version": 1}'])
def test_a_damaged_record_is_said_to_be(text: str, llm_at: Any, tmp_path: Path) -> None:
    with serving(OK) as server:
        answer = llm_at(server.base_url).ask(ASKED, Reply)
        (tmp_path / "llm" / f"{answer.records[0]}.json").write_text(text)
        with pytest.raises(RunError, match="not a record of version 1"):
            llm_at(server.base_url)


def test_a_record_that_was_half_written_is_no_record(llm_at: Any, tmp_path: Path) -> None:
    with serving(OK) as server:
        llm = llm_at(server.base_url)
        answer = llm.ask(ASKED, Reply)
        path = tmp_path / "llm" / f"{answer.records[0]}.json"
        path.rename(path.with_name(f".{path.name}.1.partial"))
        assert llm_at(server.base_url).ask(ASKED, Reply).replayed is False
        assert len(server.asked) == 2


def test_the_name_of_a_record_does_not_depend_on_how_a_server_wants_it_written(llm_at: Any) -> None:
    with serving(refuses(400, "max_tokens is unknown"), OK) as odd, serving(OK) as plain:
        there = llm_at(odd.base_url, "odd").ask(ASKED, Reply)
        here = llm_at(plain.base_url, "plain").ask(ASKED, Reply)
    assert there.records == here.records


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
