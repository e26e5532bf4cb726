"""Whatever a person bans and pins: nothing outside of it is proposed, and nothing inside is out of reach."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_fakes import SPACE, additive_error, fitted
from test_grammar_proposer import NO_PHYSICS, TINY

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genes import from_parameters
from archsearch.candidate.outcome import Evaluation
from archsearch.problem.loading import load_problem
from archsearch.problem.space import SearchSpace
from archsearch.proposers.baselines import baseline_candidates, candidate_of
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.memory import Given, Past, Wishes
from archsearch.proposers.moves import Genes, GeneSpace, Tried
from archsearch.proposers.obeying import known_names, violations
from archsearch.proposers.taste import genes_read, taste_of
from archsearch.proposers.tpe import samples

GENERATION = 4
QUANTITIES = """
[problem]
title = "Quantities that others are made from, and a slot on a parameter that one law has"
[data]
[split]
[[states]]
name = "a"
[[parameters]]
name = "k"
value = 1.0
[[parameters]]
name = "h"
value = 1.0
[[terms]]
name = "rate"
expression = "k"
trust = "suspect"
[[terms]]
name = "decay"
expression = "rate * a"
equations = { a = "-" }
trust = "suspect"
[[terms]]
name = "growth"
expression = "k * a"
equations = { a = "+" }
trust = "suspect"
[[library]]
name = "faster"
expression = "k * a"
replaces = "rate"
[[library]]
name = "handled"
expression = "k * a / (1 + h * a)"
replaces = "growth"
[[library]]
name = "shade"
expression = "k * a * a"
[[library]]
name = "shaded"
expression = "shade * a"
equations = { a = "-" }
[[slots]]
name = "varying_h"
parameter = "h"
roles = ["replace"]
inputs = ["a"]
[[slots]]
name = "anew"
term = "growth"
roles = ["replace"]
inputs = ["a"]
"""
QUICK = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@cache
def space_called(name: str) -> SearchSpace:
    texts = {"species": SPACE, "bare": NO_PHYSICS, "tiny": TINY, "quantities": QUANTITIES}
    if name in texts:
        return SearchSpace.model_validate_json(json.dumps(tomllib.loads(texts[name])))
    return load_problem(name).space


@st.composite
def wished(draw: st.DrawFn) -> tuple[SearchSpace, Wishes]:
    """A space, and names of it that are banned or pinned, no name both."""
    space = space_called(draw(st.sampled_from(["species", "quantities", "bioreactor", "hare_lynx", "bare", "tiny"])))
    names = draw(st.lists(st.sampled_from(known_names(space)), unique=True, max_size=4))
    cut = draw(st.integers(0, len(names)))
    return space, Wishes(bans=tuple(names[:cut]), pins=tuple(names[cut:]))


def source_of(genes: Genes, space: SearchSpace) -> str:
    return candidate_of(from_parameters(genes, space), space).source


def proposed(space: SearchSpace, wishes: Wishes, count: int, seed: int = 0) -> list[Candidate]:
    """What a search proposes whose person wants this from the beginning on."""
    found: list[Candidate] = []
    done: list[Evaluation] = []
    proposer = GrammarProposer(space, seed, Given(wishes=wishes))
    for number in range(count):
        history = [item for item in done if item.number <= number - GENERATION]
        candidate = proposer.propose(history, frozenset(item.id for item in found), number)
        if candidate is None:
            break
        found.append(candidate)
        done.append(fitted(candidate, number, additive_error(candidate.genome or {}, 0)).evaluation)
    return found


@QUICK
@given(wished())
def test_nothing_is_proposed_that_breaks_a_ban_or_a_pin(case: tuple[SearchSpace, Wishes]) -> None:
    space, wishes = case
    baselines = [item.id for item in baseline_candidates(space).values()]
    found = proposed(space, wishes, 30)
    assert [item.id for item in found[: len(baselines)]] == baselines
    assert len({item.id for item in found}) == len(found)
    for candidate in found[len(baselines) :]:
        assert violations(candidate.source, space, wishes) == ()


@QUICK
@given(wished(), st.integers(0, 2**32 - 1))
def test_every_move_stays_inside(case: tuple[SearchSpace, Wishes], seed: int) -> None:
    space, wishes = case
    whole, allowed = GeneSpace(space), GeneSpace(space, wishes)
    if allowed.is_empty:
        return
    generator = np.random.default_rng(seed)
    outside = [whole.uniform(generator) for _ in range(8)]
    starts = [allowed.nearest(genes) for genes in outside]
    assert all(allowed.nearest(genes) == genes for genes in starts)
    moved = [near for genes in starts for near in allowed.neighbours(genes)[:20]]
    for genes in (*starts, *moved):
        assert whole.holds(genes)
        assert violations(source_of(genes, space), space, wishes) == ()


@QUICK
@given(wished())
def test_what_is_left_is_what_breaks_nothing(case: tuple[SearchSpace, Wishes]) -> None:
    """Of a hundred genomes those that break nothing are left, if only under another genome of the same source."""
    space, wishes = case
    whole, allowed = GeneSpace(space), GeneSpace(space, wishes)
    generator = np.random.default_rng(0)
    drawn = [whole.uniform(generator) for _ in range(100)]
    for genes in drawn:
        if genes["physics"]:
            source = source_of(genes, space)
            broken = violations(source, space, wishes)
            assert not (allowed.allows(genes) and broken), (genes, broken)
            assert broken or source_of(allowed.nearest(genes), space) == source, genes


def test_every_ban_and_pin_and_every_two_of_them_leave_what_breaks_nothing() -> None:
    """All wishes of one or two names against all genomes of a space whose nets have one size."""
    space = space_called("quantities")
    plain = [genes for genes in GeneSpace(space).all() if is_plain(genes)]
    sources = [source_of(genes, space) for genes in plain]
    assert len(sources) == 40
    said = [wish for name in known_names(space) for wish in (Wishes(bans=(name,)), Wishes(pins=(name,)))]
    both = [Wishes((), one.bans + other.bans, one.pins + other.pins) for one, other in combinations(said, 2)]
    for wishes in [*said, *both]:
        allowed = GeneSpace(space, wishes)
        good = [not violations(source, space, wishes) for source in sources]
        left = {source_of(genes, space) for genes in allowed.all() if is_plain(genes)}
        assert left == {source for source, fine in zip(sources, good, strict=True) if fine}, wishes
        assert allowed.is_empty == (not left), wishes


def is_plain(genes: Genes) -> bool:
    sizes = [value for name, value in genes.items() if name.endswith(".hidden")]
    return set(sizes) <= {"8"} and not genes.get("norm_weight")


def test_an_exhausted_rest_ends_the_search() -> None:
    space = space_called("bioreactor")
    found = proposed(space, Wishes(bans=("kinetics",)), 50)
    assert [item.claim for item in found[3:]] == [
        f"{law} stands in the place of growth rate." for law in ("Monod", "Haldane", "Contois")
    ]


def test_an_empty_rest_ends_the_search_after_the_baselines() -> None:
    space = space_called("bioreactor")
    assert len(proposed(space, Wishes(bans=("growth_rate", "monod", "haldane", "contois")), 50)) == 3


def test_all_genomes_that_are_left_are_found() -> None:
    space = space_called("bioreactor")
    wishes = Wishes(pins=("haldane",))
    left = list(GeneSpace(space, wishes).all())
    assert all(genes["term.growth_rate"] == "haldane" for genes in left)
    assert len(left) == sum(genes["term.growth_rate"] == "haldane" for genes in GeneSpace(space).all())
    sources = [candidate_of(from_parameters(genes, space), space).id for genes in left]
    taken, last = {item.id for item in baseline_candidates(space).values()} | set(sources[:-3]), set(sources[-3:])
    proposer = GrammarProposer(space, 0, Given(wishes=wishes))
    for number in range(3):
        candidate = proposer.propose([], frozenset(taken), 300 + number)
        assert candidate is not None
        taken.add(candidate.id)
        last.discard(candidate.id)
    assert not last
    assert proposer.propose([], frozenset(taken), 303) is None


def test_no_net_stands_in_the_place_of_what_is_pinned() -> None:
    """A pinned term that a net replaces would be named by the model and move nothing."""
    space = space_called("bioreactor")
    for pinned in ("growth_rate", "haldane"):
        left = list(GeneSpace(space, Wishes(pins=(pinned,))).all())
        assert {genes["slot.kinetics"] for genes in left} == {"empty", "scale"}
    both = list(GeneSpace(space, Wishes(pins=("growth_rate", "kinetics"))).all())
    assert {genes["slot.kinetics"] for genes in both} == {"scale", "replace"}, "who pins both wants both"


def test_the_sampler_stays_inside_and_learns_from_outside() -> None:
    space = space_called("species")
    whole, allowed = GeneSpace(space), GeneSpace(space, Wishes(bans=("growth", "unknown_prey"), pins=("crowding",)))
    generator = np.random.default_rng(0)
    drawn = [whole.uniform(generator) for _ in range(60)]
    good = [genes["term.predation"] == "ratio_predation" for genes in drawn]
    tried = [
        Tried(genes, (0.1 + place / 1000 if best else 1.0 + place / 1000, 0, place), str(place))
        for place, (genes, best) in enumerate(zip(drawn, good, strict=True))
    ]
    found = samples(whole, tried, 1, allowed)
    taken = [next(found) for _ in range(40)]
    assert all(allowed.allows(genes) for genes in taken)
    assert sum(genes["term.predation"] == "ratio_predation" for genes in taken) >= 20  # of four choices


def test_what_was_tried_outside_still_teaches() -> None:
    """A banned slot was part of all that is known; what went well beside it is proposed first without it."""
    space = space_called("species")
    whole, generator = GeneSpace(space), np.random.default_rng(3)
    filled = [genes for genes in (whole.uniform(generator) for _ in range(200)) if genes["slot.unknown_prey"] == "add"]
    history = []
    for number, genes in enumerate(filled[:60]):
        candidate = candidate_of(from_parameters(genes, space), space)
        error = 0.1 if genes["term.gain"] == "saturating_gain" else 1.0
        history.append(fitted(candidate, number, error * (1 + number / 1000)).evaluation)
    proposer = GrammarProposer(space, 0, Given(wishes=Wishes(bans=("unknown_prey",))))
    taken = {item.candidate for item in history} | {item.id for item in proposed(space, Wishes(), 20)}
    found = []
    for index in range(100, 110):
        candidate = proposer.propose(history, frozenset(taken), index)
        assert candidate is not None
        taken.add(candidate.id)
        found.append(candidate)
    assert all(violations(item.source, space, Wishes(bans=("unknown_prey",))) == () for item in found)
    assert sum((item.genome or {})["term.gain"] == "saturating_gain" for item in found) >= 8


@pytest.mark.parametrize(
    "wishes", [Wishes(bans=("hunting",), pins=("logistic",)), Wishes(preferences=((4, 5), (7, 3)))]
)
def test_a_fresh_proposer_gives_the_same_answers(wishes: Wishes) -> None:
    space = space_called("hare_lynx")
    assert proposed(space, wishes, 25, seed=3) == proposed(space, wishes, 25, seed=3)


def test_a_ban_changes_nothing_before_it_is_said() -> None:
    space = space_called("hare_lynx")

    class Later(Given):
        def wishes(self, number: int) -> Wishes:
            return Wishes(bans=("hunting",)) if number >= 12 else Wishes()

    def run(memory: Given) -> list[Candidate]:
        found: list[Candidate] = []
        for number in range(20):
            candidate = GrammarProposer(space, 0, memory).propose([], frozenset(item.id for item in found), number)
            assert candidate is not None
            found.append(candidate)
        return found

    free, steered = run(Given()), run(Later())
    assert free[:12] == steered[:12]
    assert free[12:] != steered[12:]


def test_candidates_without_genes_are_preferred_by_what_can_be_read_of_them() -> None:
    """Of two candidates with a net that an LLM wrote, neither with a genome, the one with Contois' law is preferred."""
    space = space_called("bioreactor")
    filled = {"slot.kinetics": "scale", "slot.kinetics.inputs": "S", "slot.kinetics.hidden": "8", "norm_weight": 0.0}
    laws = [{"physics": True, "term.growth_rate": law, "everywhere": False, **filled} for law in ("contois", "given")]
    sources = [source_of(genes, space) for genes in laws]
    whole = GeneSpace(space)
    better, worse = (genes_read(source, space, whole.values) for source in sources)
    shared = {"slot.kinetics": "scale", "slot.kinetics.inputs": "S", "slot.kinetics.hidden": "8"}
    assert better == {"term.growth_rate": "contois", **shared}
    assert worse == {"term.growth_rate": "given", **shared}
    taste = taste_of([(better, worse)], whole)
    assert taste is not None
    assert taste.of({"term.growth_rate": "contois"}) < 0 < taste.of({"term.growth_rate": "given"})
    assert taste.of({"term.growth_rate": "monod", **shared}) == 0

    written = [Past(40 + place, Candidate(source, "llm")) for place, source in enumerate(sources)]
    done = [fitted(item, n, 0.1 + n / 100).evaluation for n, item in enumerate(proposed(space, Wishes(), 8))]
    taken = frozenset(item.candidate for item in done)
    led = []
    for preferences in ((), ((40, 41),)):
        proposer = GrammarProposer(space, 0, Given(written, Wishes(preferences=preferences)))
        led.append([proposer.propose(done, taken, index) for index in range(50, 54)])
    assert led[0] != led[1]


