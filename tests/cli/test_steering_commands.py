"""The commands that steer a search: one line to say it, one sentence of what will change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import TRIALS, ask

from archsearch.candidate.used import used_in
from archsearch.study.memory import EVER, StudyMemory
from archsearch.study.steering import Steering
from archsearch.study.store import Study

RUN = "first-run"


def wishes(runs: Path) -> list[str]:
    return [line.wish.kind for line in Steering(Study.open(runs / RUN)).wishes()]


def test_a_ban_says_from_when_on_and_what_stays(runs: Path) -> None:
    told = ask("ban", RUN, "predation")
    assert told.code == 0, told.err
    assert told.out.startswith(f"From proposal {TRIALS} on nothing that uses predation is proposed")
    study = Study.open(runs / RUN)
    using = [item.number for item in study.ranked() if "predation" in used_in(study.source(item.number)).terms]
    assert f"Numbers {', '.join(map(str, using))} use it and stay on the leaderboard." in told.out
    assert f"archsearch resume {RUN}" in told.out
    assert StudyMemory(study).wishes(TRIALS).bans == ("predation",)
    assert StudyMemory(study).wishes(TRIALS - 1).bans == ()


def test_what_is_banned_is_released_and_pinned_again(runs: Path) -> None:
    assert ask("ban", RUN, "hunting").code == 0
    assert "hunting is free" in ask("release", RUN, "hunting").out
    assert "everything that is proposed uses hunting" in ask("pin", RUN, "hunting").out
    now = StudyMemory(Study.open(runs / RUN)).wishes(EVER)
    assert (now.bans, now.pins) == ((), ("hunting",))


def test_a_preference_says_where_the_search_leans(runs: Path) -> None:
    told = ask("prefer", RUN, "3", "0", "--because", "hares hide")
    assert told.code == 0, told.err
    assert f"From proposal {TRIALS} on the search leans towards" in told.out
    assert "away from predation" in told.out
    assert "Scores and ranking stay as they are." in told.out
    now = StudyMemory(Study.open(runs / RUN)).wishes(EVER)
    assert (now.preferences, now.reasons) == (((3, 0),), ("hares hide",))


def test_a_hint_to_a_search_without_llm_is_only_kept(runs: Path) -> None:
    told = ask("hint", RUN, "Hares hide in winter.")
    assert told.code == 0
    assert "asks no LLM" in told.out
    assert StudyMemory(Study.open(runs / RUN)).wishes(EVER).hints == ("Hares hide in winter.",)


def test_json_is_one_document(runs: Path) -> None:
    told = ask("pin", RUN, "logistic", "--json")
    document = json.loads(told.out)
    assert document["run"] == RUN
    assert document["wish"] == {"kind": "pin", "name": "logistic"}
    assert document["from"] == TRIALS
    assert set(document) == {"run", "wish", "by", "from", "consequence"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("ban", RUN, "preditation"), "did you mean 'predation'?"),
        (("ban", RUN, "growth"), "is trusted, so every proposal keeps it"),
        (("pin", RUN, "nothing_like_it"), "Choose one of: growth, predation"),
        (("release", RUN, "hunting"), "'hunting' is neither banned nor pinned."),
        (("prefer", RUN, "0", "99"), "no candidate in first-run called '99'"),
        (("prefer", RUN, "0", "0"), "Expected two different candidates"),
        (("hint", RUN, "  "), "Expected a hint in words"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_remembered(
    runs: Path, line: tuple[str, ...], message: str
) -> None:
    told = ask(*line)
    assert told.code == 2
    assert message in told.err
    assert wishes(runs) == []


def test_a_pin_against_a_pin_is_refused_with_the_way_out(runs: Path) -> None:
    assert ask("pin", RUN, "saturating_predation").code == 0
    told = ask("pin", RUN, "sigmoid_predation")
    assert told.code == 2
    assert "nothing is left to propose" in told.err
    assert "archsearch release RUN saturating_predation" in told.err
    assert wishes(runs) == ["pin"]


def test_a_resumed_search_follows_what_was_said(runs: Path) -> None:
    assert ask("pin", RUN, "sigmoid_predation").code == 0
    assert ask("resume", RUN, "--trials", str(TRIALS + 2)).code == 0
    study = Study.open(runs / RUN)
    later = [study.source(item.number) for item in study.evaluations() if item.number >= TRIALS]
    assert len(later) == 2
    assert all("sigmoid_predation" in used_in(source).terms for source in later)
