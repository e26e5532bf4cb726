"""What most tests of this room ask for and with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from misbehaviours import KEY

from archsearch.llm.client import Llm
from archsearch.llm.endpoint import endpoint_of
from archsearch.settings import LlmSettings


@pytest.fixture
def llm_at(tmp_path: Path) -> Any:
    """Makes an LLM at an address; all that is written lies below `tmp_path`."""
    made: list[Llm] = []

    def make(base_url: str, folder: str = "llm", replay: str | None = None, key: str = KEY, **settings: Any) -> Llm:
        named = LlmSettings(model="m", base_url=base_url, **{"timeout_seconds": 5.0, **settings})
        endpoint = endpoint_of(named, {"OPENAI_API_KEY": key})
        assert endpoint is not None
        made.append(Llm(endpoint, tmp_path / folder, tmp_path / replay if replay else None))
        return made[-1]

    yield make
    for llm in made:
        llm.close()
