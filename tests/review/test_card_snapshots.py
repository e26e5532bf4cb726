"""What a card looks like, to the letter; `SNAPSHOTS=renew pytest tests/review` renews the pictures: look at them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from review_runs import WITH_A_LOOP, add_waiting
from rich.console import Console

from archsearch.candidate.candidate import Candidate
from archsearch.cli.card import card_lines, code_lines
from archsearch.problem.problem import Problem
from archsearch.review.desk import Desk
from archsearch.review.fit import fit_of
from archsearch.study.store import Study

SNAPSHOTS = Path(__file__).parent / "snapshots"


def shown(desk: Desk, number: int, width: int, colour: bool = False) -> str:
    """The card as a terminal of this width gets it, blanks at line ends left out."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=colour, color_system="standard" if colour else None,
        highlight=False, markup=False, no_color=not colour, legacy_windows=False,
    )  # fmt: skip
    card, parent = desk.card(number), desk.parent_of(number)
    fits = fit_of(desk.study, desk.problem, parent.number) if parent is not None else ()
    for line in card_lines(card, fits, parent.number if parent is not None else None, width):
        console.print(line)
    for line in code_lines(card):
        console.print(line)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def compare(name: str, text: str) -> None:
    path = SNAPSHOTS / name
    if os.environ.get("SNAPSHOTS") == "renew":
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("number", "name"), [(5, "net"), (7, "by_hand"), (8, "law"), (1, "net_alone"), (4, "failed")])
def test_the_card_in_80_columns_without_colour(desk: Desk, number: int, name: str) -> None:
    text = shown(desk, number, 80)
    assert max(len(line) for line in text.splitlines()) <= 80
    compare(f"{name}_80.txt", text)


def test_the_card_in_a_wide_terminal_with_colour(desk: Desk) -> None:
    compare("net_120_colour.txt", shown(desk, 5, 120, colour=True))


def test_equations_that_cannot_be_split_are_shown_line_by_line(study: Study, made: tuple[Path, Problem]) -> None:
    parent = study.proposals()[3].candidate.id
    (number,) = add_waiting(study, [Candidate(WITH_A_LOOP, "llm", "A loop.", (parent,))])
    text = shown(Desk(study, made[1]), number, 80)
    compare("loop_80.txt", text)
    assert "\n+             for _ in range(2):\n+                 growth = growth / 2\n" in text


def test_names_of_strangers_are_no_markup_and_end_no_line(study: Study, made: tuple[Path, Problem]) -> None:
    hostile = "[red]not markup[/red] \x1b[31mno escape\x1b[0m"
    (number,) = add_waiting(study, [Candidate("class Candidate(", "llm", hostile)])
    text = shown(Desk(study, made[1]), number, 80)
    assert r"[red]not markup[/red] \x1b[31mno escape" in text
    assert "\x1b" not in text
