"""`archsearch review` at a terminal: every key, the end of input, other sizes, no colour, two persons at once."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest
from review_runs import BY_HAND
from review_terminal import Terminal

from archsearch.study.record import Allow, Ban, Decision, Hint, Pin, Preference
from archsearch.study.steering import Steering
from archsearch.study.store import Study

PROMPT = "? explains > "
NET, NET_OF_ONE, BY_LLM, LAW = 5, 6, 7, 8
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|38|9[0-7])(?:;\d+)*m")


class Sit(Protocol):
    def __call__(self, study: Study, columns: int = 80, more: Mapping[str, str] | None = None) -> Terminal: ...


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Sit]:
    """Starts a review at a terminal of its own, which is gone after the test."""
    open_ones: list[Terminal] = []

    def start(study: Study, columns: int = 80, more: Mapping[str, str] | None = None) -> Terminal:
        own = {"TMPDIR": str(tmp_path)} | dict(more or {})
        open_ones.append(Terminal("review", study.folder, columns=columns, more=own))
        return open_ones[-1]

    yield start
    for terminal in open_ones:
        terminal.close()


def undecided(study: Study) -> list[int]:
    return [proposal.number for proposal in Steering(study).waiting()]


def decision(study: Study, number: int) -> Decision | None:
    return study.proposals()[number].decision


def wishes(study: Study) -> list[object]:
    lines = Steering(study).wishes()
    assert {line.by for line in lines} <= {"ann"}
    return [line.wish for line in lines]


def test_every_key_with_its_words_on_the_same_line(sit: Sit, study: Study) -> None:
    terminal = sit(study, columns=150)
    assert "Proposal 5: waits for a decision" in terminal.until(PROMPT)
    assert "b [name]" in terminal.say("?", PROMPT)
    assert "+++ number 5" in terminal.say("d", PROMPT)
    assert "'x' means nothing here" in terminal.say("x", PROMPT)
    assert "'approve' means nothing here" in terminal.say("approve", PROMPT)
    assert "Noted" in terminal.say("h try seasons", PROMPT)
    assert "number 3 rather than number 0" in terminal.say("f 3 0 fewer numbers", PROMPT)
    assert "99, which is not evaluated" in terminal.say("f 99 0", PROMPT)
    assert "Expected two numbers" in terminal.say("f three none", PROMPT)
    assert "every proposal must use 'growth'" in terminal.say("p growth", PROMPT)
    assert "no proposal may use 'hunting'" in terminal.say("b hunting", PROMPT)
    assert "did you mean 'conversion'" in terminal.say("b conversio", PROMPT)
    assert "Proposal 6: waits" in terminal.say("s", PROMPT)
    assert "Number 6 is rejected: too blind" in terminal.say("r too blind", PROMPT)
    assert "Number 7 is approved." in terminal.say("a worth a try", PROMPT)
    terminal.say("q", "2 still wait.")
    assert terminal.end() == 0
    assert decision(study, NET_OF_ONE) == Decision(approved=False, by="ann", reason="too blind")
    assert decision(study, BY_LLM) == Decision(approved=True, by="ann", reason="worth a try")
    assert undecided(study) == [NET, LAW]
    assert wishes(study) == [
        Hint(text="try seasons"),
        Preference(better=3, worse=0, reason="fewer numbers"),
        Pin(name="growth"),
        Ban(name="hunting"),
    ]


def test_every_key_by_its_questions_and_enter_alone_goes_back(sit: Sit, study: Study) -> None:
    terminal = sit(study)
    terminal.until(PROMPT)
    terminal.say("", PROMPT)
    terminal.say("r", "Why? (Enter alone: back) > ")
    terminal.say("", PROMPT)
    terminal.say("h", "Hint for the proposers? (Enter alone: back) > ")
    terminal.say("", PROMPT)
    terminal.say("h", "back) > ")
    assert "Noted" in terminal.say("lynx hibernate", PROMPT)
    shown = terminal.say("b", "Which one to ban?")
    assert re.search(r"1  growth \(in this proposal\)", shown)
    place = re.search(r"(\d+)  crowding\n", shown)
    assert place is not None
    assert "no proposal may use 'crowding'" in terminal.say(place[1], PROMPT)
    assert "crowding (banned)" in terminal.say("p", "Which one to pin?")
    terminal.say("", PROMPT)
    shown = terminal.say("f", "Prefer which to which")
    assert "3  nrmse 0.4567" in shown
    assert "number 2 rather than number 1" in terminal.say("2 1", PROMPT)
    terminal.say("r", "back) > ")
    assert "Number 5 is rejected: no" in terminal.say("no", PROMPT)
    terminal.type("\x04")
    terminal.until("3 still wait.")
    assert terminal.end() == 0
    assert wishes(study) == [Hint(text="lynx hibernate"), Ban(name="crowding"), Preference(better=2, worse=1)]
    assert undecided(study) == [NET_OF_ONE, BY_LLM, LAW]


def test_l_approves_all_that_are_like_it_and_goes_on_with_the_rest(sit: Sit, study: Study) -> None:
    terminal = sit(study)
    terminal.until(PROMPT)
    shown = terminal.say("l", PROMPT)
    assert "Number 5 and 6 are approved, and so will be all of this kind: grammar, net in hunting." in " ".join(
        shown.split()
    )
    assert "Proposal 7: waits" in shown
    terminal.say("a", PROMPT)
    terminal.say("a", "Nothing waits for a decision.")
    assert terminal.end() == 0
    assert undecided(study) == []
    assert wishes(study) == [Allow(like="grammar, net in hunting")]


@pytest.mark.parametrize("keys", ["\x04", "r\n\x04", "\x03"])
def test_the_end_of_input_and_an_interrupt_leave_without_a_decision(sit: Sit, study: Study, keys: str) -> None:
    terminal = sit(study)
    terminal.until(PROMPT)
    time.sleep(0.5)  # between a prompt and the reading of the answer Python's own input() can miss an interrupt
    for key in keys.splitlines(keepends=True):
        terminal.type(key)
        if key.endswith("\n"):
            terminal.until("> ")
    terminal.until("4 still wait.")
    assert terminal.end() == 0
    assert undecided(study) == [NET, NET_OF_ONE, BY_LLM, LAW]
    assert wishes(study) == []


def scripted_editor(folder: Path, *versions: str) -> Path:
    """An editor that saves the first version, then the second, and so on."""
    for place, version in enumerate(versions):
        (folder / f"version{place}").write_text(version)
    script = folder / "editor with a space.sh"
    script.write_text(
        f'#!/bin/sh\ncd "{folder}"\nn=$(cat count 2>/dev/null || echo 0)\n'
        'cp "version$n" "$2"\necho $((n + 1)) > count\n'
        'test "$1" = --wait\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def test_an_edit_is_checked_and_the_mended_one_becomes_a_child(sit: Sit, study: Study, tmp_path: Path) -> None:
    bad = BY_HAND.replace("self.luck(x.lynx)", "self.look(x.lynx)").replace('"death"', '"deth"')
    good = BY_HAND.replace("high=3.0)\n    luck", "high=2.0)\n    luck").replace("Hares hide:", "Hares hide a little:")
    editor = scripted_editor(tmp_path, bad, good)
    terminal = sit(study, more={"VISUAL": f"'{editor}' --wait", "EDITOR": "false"})
    for _ in range(2):
        terminal.until(PROMPT)
        terminal.type("s\n")
    terminal.until(PROMPT)
    shown = terminal.say("e", "e edits it again, anything else gives up > ")
    assert "look" in shown
    assert "deth" in shown
    assert undecided(study) == [NET, NET_OF_ONE, BY_LLM, LAW]
    terminal.say("e", "Why? (Enter alone: no reason) > ")
    terminal.say("not that much", "Number 7 is replaced by yours, number 9, which is approved.")
    terminal.until(PROMPT)
    terminal.type("q\n")
    assert terminal.end() == 0
    child = study.proposals()[9]
    assert child.candidate.source == good
    assert (child.candidate.author, child.candidate.parents) == ("ann", (study.proposals()[BY_LLM].candidate.id,))
    assert child.candidate.claim.startswith("Hares hide a little")
    assert child.decision == Decision(approved=True, by="ann", reason="not that much")
    assert undecided(study) == [NET, NET_OF_ONE, LAW]


def test_giving_up_an_edit_decides_nothing_and_keeps_what_was_written(sit: Sit, study: Study, tmp_path: Path) -> None:
    editor = scripted_editor(tmp_path, "class Candidate(", "class Candidate(")
    terminal = sit(study, columns=200, more={"VISUAL": "", "EDITOR": f"'{editor}' --wait"})
    terminal.until(PROMPT)
    assert "This is not Python" in terminal.say("e", "gives up > ")
    kept = re.search(r"kept in (\S+\.py)", terminal.say("g", PROMPT))
    assert kept is not None
    assert Path(kept[1]).read_text() == "class Candidate("
    terminal.say("e", "gives up > ")
    terminal.type("\x04")
    terminal.until("4 still wait.")
    assert terminal.end() == 0
    assert undecided(study) == [NET, NET_OF_ONE, BY_LLM, LAW]


def test_an_editor_that_fails_is_told_of_and_decides_nothing(sit: Sit, study: Study) -> None:
    terminal = sit(study, more={"VISUAL": "", "EDITOR": "false"})
    terminal.until(PROMPT)
    assert "false: ended with code 1" in terminal.say("e", PROMPT)
    terminal.type("\x04")
    assert terminal.end() == 0
    assert undecided(study) == [NET, NET_OF_ONE, BY_LLM, LAW]


def test_if_somebody_else_decides_meanwhile_the_person_is_told_and_goes_on(sit: Sit, study: Study) -> None:
    terminal = sit(study)
    terminal.until(PROMPT)
    other = Steering(study)
    other.decide(NET, Decision(approved=False, by="bob", reason="I was faster"))
    other.decide(NET_OF_ONE, Decision(approved=True, by="bob"))
    shown = " ".join(terminal.say("a", PROMPT).split())
    assert "Meanwhile: Proposal 5 is decided already: refused by bob" in shown
    assert "I was faster" in shown
    assert "Proposal 7: waits for a decision" in shown
    terminal.type("q\n")
    assert terminal.end() == 0
    assert decision(study, NET) == Decision(approved=False, by="bob", reason="I was faster")


def widths(text: str) -> int:
    from rich.cells import cell_len

    return max(cell_len(line.split("> ", 1)[-1] if PROMPT in line else line.rstrip()) for line in text.splitlines())


def test_a_card_fits_80_columns_and_after_a_resize_the_next_one_fits_those(sit: Sit, study: Study) -> None:
    terminal = sit(study, columns=80)
    first = terminal.until("\nproposal 5,")
    assert 70 < widths(first) <= 80
    terminal.resize(56)
    terminal.until(PROMPT)
    terminal.type("s\n")
    second = terminal.until("\nproposal 6,")
    assert 46 < widths(second.partition("Proposal 6")[2]) <= 56
    terminal.resize(120)
    terminal.until(PROMPT)
    terminal.type("s\n")
    third = terminal.until("\nproposal 7,")
    assert 90 < widths(third.partition("Proposal 7")[2]) <= 120
    terminal.type("\x04")
    assert terminal.end() == 0


def test_without_colour_nothing_is_coloured_and_the_marks_still_tell_what_changed(sit: Sit, study: Study) -> None:
    terminals = [sit(study, more=more) for more in ({}, {"NO_COLOR": "1"})]
    for terminal in terminals:
        terminal.until(PROMPT)
        terminal.type("\x04")
        assert terminal.end() == 0
    coloured, plain = terminals
    assert COLOUR.search(coloured.raw)
    assert not COLOUR.search(plain.raw)
    assert coloured.all() == plain.all()
    assert re.search(r"^\+ +- attack_rate \* hare \* lynx \* NN_hunting\(hare, lynx\)", plain.all(), re.MULTILINE)
    assert re.search(r"^- +- attack_rate \* hare \* lynx / \(1 \+ hare / satiation\)", plain.all(), re.MULTILINE)
