"""The session with scripted answers: wherever they end, nothing is decided."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from archsearch.cli.review import review_session
from archsearch.problem.problem import Problem
from archsearch.study.record import Decision
from archsearch.study.steering import Steering
from archsearch.study.store import Study


@pytest.fixture(autouse=True)
def drafts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a person gives up is kept, here in a folder that goes with the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def session(study: Study, problem: Problem, answers: Sequence[str], encoding: str = "utf-8") -> str:
    """What a session shows whose person gives these answers, then leaves."""
    left = list(answers)
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(file=file, width=100, highlight=False, markup=False)
    review_session(study, problem, console, lambda question: left.pop(0) if left else None)
    assert not left, f"was not asked for {left}"
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    "answers", [(), ("",), ("r",), ("h",), ("b",), ("p",), ("f",), ("d",), ("?",), ("s", "s", "s"), ("e", "e"), ("e",)]
)
def test_wherever_the_answers_end_nothing_is_decided(
    study: Study, made: tuple[Path, Problem], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answers: tuple[str, ...]
) -> None:
    broken = tmp_path / "broken.sh"
    broken.write_text('#!/bin/sh\necho "class Candidate(" > "$1"\n')
    broken.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(broken))
    assert session(study, made[1], answers).endswith("4 still wait.\n")
    assert len(Steering(study).waiting()) == 4
    assert Steering(study).wishes() == []


def test_an_edit_without_an_error_is_not_taken_before_its_reason_was_asked_for(
    study: Study, made: tuple[Path, Problem], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    editor = tmp_path / "larger.sh"
    editor.write_text('#!/bin/sh\nsed -i "s/hidden=(8,)/hidden=(9,)/" "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert "Nothing is decided. What you wrote is kept in" in session(study, made[1], ["e"])
    assert len(Steering(study).waiting()) == 4
    assert "number 9, which is approved" in session(study, made[1], ["e", ""])
    assert len(Steering(study).waiting()) == 3


def test_a_proposal_that_is_decided_while_its_source_is_edited_is_left_as_it_is(
    study: Study, made: tuple[Path, Problem], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Slow:
        def __init__(self, source: str, number: int) -> None:
            self.path, self._source, self._number = tmp_path / "draft.py", source, number

        def edit(self) -> str:
            Steering(study).decide(self._number, Decision(approved=False, by="bob", reason="faster"))
            return self._source.replace("hidden=(8,)", "hidden=(9,)")

    monkeypatch.setattr("archsearch.cli.reviewing.Draft", Slow)
    shown = session(study, made[1], ["e"])
    assert "Meanwhile: Proposal 5 is decided already: refused by bob" in " ".join(shown.split())
    assert len(study.proposals()) == 9


def test_proposals_that_come_while_a_person_reviews_are_shown_too(study: Study, made: tuple[Path, Problem]) -> None:
    from review_runs import PROFIT, add_waiting, candidate_of

    problem, asked = made[1], 0

    def answer(question: str) -> str | None:
        nonlocal asked
        asked += 1
        if asked == 2:
            add_waiting(study, [candidate_of(PROFIT, problem)])
        return "s"

    console = Console(file=io.StringIO(), width=100)
    review_session(study, problem, console, answer)
    assert asked == 5


def test_a_terminal_that_knows_no_braille_gets_the_card_without_the_picture(
    study: Study, made: tuple[Path, Problem]
) -> None:
    shown = session(study, made[1], [], encoding="ascii")
    assert "Fit of number" not in shown
    assert "NN_hunting(hare, lynx)" in shown


def test_a_run_in_which_nothing_waits_says_so(study: Study, made: tuple[Path, Problem]) -> None:
    steering = Steering(study)
    for proposal in steering.waiting():
        steering.decide(proposal.number, Decision(approved=True, by="bob"))
    assert session(study, made[1], []) == "Nothing waits for a decision.\n"


def test_the_page_on_reviewing_has_every_key_that_there_is() -> None:
    import re

    from archsearch.cli.reviewing import HELP

    page = (Path(__file__).parents[2] / "docs" / "review.md").read_text()
    told = set(re.findall(r"`(\S)(?: \[[a-z ]+\])?`", page.partition("## The keys")[2].partition("An edit")[0]))
    assert told == {line.split()[0] for line in HELP.splitlines()}
