from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

HARES = """
[problem]
title = "Hares and lynx"
time_unit = "yr"
counting_units = ["hare", "lynx"]

[data]
file = "data.csv"
time = "time"

[split]
by = "time"
validation_from = 4
test_from = 6

[[states]]
name = "hare"
unit = "hare"
positive = true

[[states]]
name = "lynx"
unit = "lynx"
initial = { low = 1.0, high = 9.0 }

[[inputs]]
name = "hunting"
unit = "1/yr"

[[parameters]]
name = "growth_rate"
value = 0.5
low = 0.0
high = 2.0
unit = "1/yr"

[[parameters]]
name = "attack_rate"
value = 0.02
low = 0.0
unit = "1/(yr*lynx)"

[[terms]]
name = "pressure"
expression = "attack_rate * lynx"
trust = "suspect"

[[terms]]
name = "growth"
expression = "growth_rate * hare"
equations = { hare = "+" }

[[terms]]
name = "predation"
expression = "pressure * hare"
equations = { hare = "-" }
trust = "suspect"

[[library]]
name = "hunted"
expression = "hunting * hare"
equations = { hare = "-" }

[[library]]
name = "constant_pressure"
expression = "growth_rate"
replaces = "pressure"

[[slots]]
name = "hidden_food"
equation = "lynx"
inputs = ["hare", "lynx"]

[[slots]]
name = "appetite"
parameter = "attack_rate"
roles = ["scale"]
inputs = ["hare"]
structure = { positive = true, monotone = { hare = "-" }, zero_at = { hare = 0 } }

[[constraints]]
name = "alive"
expression = "hare >= 0"

[objective]
states = ["hare"]
"""

DATA = """time,hare,lynx,hunting
0,30,4,0.1
1,47.2,6.1,0.1
2,70.2,,0.1
3.5,77.4,35.2,0.2
4,36.3,59.4,0.2
5,20.6,41.7,0.2
6,18.1,19,0.2
7,21.4,13,0.2
"""

MakeSpace = Callable[[str, str], Path]


@pytest.fixture
def hares() -> str:
    """A space file in which nothing is wrong and nearly everything occurs."""
    return HARES


@pytest.fixture
def hare_data() -> str:
    return DATA


@pytest.fixture
def make_space(tmp_path: Path) -> MakeSpace:
    """Writes a space file and its data into a folder of their own."""

    def make(space: str = HARES, data: str = DATA) -> Path:
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        (folder / "space.toml").write_text(space, encoding="utf-8")
        (folder / "data.csv").write_text(data, encoding="utf-8")
        return folder

    return make
