"""What breaks a ban or a pin, whoever wrote it and whatever they call their nets; and which wishes are refused."""

from __future__ import annotations

import pytest

from archsearch.candidate.used import Used, used_in
from archsearch.errors import RequestError
from archsearch.problem.loading import load_problem
from archsearch.proposers.baselines import baseline_candidates
from archsearch.proposers.memory import Wishes
from archsearch.proposers.obeying import known_names, misses, refuse_impossible, uses, violations

REACTOR, LYNX = load_problem("bioreactor").space, load_problem("hare_lynx").space
HEAD = "from archsearch.hybrid import HybridModel, Net, Param\n\n\nclass Candidate(HybridModel):\n"
LYNX_BODY = """
    growth_rate = Param(0.5)
    attack_rate = Param(0.02)
    mortality = Param(0.8)
    {declared}

    def rhs(self, t, x, u):
        growth = self.term("growth", self.growth_rate * x.hare)
        predation = self.term("predation", self.attack_rate * x.hare * x.lynx)
        conversion = self.term("conversion", self.attack_rate * x.hare * x.lynx)
        death = self.term("death", self.mortality * x.lynx)
        {line}
        return {{"hare": growth - eaten, "lynx": conversion - death}}
"""


def lynx(declared: str, line: str) -> str:
    return HEAD + LYNX_BODY.format(declared=declared, line=line)


SCALED = lynx('appetite = Net(inputs=("hare",), role="scale")', "eaten = predation * self.appetite(x.hare)")
REPLACED = lynx(
    'appetite = Net(inputs=("hare",), role="replace")',
    "usual = predation\n        eaten = self.appetite(x.hare, instead_of=usual)",
)
CORRECTED = lynx(
    'appetite = Net(inputs=("hare",))',
    'eaten = predation + self.appetite(x.hare, relative_to=self.term("again", predation))',
)
ELSEWHERE = lynx('appetite = Net(inputs=("hare",), outputs=("hare",))', "eaten = predation - self.appetite(x.hare)")
PLAIN = lynx("", "eaten = predation")


@pytest.mark.parametrize("source", [SCALED, REPLACED], ids=["scaled", "replaced"])
def test_a_net_of_another_name_fills_the_slot_that_it_stands_in(source: str) -> None:
    assert violations(source, LYNX, Wishes(bans=("hunting",))) == (
        "fills the slot 'hunting' with the net 'appetite', which is banned",
    )
    assert violations(source, LYNX, Wishes(pins=("hunting",), bans=("profit",))) == ()


def test_a_net_in_the_place_of_a_pinned_term_misses_it_unless_its_slot_is_pinned_too() -> None:
    taken = ("puts the net 'appetite' in the place of the term 'predation', which is pinned",)
    assert violations(REPLACED, LYNX, Wishes(pins=("predation",))) == taken
    assert misses("predation", REPLACED, LYNX, ("predation",)) == taken
    assert violations(REPLACED, LYNX, Wishes(pins=("predation", "hunting"))) == ()
    assert misses("predation", REPLACED, LYNX, ("predation", "hunting")) == ()
    assert violations(SCALED, LYNX, Wishes(pins=("predation",))) == ()


@pytest.mark.parametrize("source", [PLAIN, CORRECTED, ELSEWHERE], ids=["none", "another term", "equation"])
def test_a_net_that_stands_elsewhere_does_not(source: str) -> None:
    assert violations(source, LYNX, Wishes(bans=("hunting", "profit"))) == ()
    assert violations(source, LYNX, Wishes(pins=("hunting",))) == ("does not fill the slot 'hunting', which is pinned",)


def test_terms_are_used_by_their_names() -> None:
    assert violations(PLAIN, LYNX, Wishes(bans=("predation", "logistic"), pins=("death", "crowding"))) == (
        "uses the term 'predation', which is banned",
        "does not use the term 'crowding', which is pinned",
    )
    assert uses("predation", PLAIN, LYNX)
    assert not uses("hunting", PLAIN, LYNX)


def test_a_net_on_what_replaces_the_term_of_a_slot_fills_it() -> None:
    body = """
    replaced = {"growth_rate": "monod"}
    own = Net(inputs=("S",), role="scale")

    def rhs(self, t, x, u):
        rate = self.term("monod", self.mu_max * x.S / (self.K_s + x.S))
        speed = self.own(x.S) * rate
        return {}
"""
    assert violations(HEAD + body, REACTOR, Wishes(bans=("kinetics",))) == (
        "fills the slot 'kinetics' with the net 'own', which is banned",
    )


@pytest.mark.parametrize("source", ["", "no python (", "x = 1", HEAD + "    dropped = 3\n    replaced = nothing\n"])
def test_what_is_no_candidate_uses_nothing(source: str) -> None:
    assert used_in(source) == Used()


def test_what_the_grammar_writes_is_read_as_it_was_meant() -> None:
    both = baseline_candidates(REACTOR)["physics_plus_net"].source
    used = used_in(both)
    assert used.terms == {term.name for term in REACTOR.terms}
    assert used.places == {"correction": frozenset(REACTOR.state_names)}


def test_a_trusted_term_and_one_that_others_are_made_from_cannot_be_banned() -> None:
    with pytest.raises(RequestError, match="'uptake' is trusted"):
        refuse_impossible(REACTOR, Wishes(), banned="uptake")
    suspect = REACTOR.model_copy(
        update={
            "terms": tuple(term.model_copy(update={"trust": "suspect"}) for term in REACTOR.terms),
            "library": (),
        }
    )
    with pytest.raises(RequestError, match="'dilution_rate' is what other terms are made from"):
        refuse_impossible(suspect, Wishes(), banned="dilution_rate")
    refuse_impossible(suspect, Wishes(), banned="uptake")


def test_unknown_names_are_refused_with_the_close_one() -> None:
    with pytest.raises(RequestError, match="did you mean 'haldane'") as caught:
        refuse_impossible(REACTOR, Wishes(), pinned="haldan")
    assert all(name in caught.value.remedy for name in known_names(REACTOR))


def test_a_slot_whose_term_is_gone_cannot_be_pinned() -> None:
    wanted = Wishes(bans=("predation", "saturating_predation", "sigmoid_predation"))
    with pytest.raises(RequestError, match="nothing is left to propose") as caught:
        refuse_impossible(LYNX, wanted, pinned="hunting")
    assert "Release 'predation' first" in caught.value.remedy
    refuse_impossible(LYNX, wanted, pinned="profit")


def test_a_pin_takes_back_the_ban_of_the_same_name() -> None:
    refuse_impossible(REACTOR, Wishes(bans=("monod", "haldane", "growth_rate")), pinned="monod")
