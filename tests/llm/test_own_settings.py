"""`llm.toml`: what a person sets for every search."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from archsearch.errors import RequestError
from archsearch.llm.own_settings import own_settings
from archsearch.settings import LlmSettings, Price

WELL = """
max_cost = 2.10
timeout_seconds = 60
temperature = 0.3
currency = "EUR"

[prices."org/model-7"]
input = 0.1
output = 0.30
"""


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    assert own_settings(tmp_path / "llm.toml") == LlmSettings()


def test_prices_are_the_decimals_that_were_written(tmp_path: Path) -> None:
    (tmp_path / "llm.toml").write_text(WELL)
    found = own_settings(tmp_path / "llm.toml")
    assert found.prices == {"org/model-7": Price(input=Decimal("0.1"), output=Decimal("0.30"))}
    assert (found.max_cost, found.timeout_seconds, found.temperature) == (Decimal("2.10"), 60.0, 0.3)


def test_the_file_lies_where_prompts_of_ones_own_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "archsearch").mkdir()
    (tmp_path / "archsearch" / "llm.toml").write_text("max_calls = 7")
    assert own_settings().max_calls == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_call = 5", ["max_call", "did you mean 'max_calls'"]),
        ("max_calls = 0\nretries = 99", ["max_calls", "retries"]),
        ("api_key = 'sk-1'", ["no such setting"]),
        ("model = 'm'", ["--llm-model"]),
        ("base_url = 'http://x/v1'", ["OPENAI_BASE_URL"]),
        ("[prices.m]\ninput = 1", ["prices.m.output"]),
        ("[prices.m]\ninput = nan\noutput = 1", ["prices.m.input"]),
        ("max_calls = ", ["TOML"]),
    ],
)
def test_what_is_wrong_is_told(text: str, told: list[str], tmp_path: Path) -> None:
    (tmp_path / "llm.toml").write_text(text)
    with pytest.raises(RequestError) as raised:
        own_settings(tmp_path / "llm.toml")
    assert all(word in str(raised.value) for word in told), str(raised.value)
