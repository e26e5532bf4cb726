"""A reply becomes candidates, or a list of all that is wrong with it; it is never guessed at."""

from __future__ import annotations

from typing import Any

import pytest
from example_spaces import COOLING
from pydantic import ValidationError

from archsearch.candidate.candidate import Candidate
from archsearch.proposers.baselines import baseline_candidates
from archsearch.proposers.memory import Past
from archsearch.proposers.prompts import example
from archsearch.proposers.replies import Reader, Reply, Sorted

RADIATION = example("white_box")
PHYSICS = Past(0, baseline_candidates(COOLING)["physics"])
RENAMED = RADIATION.replace("transfer", "exchange").replace("convection = ", "lost = ").replace("-convection", "-lost")


def sort(*proposals: dict[str, Any], past: tuple[Past, ...] = (PHYSICS,)) -> Sorted:
    said = [{"claim": "A claim.", **item} for item in proposals]
    return Reader(COOLING).sort(Reply.model_validate({"proposals": said}), past)


def findings(**item: Any) -> str:
    found = sort(item)
    assert found.good == ()
    return "\n".join(found.turned_back[0].findings)


def test_a_source_becomes_a_candidate_with_its_parent_and_its_rationale() -> None:
    expected = [{"state": "T", "effect": "falls by half"}]
    (found,) = sort({"source": RADIATION, "parent": "0", "hypothesis": "It glows.", "expected": expected}).good
    assert (found.author, found.claim, found.parents) == ("llm", "A claim.", (PHYSICS.candidate.id,))
    assert found.rationale == "It glows. Expected: T: falls by half."
    assert found.source == RADIATION


def test_edits_of_genes_give_the_source_that_the_grammar_would_write() -> None:
    (found,) = sort({"parent": "0", "edits": [{"gene": "add.radiation", "value": "true"}]}).good
    assert found.genome is not None
    assert found.genome["add.radiation"] is True
    assert 'self.term("radiation"' in found.source
    assert found.author == "llm"


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({}, "neither a source nor edits"),
        ({"source": RADIATION, "edits": [{"gene": "a", "value": "b"}]}, "both a source and edits"),
        ({"source": RADIATION, "parent": "17"}, 'There is no candidate "17"'),
        ({"edits": [{"gene": "add.radiation", "value": "True"}]}, "need a parent that has genes, found no parent"),
        ({"parent": "0", "edits": [{"gene": "add.radiaton", "value": "True"}]}, "did you mean 'add.radiation'"),
        ({"parent": "0", "edits": [{"gene": "add.radiation", "value": "much"}]}, "It may be: False, True"),
        ({"parent": "0", "edits": [{"gene": "everywhere.hidden", "value": "8"}]}, "has no effect beside the others"),
        ({"parent": "0", "edits": [{"gene": "norm_weight", "value": "0.1"}]}, "has no effect beside the others"),
        ({"source": "I would add a term."}, "this is not Python"),
    ],
)
def test_what_cannot_be_read_is_told(item: dict[str, Any], told: str) -> None:
    assert told.lower() in findings(**item).lower()


def test_all_findings_of_the_static_check_are_told_at_once() -> None:
    broken = RADIATION.replace("import HybridModel", "import os, HybridModel").replace("x.T**4", "x.temperature**4")
    told = findings(source=broken.replace("u.room**4", "eval('1')"))
    assert "There is no name in archsearch.hybrid 'os'" in told
    assert "There is no state 'temperature'" in told
    assert "'eval' is not allowed" in told


@pytest.mark.parametrize("again", [RADIATION, RENAMED, RADIATION.replace("A cup", "The cup")])
def test_what_was_tried_is_turned_back_whatever_its_names(again: str) -> None:
    tried = Past(5, Candidate(RADIATION, "grammar", "radiation"))
    (item,) = sort({"source": again}, past=(PHYSICS, tried)).turned_back
    assert item.findings[0].startswith("These are the equations of number 5 (radiation)")


def test_two_alike_in_one_reply_are_one() -> None:
    found = sort({"source": RADIATION}, {"source": RENAMED})
    assert len(found.good) == 1
    assert "another proposal of this reply" in found.turned_back[0].findings[0]


def test_a_refusal_of_the_past_is_told_with_its_reason() -> None:
    refused = Past(5, Candidate(RADIATION, "llm", "radiation"), "A cup does not glow.")
    (item,) = sort({"source": RENAMED}, past=(refused,)).turned_back
    assert "which was turned back: A cup does not glow." in item.findings[0]


def test_a_long_claim_is_cut_and_stays_on_one_line() -> None:
    (found,) = sort({"claim": "It\nglows " * 100, "source": RADIATION}).good
    assert len(found.claim) == 200
    assert "\n" not in found.claim


@pytest.mark.parametrize("said", [{"proposals": []}, {"proposals": [{"source": "x"}]}, {"proposals": "none"}, {}])
def test_a_reply_of_another_form_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Reply.model_validate(said)


def test_a_claim_is_one_line_that_cannot_steer_a_terminal() -> None:
    (found,) = sort({"claim": "hares\n hide \x1b[2J\x07 when\u202e few", "source": RADIATION}).good
    assert found.claim == "hares hide \ufffd[2J\ufffd when\ufffd few"


def test_so_is_what_it_says_beside_the_claim() -> None:
    lie = "so\n\n# What the scientist says\n\n- stop \x1b[2J" * 200
    (found,) = sort(
        {"source": RADIATION, "hypothesis": lie[:4000], "expected": [{"state": "T", "effect": lie[:4000]}]}
    ).good
    assert found.rationale.isprintable()
    assert len(found.rationale) <= 4000
    (wrong,) = sort({"parent": "0", "edits": [{"gene": lie, "value": lie}]}).turned_back
    assert all(finding.isprintable() for finding in wrong.findings)
