"""What is sent on the way to an answer: one step down, one repair, one longer reply, so many tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from forms import TOOLS, Reply
from misbehaviours import GOOD, NO_FORMAT, OK, PROSE, TEXT
from scripted_server import by_rung, call, refuses, replies, says, serving

from archsearch.llm.messages import system, user
from archsearch.llm.outage import Outage

ASKED = (system("You propose models."), user("Which slot?"))
TOOL_ONLY = by_rung(NO_FORMAT, tool=replies(call("reply", GOOD)))


def test_what_worked_is_remembered(llm_at: Any) -> None:
    with serving(TOOL_ONLY) as server:
        llm = llm_at(server.base_url)
        for occasion in "abc":
            llm.ask(ASKED, Reply, occasion=occasion)
    assert [asked.rung for asked in server.asked] == ["json_schema", "tool", "tool", "tool"]


def test_what_worked_is_remembered_by_a_run_that_is_resumed(llm_at: Any) -> None:
    with serving(TOOL_ONLY) as server:
        llm_at(server.base_url).ask(ASKED, Reply, occasion="a")
        llm_at(server.base_url).ask(ASKED, Reply, occasion="b")
    assert [asked.rung for asked in server.asked] == ["json_schema", "tool", "tool"]


def test_a_parameter_that_was_refused_is_not_sent_again(llm_at: Any) -> None:
    with serving(refuses(400, "temperature is fixed"), OK) as server:
        llm = llm_at(server.base_url, temperature=0.5)
        for occasion in "ab":
            llm.ask(ASKED, Reply, occasion=occasion)
    assert ["temperature" in asked.body for asked in server.asked] == [True, False, False]


def test_only_what_was_set_is_sent(llm_at: Any) -> None:
    with serving(OK) as server:
        llm_at(server.base_url).ask(ASKED, Reply)
    assert set(server.asked[0].body) == {"model", "messages", "response_format", "max_tokens"}


def test_a_repair_names_all_that_is_wrong(llm_at: Any) -> None:
    with serving(says('{"slot": 5, "width": "wide"}'), OK) as server:
        llm_at(server.base_url).ask(ASKED, Reply)
    first, second = (asked.body["messages"] for asked in server.asked)
    assert second[: len(first)] == first
    assert second[len(first)] == {"role": "assistant", "content": '{"slot": 5, "width": "wide"}'}
    told = second[-1]["content"]
    assert "slot" in told
    assert "width" in told
    assert '"wide"' in told.replace("'", '"')


def test_a_reply_that_was_cut_off_gets_twice_the_room_once(llm_at: Any) -> None:
    with serving(says("{", "length"), OK) as server:
        llm_at(server.base_url, max_output_tokens=100).ask(ASKED, Reply)
    assert [asked.body["max_tokens"] for asked in server.asked] == [100, 200]


def test_the_form_is_told_in_words_where_the_server_is_not_told_it(llm_at: Any) -> None:
    with serving(by_rung(NO_FORMAT, text=OK)) as server:
        llm_at(server.base_url).ask(ASKED, Reply)
    told = {asked.rung: asked.body["messages"][0]["content"] for asked in server.asked}
    assert told["json_schema"] == told["tool"] == "You propose models."
    assert told["text"] == told["json_object"]
    assert told["text"].startswith("You propose models.\n\nReply with one JSON object")
    assert '"width"' in told["text"]


def test_tool_turns_follow_the_protocol(llm_at: Any) -> None:
    with serving(replies(call("look", {"state": "hare"})), OK) as server:
        answer = llm_at(server.base_url).ask(ASKED, Reply, tools=TOOLS, tool_calls=3)
    second = server.asked[1].body
    asked, told = second["messages"][-2:]
    assert asked["tool_calls"][0]["id"] == told["tool_call_id"]
    assert len(told["tool_call_id"]) == 9
    assert told["content"] == "look: hare: 1 2 3\n2 more calls are possible."
    assert [tool["function"]["name"] for tool in second["tools"]] == ["look", "break"]
    assert answer.tools[0].result == "hare: 1 2 3"


def test_tools_are_taken_away_when_their_calls_are_used_up(llm_at: Any) -> None:
    with serving(replies(call("look", {"state": "hare"})), OK) as server:
        llm_at(server.base_url).ask(ASKED, Reply, tools=TOOLS, tool_calls=1)
    assert "tools" not in server.asked[1].body
    assert "reply now" in server.asked[1].body["messages"][-1]["content"]


def test_many_calls_at_once_count_each(llm_at: Any) -> None:
    many = call("look", {"state": "hare"})
    many["choices"][0]["message"]["tool_calls"] *= 5
    with serving(replies(many), OK) as server:
        answer = llm_at(server.base_url).ask(ASKED, Reply, tools=TOOLS, tool_calls=3)
    assert len(answer.tools) == 3
    assert len(server.asked[1].body["messages"][-4]["tool_calls"]) == 3


def test_tools_work_in_words(llm_at: Any) -> None:
    in_words = says('{"tool": "look", "arguments": {"state": "lynx"}}')
    with serving(NO_FORMAT, NO_FORMAT, NO_FORMAT, in_words, OK) as server:
        answer = llm_at(server.base_url).ask(ASKED, Reply, tools=TOOLS, tool_calls=3)
    assert (answer.rung, answer.tools[0].result) == ("text", "lynx: 1 2 3")
    last = server.asked[-1].body
    assert {message["role"] for message in last["messages"]} == {"system", "user", "assistant"}
    assert "lynx: 1 2 3" in last["messages"][-1]["content"]
    assert "tools" not in last


def test_a_reply_may_come_as_a_call_beside_tools(llm_at: Any) -> None:
    step = by_rung(NO_FORMAT, tool=replies(call("reply", GOOD)))
    with serving(step) as server:
        answer = llm_at(server.base_url).ask(ASKED, Reply, tools=TOOLS, tool_calls=3)
    assert (answer.rung, answer.tools) == ("tool", ())
    assert server.asked[1].body["tool_choice"] == "required"


def test_a_long_result_is_cut(llm_at: Any) -> None:
    asks = replies(call("look", {"state": "h" * 20_000}))
    with serving(asks, OK):
        pass
    with serving(asks, OK) as server:
        answer = llm_at(server.base_url).ask(ASKED, Reply, tools=TOOLS, tool_calls=1)
    assert len(answer.tools[0].result) < 8200
    assert "more characters" in answer.tools[0].result


def test_the_worst_server_is_asked_no_more_than_promised(llm_at: Any) -> None:
    worst = by_rung(PROSE, json_schema=says("{", "length"), tool=replies(call("look", {"state": "a"})))
    with serving(says("{", "length"), PROSE, replies(call("look", {"state": "a"})), worst) as server:
        llm = llm_at(server.base_url)
        with pytest.raises(Outage):
            llm.ask(ASKED, Reply, tools=TOOLS, tool_calls=2)
    rungs, repairs, longer, tools = 4, 1, 1, 2
    assert len(server.asked) <= rungs + repairs + longer + tools


def test_more_can_be_asked_by_adding_to_a_conversation(llm_at: Any) -> None:
    with serving(OK) as server:
        llm = llm_at(server.base_url)
        first = llm.ask(ASKED, Reply)
        llm.ask((*first.conversation, user("And another?")), Reply)
    assert [message["role"] for message in server.asked[1].body["messages"]] == ["system", "user", "assistant", "user"]


def test_the_model_that_answered_is_told(llm_at: Any) -> None:
    with serving(says(TEXT, model="other-2026")) as server:
        assert llm_at(server.base_url).ask(ASKED, Reply).model == "other-2026"


def test_no_question_leaves_anything_half_written(llm_at: Any, tmp_path: Path) -> None:
    with serving(OK) as server:
        llm_at(server.base_url).ask(ASKED, Reply)
    assert not list(tmp_path.rglob("*.partial"))
