"""Whatever a server does, asking ends in time, in a typed reply or a typed failure, and nothing written has the key."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from forms import TOOLS, Reply
from misbehaviours import CASES, KEY, Case
from scripted_server import serving

from archsearch.llm.messages import system, user
from archsearch.llm.outage import Outage

ASKED = (system("You propose models."), user("Which slot?"))


def outcome(llm: Any, case: Case) -> Any:
    tools = TOOLS if case.tool_calls else ()
    try:
        return llm.ask(ASKED, Reply, tools=tools, tool_calls=case.tool_calls)
    except Outage as outage:
        return outage


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_misbehaviour_ends_well(case: Case, llm_at: Any, tmp_path: Path) -> None:
    with serving(*case.steps) as server:
        llm = llm_at(server.base_url, **case.settings)
        started = time.monotonic()
        found = outcome(llm, case)
        seconds = time.monotonic() - started
        asked = list(server.asked)
    assert seconds < case.seconds
    check(found, case)
    assert case.requests in (None, len(asked)), [item.rung for item in asked]
    written = list(written_below(tmp_path))
    assert not [path for path, text in written if KEY[:10] in text]
    assert KEY[:10] not in f"{found!r} {found}"
    assert len(written) >= 1, "what was asked is in the record, whatever came of it"


def check(found: Any, case: Case) -> None:
    if case.kind is not None:
        assert isinstance(found, Outage), found
        assert found.kind == case.kind, str(found)
        assert case.told in str(found)
        assert found.message
        assert found.remedy
        return
    assert not isinstance(found, Outage), str(found)
    assert (found.reply.slot, found.reply.width) == (case.slot, 8)
    assert found.rung == case.rung
    assert tuple(use.name for use in found.tools) == case.uses
    assert bool(found.usage.estimated) == case.estimated
    assert found.usage.total > 0


def written_below(folder: Path) -> Any:
    return ((path, path.read_text()) for path in folder.rglob("*") if path.is_file())
