"""The page on LLMs says what there is."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path

from archsearch.llm.budget import estimate
from archsearch.llm.messages import LADDER
from archsearch.llm.outage import KINDS, LASTING
from archsearch.llm.own_settings import own_settings
from archsearch.llm.record import Exchange
from archsearch.llm.wire import LARGEST
from archsearch.settings import LlmSettings, Price

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "llm.md").read_text()


def rows(after: str) -> dict[str, list[str]]:
    """The rows of the first table after a heading, by what their first cell names."""
    table = re.search(r"(?:^\|.*\n)+", PAGE.split(f"{after}\n", 1)[1], re.MULTILINE)
    assert table is not None
    cells = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table[0].splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_every_kind_of_outage_has_its_row_and_those_that_last_are_named() -> None:
    assert tuple(sorted(rows("## When it does not answer"))) == tuple(sorted(KINDS))
    told = re.search(r"^After (.*) the LLM is not asked again", PAGE, re.MULTILINE)
    assert told is not None
    assert set(re.findall(r"`(\w+)`", told[1])) == LASTING
    assert f"{LARGEST // 2**20} MiB" in PAGE


def test_every_way_of_asking_has_its_row() -> None:
    assert tuple(rows("## How it is asked")) == LADDER


def test_every_key_of_a_record_has_its_row() -> None:
    assert list(rows("## What is recorded")) == list(Exchange.model_fields)


def test_every_setting_has_its_row_with_its_default() -> None:
    told, elsewhere = rows("## What it costs"), ("model", "base_url")
    fields = {name: field.default for name, field in LlmSettings.model_fields.items() if name not in elsewhere}
    assert set(told) == set(fields)
    for name, (default, _) in told.items():
        said = default.strip("`")
        assert fields[name] in (None, {}) if said in ("none", "not sent") else str(fields[name]) in (said, f"{said}.0")


def test_the_example_is_a_file_that_can_be_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "llm.toml").write_text(text)
    found = own_settings(tmp_path / "llm.toml")
    assert found.max_cost == Decimal("2.00")
    assert len(tomllib.loads(text)["prices"]) == len(found.prices) == 1


def test_the_example_of_a_cost_is_what_the_estimate_says() -> None:
    settings = LlmSettings(model="m", prices={"m": Price(input=1, output=4)})
    told = estimate(settings, 13, "x" * 3 * 5500)
    assert told.usage.total == 91_000
    assert "91 000 tokens, or 0.15 USD" in PAGE
    assert told.cost is not None
    assert round(told.cost, 2) == Decimal("0.15")
