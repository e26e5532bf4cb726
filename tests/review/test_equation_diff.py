"""Equations beside those of a parent: what is told apart, and what is not."""

from __future__ import annotations

import pytest
from review_runs import BY_HAND, HUNTING, SATURATED, WITH_A_LOOP

from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.problem.loading import load_problem
from archsearch.review.card import EquationDiff
from archsearch.review.diff import code_diff, equation_diffs, given_source
from archsearch.review.forms import form

HARE_LYNX = load_problem("hare_lynx").space
GIVEN = given_source(HARE_LYNX)


def told(diff: EquationDiff) -> list[str]:
    marks = {"kept": " ", "added": "+", "removed": "-"}
    return [f"{marks[piece.change]} {piece.sign} {piece.text}" for piece in diff.pieces]


def diffs(source: str, parent: str = GIVEN) -> dict[str, EquationDiff]:
    return {diff.state: diff for diff in equation_diffs(source, parent, HARE_LYNX)}


def test_a_net_on_a_term_is_an_added_summand_and_the_term_is_a_removed_one() -> None:
    found = diffs(render(HUNTING, HARE_LYNX))
    assert told(found["hare"]) == [
        "  + growth_rate * hare",
        "+ - attack_rate * hare * lynx * NN_hunting(hare, lynx)",
        "- - attack_rate * hare * lynx",
    ]
    assert [piece.kind for piece in found["hare"].pieces] == ["term", "net", "term"]
    assert not found["lynx"].changed


def test_the_order_of_factors_is_no_change_and_an_exponent_is_one() -> None:
    found = diffs(BY_HAND)
    assert told(found["lynx"]) == ["  + hare * lynx * conversion_rate", "  - mortality * lynx"]
    assert told(found["hare"])[1:] == [
        "+ - hare ** hiding * attack_rate * lynx * NN_luck(lynx)",
        "- - attack_rate * hare * lynx",
    ]


def test_what_is_the_same_as_its_parent_has_no_change_at_all() -> None:
    source = render(SATURATED, HARE_LYNX)
    assert not any(diff.changed for diff in diffs(source, source).values())


def test_without_physics_to_compare_with_everything_is_added() -> None:
    assert {piece.change for diff in diffs(BY_HAND, "").values() for piece in diff.pieces} == {"added"}


def test_a_sign_that_turns_is_a_change() -> None:
    turned = diffs(GIVEN.replace("growth - predation", "growth + predation"))
    assert told(turned["hare"])[1:] == ["+ + attack_rate * hare * lynx", "- - attack_rate * hare * lynx"]


def test_of_two_equal_summands_one_can_be_gone() -> None:
    doubled = GIVEN.replace("growth - predation", "growth + growth - predation")
    found = [piece.change for piece in diffs(GIVEN, doubled)["hare"].pieces]
    assert found == ["kept", "kept", "removed"]


@pytest.mark.parametrize("pair", [(WITH_A_LOOP, GIVEN), (BY_HAND, WITH_A_LOOP)])
def test_what_is_no_list_of_summands_is_compared_line_by_line_and_says_so(pair: tuple[str, str]) -> None:
    found = equation_diffs(*pair, HARE_LYNX)
    assert [diff.split for diff in found] == [False]
    lines = {piece.text: piece.change for piece in found[0].pieces}
    assert lines["for _ in range(2):"] == ("added" if pair[0] is WITH_A_LOOP else "removed")
    assert all(piece.latex.startswith(r"\text{") for piece in found[0].pieces)


def test_a_sum_that_grows_in_place_is_not_read_as_if_it_had_not() -> None:
    grown = GIVEN.replace("        return {", "        growth += predation\n        return {")
    assert [diff.split for diff in equation_diffs(grown, GIVEN, HARE_LYNX)] == [False]


def test_other_methods_have_equations_of_their_own_and_limits_are_inequalities() -> None:
    more = GIVEN + '\n    def limits(self, t, x, u):\n        return {"room": 100.0 - x.hare}\n'
    found = diffs(more)
    room = found["limits room"]
    assert (room.left_text, room.relation, told(room)) == ("0", "<=", ["+ + 100.0", "+ - hare"])


@pytest.mark.parametrize(("name", "left"), [("bioreactor", "d X/dt"), ("fitzhugh_nagumo", "d u/dt")])
def test_processes_and_fields_are_told_by_their_derivatives(name: str, left: str) -> None:
    space = load_problem(name).space
    found = equation_diffs(render(Genome(), space), given_source(space), space)
    assert found[0].left_text == left
    assert not any(diff.changed for diff in found)
    assert ("partial" in found[0].left_latex) == space.is_field


def test_static_models_are_told_by_their_outputs() -> None:
    space = load_problem("hare_lynx").space
    static = space.model_copy(update={"problem": space.problem.model_copy(update={"kind": "static"})})
    body = '    def output(self, x, u):\n        return {"hare": 2 * u.feed, "lynx": u.feed}\n'
    source = f"class Candidate(HybridModel):\n{body}"
    found = equation_diffs(source, "", static)
    assert [(diff.left_text, told(diff)) for diff in found] == [("hare", ["+ + 2 * feed"]), ("lynx", ["+ + feed"])]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a * b / c", "b / c * a", True),
        ("a / (b * c)", "a / c / b", True),
        ("a * (b + c - d)", "(c - d + b) * a", True),
        ("a ** 2", "a ** 2.0", True),
        ("a - b", "b - a", False),
        ("a / b", "b / a", False),
        ("exp(a * b)", "exp(b * a)", True),
        ("a * b", "a + b", False),
        ("NN_n(a, b)", "NN_n(b, a)", False),
    ],
)
def test_forms_are_equal_up_to_order_alone(one: str, other: str, same: bool) -> None:
    assert (form(one) == form(other)) is same


def test_the_code_diff_names_both_and_there_is_none_without_a_parent() -> None:
    found = code_diff(BY_HAND, GIVEN, ("the physics as given", "number 7")).splitlines()
    assert found[:2] == ["--- the physics as given", "+++ number 7"]
    assert any(line.startswith("+    hiding") for line in found)
    assert code_diff(BY_HAND, "", ("", "number 7")) == ""
