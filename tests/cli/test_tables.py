"""Tables for the terminal say what the record says, and no more."""

from __future__ import annotations

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, FittedLimit, FittedParameter, FittedState
from archsearch.cli.output import console, visible
from archsearch.cli.tables import candidate_tables, origin
from archsearch.study.proposals import Proposal
from archsearch.study.record import Decision

PERIOD = FittedParameter(value=6.0002, unit="s", low=2.0, high=20.0, identified=True, std_error=0.001)


def shown(parameter: FittedParameter) -> str:
    return printed(Evaluation(number=3, candidate="c", author="grammar", status="ok", parameters={"T0": parameter}))


def printed(evaluation: Evaluation) -> str:
    out = console()
    with out.capture() as captured:
        for part in candidate_tables(evaluation):
            out.print(part)
    return " ".join(captured.get().replace("\u00a0", " ").split())


def test_a_reference_has_its_columns_where_there_is_one() -> None:
    text = shown(PERIOD.model_copy(update={"reference": 6.0}))
    assert "identified reference off by T0 6.000 5.998 to 6.002 s 2 to 20 yes 6 0.0033 %" in text


def test_without_a_reference_there_is_no_column_for_it() -> None:
    text = shown(PERIOD)
    assert "reference" not in text
    assert "T0 6.000 5.998 to 6.002 s 2 to 20 yes" in text


def test_a_hidden_state_has_its_standard_error_and_whether_it_is_identified() -> None:
    hidden = {"B": FittedState(unit="mol", std_error=0.0212, spread=0.36, identified=False)}
    text = printed(Evaluation(number=3, candidate="c", author="grammar", status="ok", hidden_states=hidden))
    assert "hidden state ± std. error spread unit identified B 0.0212 0.36 mol no" in text


def test_limits_have_their_least_margins_and_a_broken_one_is_marked() -> None:
    limits = {
        "room": FittedLimit(train=0.5, validation=-1e-9, size=2.0),
        "food": FittedLimit(train=0.5, validation=-3e-6, size=2.0),
        "air": FittedLimit(train=None, validation=0.1, size=None),
    }
    text = printed(Evaluation(number=3, candidate="c", author="grammar", status="ok", limits=limits))
    assert "room 0.5 -1.000e-09 yes" in text, "rounding"
    assert "food 0.5 -3.000e-06 BROKEN" in text
    assert "air - 0.1 not known" in text


def test_where_a_candidate_comes_from_is_told_line_by_line() -> None:
    parent = Candidate("x = 1", "grammar")
    child = Candidate("x = 2", "anna", "Crowding.", (parent.id, "unknown"), rationale="Hares bite.")
    proposal = Proposal(7, child, Decision(approved=True, by="anna", reason="I know them"))
    assert origin(proposal, {parent.id: 3}, "banned by bert").splitlines() == [
        f"number 7, candidate {child.id}",
        "author: anna",
        "made from: number 3, unknown",
        "claim: Crowding.",
        "rationale: Hares bite.",
        "decision: approved by anna: I know them",
        "banned by bert",
    ]
    assert "decision: not decided yet" in origin(Proposal(3, parent), {})
    assert "made from: nothing else" in origin(Proposal(3, parent), {})


def test_what_a_candidate_says_of_itself_is_marked() -> None:
    assert shown(PERIOD).endswith("errors without a term are what its own process says.")


def test_what_cannot_be_seen_is_written_out() -> None:
    assert visible("a\x1b[2J\u202e\u3164\U000e0100 \N{SNOWMAN}\n") == "a\\x1b[2J\\u202e\\u3164\\U000e0100 \N{SNOWMAN}\n"
