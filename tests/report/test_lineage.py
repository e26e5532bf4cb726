"""The tree of parents: who was made from whom, the line of the best, and what a page leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from archsearch.candidate.candidate import Candidate
from archsearch.report.lineage import MOST_NODES, Entry, Node, lineage


def entry(number: int, *parents: int, person: bool = False) -> Entry:
    ids = tuple(candidate(parent).id for parent in parents)
    made = Candidate(f"x = {number}", "anna" if person else "grammar", f"claim {number}", ids)
    return Entry(number, made, f"0.{number}", number, person)


def candidate(number: int) -> Candidate:
    return Candidate(f"x = {number}", "grammar")


def walked(nodes: tuple[Node, ...]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from walked(node.children)


def test_children_stand_below_their_first_parent_and_name_the_others() -> None:
    found = lineage([entry(0), entry(1), entry(2, 0), entry(3, 2, 1), entry(4)], best=3)
    assert [node.entry.number for node in found.roots] == [0]
    assert [node.entry.number for node in walked(found.roots)] == [0, 2, 3]
    assert found.roots[0].children[0].children[0].others == (1,)
    assert found.alone == 2, "1 is only a second parent, 4 is nobody's"


def test_the_line_of_the_best_is_marked() -> None:
    found = lineage([entry(0), entry(1, 0), entry(2, 0), entry(3, 1)], best=3)
    assert {node.entry.number for node in walked(found.roots) if node.on_line} == {0, 1, 3}


def test_a_large_tree_keeps_the_best_the_persons_and_the_count() -> None:
    entries = [entry(0), *(entry(number, 0) for number in range(1, 300)), entry(300, 299, person=True)]
    found = lineage(entries, best=250)
    shown = [node.entry.number for node in walked(found.roots)]
    assert len(shown) == MOST_NODES
    assert {0, 250, 299, 300, 1, 2, 3} <= set(shown)
    assert found.roots[0].left_out == 301 - MOST_NODES


def test_a_parent_that_is_unknown_or_comes_later_makes_no_circle() -> None:
    found = lineage([entry(0, 1), entry(1, 0), entry(2, 9)], best=None)
    assert [node.entry.number for node in walked(found.roots)] == [0, 1]