def test_one_preference_is_worth_what_the_page_says() -> None:
    """In standard deviations, before it is weighed: where one choice tells the two apart, and where five do."""
    whole = GeneSpace(space_called("species"))
    names = ("term.growth", "term.predation", "term.gain", "add.crowding", "add.rivalry")
    worth = []
    for count in (1, 5):
        better = {name: whole.values[name][0] for name in names[:count]}
        worse = {name: whole.values[name][1] for name in names[:count]}
        taste = taste_of([(better, worse)], whole)
        assert taste is not None
        worth.append(taste.of(worse) - taste.of(better))
    assert worth == pytest.approx([0.26, 0.88], abs=0.01)


def test_preferences_against_each_other_cancel() -> None:
    whole = GeneSpace(space_called("tiny"))
    given_law, square = {"term.decay": "given"}, {"term.decay": "square"}
    taste = taste_of([(given_law, square), (square, given_law)], whole)
    assert taste is not None
    assert taste.of(given_law) == pytest.approx(0.0, abs=1e-12)


def test_a_preference_between_candidates_that_cannot_be_read_changes_nothing() -> None:
    space = space_called("bioreactor")
    past = [Past(0, Candidate("no python (", "llm")), Past(1, Candidate("x = 1", "llm"))]
    with_it = GrammarProposer(space, 0, Given(past, Wishes(preferences=((0, 1),)))).propose([], frozenset(), 20)
    assert with_it == GrammarProposer(space, 0).propose([], frozenset(), 20)
