"""`archsearch review` without a dialogue: as JSON, by options, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from review_runs import BY_HAND
from typer.testing import CliRunner

from archsearch.cli.main import app
from archsearch.problem.loading import load_problem
from archsearch.review.card import Card
from archsearch.review.wishing import wish_for
from archsearch.study.record import Ban, Decision
from archsearch.study.store import Study


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str


def review(study: Study, *arguments: str | Path, typed: str = "") -> Told:
    line = ["review", str(study.folder), *map(str, arguments)]
    result = CliRunner().invoke(app, line, input=typed, env={"COLUMNS": "100", "ARCHSEARCH_PERSON": "ann"})
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return Told(result.exit_code, result.stdout, result.stderr)


def decision(study: Study, number: int) -> Decision | None:
    return study.proposals()[number].decision


def test_json_lists_the_cards_that_wait_and_nothing_else(study: Study) -> None:
    told = review(study, "--json")
    document = json.loads(told.out)
    assert (told.code, document["run"]) == (0, study.id)
    cards = [Card.model_validate(item) for item in document["waiting"]]
    assert [(card.number, card.state) for card in cards] == [(number, "waiting") for number in (5, 6, 7, 8)]


def test_one_number_shows_one_card_and_decides_nothing(study: Study) -> None:
    shown = review(study, "7")
    assert shown.code == 0
    assert "Proposal 7: waits for a decision" in shown.out
    assert Card.model_validate(json.loads(review(study, "3", "--json").out)).error == 0.4567
    assert decision(study, 7) is None


def test_decisions_by_options(study: Study, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BY_HAND.replace("hidden=(4,)", "hidden=(6,)"))
    assert review(study, "5", "--approve", "--why", "worth it").out == "Number 5 is approved.\n"
    assert review(study, "6", "--reject", "too blind").out == "Number 6 is rejected: too blind\n"
    edited = json.loads(review(study, "7", "--edit", file, "--why", "larger", "--json").out)
    assert edited["child"] == 9
    assert edited["decision"]["by"] == "ann"
    assert decision(study, 5) == Decision(approved=True, by="ann", reason="worth it")
    assert decision(study, 6) == Decision(approved=False, by="ann", reason="too blind")
    assert decision(study, 9) == Decision(approved=True, by="ann", reason="larger")
    assert study.proposals()[9].candidate.author == "ann"


def test_who_approves_against_a_ban_is_told_so(study: Study) -> None:
    wish_for(study, load_problem("hare_lynx").space, Ban(name="hunting"), "ann")
    told = review(study, "5", "--approve").out
    assert told == ("Number 5 is approved, against what stands: It fills the slot 'hunting', which is banned.\n")
    assert decision(study, 5) == Decision(approved=True, by="ann", reason="")


def test_what_was_decided_already_is_refused_with_by_whom(study: Study) -> None:
    review(study, "5", "--reject", "no")
    again = review(study, "5", "--approve")
    assert (again.code, again.out) == (2, "")
    assert "decided already: refused by ann" in again.err
    assert decision(study, 5) == Decision(approved=False, by="ann", reason="no")


def test_an_edit_with_errors_is_refused_with_all_of_them(study: Study, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BY_HAND.replace("self.luck(x.lynx)", "self.look(x.lynx)").replace('"death"', '"deth"'))
    told = review(study, "7", "--edit", file)
    assert told.code == 2
    assert "look" in told.err
    assert "deth" in told.err
    assert decision(study, 7) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("5", "--approve", "--reject", "no"), "found several"),
        (("--approve",), "needs the NUMBER"),
        (("99", "--approve"), "no proposal 99"),
        (("99",), "no proposal 99"),
        (("5", "--reject", " "), "expected a reason"),
        (("5", "--edit", "/no/such/file.py"), "does not exist"),
        (("many",), "expected a whole number"),
    ],
)
def test_wrong_requests_are_refused_and_decide_nothing(study: Study, arguments: tuple[str, ...], said: str) -> None:
    told = review(study, *arguments)
    assert told.code == 2
    assert said in told.err
    assert decision(study, 5) is None


def test_without_a_terminal_lines_are_read_and_their_end_is_no_yes(study: Study) -> None:
    told = review(study, typed="s\nr too blind\n")
    assert told.code == 0
    assert "Number 6 is rejected: too blind" in told.out
    assert told.out.endswith("3 still wait.\n")
    assert [decision(study, number) is None for number in (5, 6, 7, 8)] == [True, False, True, True]
    nothing = review(study)
    assert nothing.out.endswith("3 still wait.\n")
