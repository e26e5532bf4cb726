"""What persons did is on the page: who, what, why; a ban marks and never deletes; no text of theirs becomes markup."""

from __future__ import annotations

import re

import pytest
from report_runs import HINT
from test_report_html import Page

from archsearch.cli.output import console
from archsearch.cli.tables import leaderboard_table
from archsearch.problem.problem import Problem
from archsearch.report.bans import bans_of, marks_of
from archsearch.report.html import report_html
from archsearch.report.leaderboard import rows_of
from archsearch.report.persons import acts_of
from archsearch.study.record import Ban, Pin, Release
from archsearch.study.steering import Steering
from archsearch.study.store import Study


@pytest.fixture
def html(steered: Study, problem: Problem) -> str:
    return report_html(steered, problem)


def test_every_decision_and_wish_is_told_with_who_and_why(html: str) -> None:
    text = Page(html).text
    for told in (
        "anna refused number 6 Crowding is added. Hares never crowd here.",
        "anna banned profit",
        "gave a hint Lynx starve",
        "anna preferred number 2 to number 4 keeps the physics",
        "bert pinned growth",
    ):
        assert told in text
    assert len(re.findall(r"from number 7 on", text)) == 4


def test_acts_are_in_the_order_of_time(steered: Study) -> None:
    found = acts_of(steered)
    assert [act.at for act in found] == sorted(act.at for act in found)
    assert [act.what.split()[0] for act in found] == ["refused", "banned", "gave", "preferred", "pinned"]


def test_a_banned_candidate_is_marked_and_still_there(steered: Study, html: str) -> None:
    rows = rows_of(steered)
    assert [row.number for row in rows] == [3, 2, 0, 1, 4, 5], "nothing left the leaderboard"
    assert [row.mark for row in rows] == ["banned by anna", "", "", "", "", ""], "baselines are exempt"
    assert "It is banned by anna; the best that breaks no ban is number 2, 0.7345." in Page(html).text


def test_the_terminal_marks_it_too(steered: Study) -> None:
    out = console()
    with out.capture() as captured:
        out.print(leaderboard_table(steered))
    assert captured.get().count("banned by anna") == 1


def test_a_ban_that_is_taken_back_marks_nothing(steered: Study) -> None:
    steering = Steering(steered)
    steering.wish(Release(name="profit"), "carl")
    assert marks_of(steered) == {}
    steering.wish(Ban(name="hunting"), "anna")
    steering.wish(Pin(name="hunting"), "bert")
    assert bans_of(steering.wishes()) == {}


def test_hostile_text_of_persons_stays_text(html: str) -> None:
    assert HINT in Page(html).text
    assert "<b>bert</b>" in Page(html).text
    assert "<script" not in html
    assert "<b>bert" not in html


def test_a_run_without_persons_says_so(study: Study, problem: Problem) -> None:
    assert "No person decided or wished anything in this run." in Page(report_html(study, problem)).text
