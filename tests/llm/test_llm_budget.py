"""Calls, tokens and money: counted exactly, reserved before a call, and never nothing because nobody knows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from forms import Reply
from hypothesis import given
from hypothesis import strategies as st
from misbehaviours import OK, TEXT
from scripted_server import refuses, says, serving

from archsearch.llm.budget import Ledger, cost_of, estimate, tokens_in
from archsearch.llm.messages import Usage, user
from archsearch.llm.outage import Outage
from archsearch.settings import LlmSettings, Price

ASKED = (user("Which slot?"),)
PRICE = Price(input="0.1", output="0.7", cached="0.01")


def test_ten_thousand_small_amounts_add_up_exactly() -> None:
    ledger = Ledger(LlmSettings(model="m", prices={"m": PRICE}))
    for _ in range(10_000):
        ledger.count(Usage(1, 1))
    assert ledger.cost == Decimal("0.008")


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7))
def test_cached_input_is_never_more_than_input(given_: int, got: int, cached: int) -> None:
    cost = cost_of(Usage(given_, got, cached), PRICE)
    assert cost is not None
    lowest = (given_ * Decimal("0.01") + got * Decimal("0.7")) / 10**6
    assert lowest <= cost <= (given_ * Decimal("0.1") + got * Decimal("0.7")) / 10**6


def test_an_unknown_price_is_not_nothing() -> None:
    assert cost_of(Usage(10, 10), None) is None
    ledger = Ledger(LlmSettings(model="m"))
    ledger.count(Usage(10, 10))
    assert "not known" in ledger.told()
    assert "not known" in str(estimate(LlmSettings(model="m"), 5, "prompt"))


def test_a_limit_in_money_needs_a_price() -> None:
    with pytest.raises(ValueError, match="needs a price"):
        LlmSettings(model="m", max_cost="1")


@pytest.mark.parametrize("price", [-1, "NaN", "Infinity", "free"])
def test_a_price_is_a_finite_amount(price: object) -> None:
    with pytest.raises(ValueError, match="input"):
        Price.model_validate({"input": price, "output": 1})


def refused_after(calls: int, llm_at: Any, **settings: Any) -> Outage:
    """The outage that comes after so many calls, and no request with it."""
    with serving(OK) as server:
        llm = llm_at(server.base_url, **settings)
        for occasion in range(calls):
            llm.ask(ASKED, Reply, occasion=str(occasion))
        with pytest.raises(Outage) as raised:
            llm.ask(ASKED, Reply, occasion="one too many")
        assert len(server.asked) == calls
    assert raised.value.lasting
    return raised.value


def test_calls_are_limited(llm_at: Any) -> None:
    outage = refused_after(2, llm_at, max_calls=2)
    assert (outage.kind, "2 calls" in outage.message) == ("budget", True)


def test_tokens_are_limited_before_the_call_that_would_pass_the_limit(llm_at: Any) -> None:
    assert refused_after(0, llm_at, max_tokens=1000, max_output_tokens=1000).kind == "budget"
    assert refused_after(1, llm_at, max_tokens=1380, max_output_tokens=1200, folder="more").kind == "budget"


def test_money_is_limited(llm_at: Any) -> None:
    dear = {"m": Price(input=0, output=1000)}
    outage = refused_after(1, llm_at, prices=dear, max_cost=Decimal("0.105"), max_output_tokens=100)
    assert "max_cost" in outage.remedy


def test_what_was_reserved_is_given_back(llm_at: Any) -> None:
    with serving(OK, refuses(400, "no"), refuses(401, "no")) as server:
        llm = llm_at(server.base_url)
        llm.ask(ASKED, Reply)
        assert llm.ledger.usage == Usage(50, 7)
        with pytest.raises(Outage):
            llm.ask(ASKED, Reply, occasion="again")
    assert (llm.ledger.calls, llm.ledger.usage) == (3, Usage(50, 7))


def test_a_call_that_may_have_been_charged_is_counted_as_reserved(llm_at: Any) -> None:
    with serving(says("<html>")) as server:
        server.steps = [lambda exchange, asked: exchange.server.stopping.wait(2)]
        llm = llm_at(server.base_url, timeout_seconds=0.2, max_output_tokens=500)
        with pytest.raises(Outage):
            llm.ask(ASKED, Reply)
    assert llm.ledger.usage.output == 500
    assert llm.ledger.usage.estimated == llm.ledger.usage.total


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": True, "completion_tokens": 5}, [1], "many"])
def test_tokens_that_are_not_reported_are_estimated_upwards(usage: object, llm_at: Any) -> None:
    with serving(says(TEXT, usage=usage)) as server:
        answer = llm_at(server.base_url, prices={"m": PRICE}).ask(ASKED, Reply)
        sent = json.dumps(server.asked[0].body)
    assert answer.usage.input >= len(sent) / 4
    assert answer.usage.output >= len(TEXT) / 4
    assert answer.usage.estimated == answer.usage.total
    assert answer.cost is not None
    assert answer.cost > 0


def test_unseen_reasoning_counts(llm_at: Any) -> None:
    usage = {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 1057}
    with serving(says(TEXT, usage=usage)) as server:
        assert llm_at(server.base_url).ask(ASKED, Reply).usage == Usage(50, 1007)


def test_cached_tokens_are_counted(llm_at: Any) -> None:
    usage = {"prompt_tokens": 50, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 40}}
    with serving(says(TEXT, usage=usage)) as server:
        answer = llm_at(server.base_url, prices={"m": PRICE}).ask(ASKED, Reply)
    assert answer.usage.cached == 40
    assert answer.cost == (10 * Decimal("0.1") + 40 * Decimal("0.01") + 7 * Decimal("0.7")) / 10**6


def test_an_estimate_says_which_limit_ends_it() -> None:
    settings = LlmSettings(model="m", prices={"m": Price(input=1, output=2)}, max_calls=10)
    told = estimate(settings, 40, "x" * 3000)
    assert told.usage == Usage(40 * 1000, 40 * 1500)
    assert told.cost == Decimal("0.16")
    assert str(told) == "about 40 calls, 100000 tokens, about 0.1600 USD; the limit of 10 calls ends it earlier"


def test_tokens_of_a_text_are_not_underestimated() -> None:
    assert tokens_in("") == 0
    assert tokens_in("a cat sat on the mat") >= 6
    assert tokens_in("捕食者と被食者") >= 7
