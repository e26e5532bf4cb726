from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from search_fakes import SPACE, additive_error, chance, failed, fitted

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genes import from_parameters
from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import rank
from archsearch.problem.loading import load_problem
from archsearch.problem.space import SearchSpace
from archsearch.proposers.baselines import baseline_candidates, candidate_of
from archsearch.proposers.grammar import PARENTS, GrammarProposer
from archsearch.proposers.moves import Genes, GeneSpace, Tried
from archsearch.proposers.systematic import systematic
from archsearch.proposers.tpe import samples

GENERATION = 4


def space_of(text: str) -> SearchSpace:
    return SearchSpace.model_validate_json(json.dumps(tomllib.loads(text)))


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return space_of(SPACE)


TINY = """
[problem]
title = "Decay"
[data]
[split]
[[states]]
name = "a"
[[parameters]]
name = "k"
value = 1.0
[[terms]]
name = "decay"
expression = "k * a"
equations = { a = "-" }
trust = "suspect"
[[library]]
name = "square"
expression = "k * a * a"
replaces = "decay"
"""


def error_of(genes: Genes, world: int) -> float:
    return additive_error(genes, world)


def proposals(
    space: SearchSpace, world: int, seed: int, trials: int, failing: float = 0.1
) -> tuple[list[Candidate], list[Evaluation]]:
    """What a search would propose, evaluated by the made-up objective."""
    proposer, found, done = GrammarProposer(space, seed), [], []
    for number in range(trials):
        history = [item for item in done if item.number <= number - GENERATION]
        candidate = proposer.propose(history, frozenset(item.id for item in found), number)
        if candidate is None:
            break
        found.append(candidate)
        fails = chance("fails", world, candidate.id) < failing
        outcome = (
            failed(candidate, number) if fails else fitted(candidate, number, error_of(candidate.genome or {}, world))
        )
        done.append(outcome.evaluation)
    return found, done


def test_baselines_come_first_in_their_order(space: SearchSpace) -> None:
    found, _ = proposals(space, world=0, seed=0, trials=3)
    assert [item.id for item in found] == [item.id for item in baseline_candidates(space).values()]


def test_single_white_box_changes_come_before_any_net_in_a_slot(space: SearchSpace) -> None:
    found, _ = proposals(space, world=0, seed=0, trials=20)
    changes = [changed(item) for item in found[3:]]
    singles = [change for change in changes if len(change) == 1]
    first_slot = next(i for i, change in enumerate(changes) if any(name.startswith("slot.") for name in change))
    assert {name for change in changes[:first_slot] for name in change} == {
        *("term.growth", "term.predation", "term.gain"),
        *("add.crowding", "add.rivalry", "add.immigration"),
    }
    assert changes[:first_slot] == singles[:first_slot]
    assert not any(next(iter(change.values())) == "dropped" for change in changes[: first_slot - 3])


def test_each_slot_is_tried_alone_with_its_first_role_and_all_inputs(space: SearchSpace) -> None:
    found, _ = proposals(space, world=0, seed=0, trials=25)
    genomes = [from_parameters(item.genome or {}, space) for item in found]
    single = [item for item in genomes if len(item.slots) == 1 and not item.added]
    alone = {next(iter(item.slots)): item for item in reversed(single)}  # the first of each
    for slot in space.slots:
        assert alone[slot.name].slots[slot.name].role == slot.roles[0]
        assert alone[slot.name].slots[slot.name].inputs == slot.inputs


def changed(candidate: Candidate) -> dict[str, object]:
    """The decisions in which a genome differs from the physics as given."""
    genes = candidate.genome or {}
    decisions = {name: value for name, value in genes.items() if name.startswith(("term.", "add.", "slot."))}
    return {name: value for name, value in decisions.items() if value not in ("given", False, "empty")}


def test_never_proposes_the_same_source_twice(space: SearchSpace) -> None:
    found, _ = proposals(space, world=3, seed=1, trials=90)
    assert len({item.id for item in found}) == 90


def test_same_arguments_give_the_same_answer_whatever_was_asked_before(space: SearchSpace) -> None:
    found, done = proposals(space, world=5, seed=2, trials=40)
    fresh = GrammarProposer(space, 2)
    for number in (39, 17, 30, 2, 39):
        history = [item for item in done if item.number <= number - GENERATION]
        answer = fresh.propose(history, frozenset(item.id for item in found[:number]), number)
        assert answer == found[number]


def test_another_process_gives_the_same_answers(space: SearchSpace) -> None:
    script = (
        "import test_grammar_proposer as t; "
        "print(*[c.id for c in t.proposals(t.space_of(t.SPACE), world=1, seed=7, trials=30)[0]])"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "search")]
    environment = {"PYTHONPATH": ":".join(folders), "PYTHONHASHSEED": "99", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    here, _ = proposals(space, world=1, seed=7, trials=30)
    assert done.stdout.split() == [item.id for item in here]


def test_seeds_lead_to_different_searches(space: SearchSpace) -> None:
    one, _ = proposals(space, world=1, seed=0, trials=40)
    other, _ = proposals(space, world=1, seed=1, trials=40)
    assert {item.id for item in one} != {item.id for item in other}


def test_a_tiny_space_is_gone_through_to_its_last_genome_but_the_one_that_stands_still() -> None:
    tiny = space_of(TINY)
    found, _ = proposals(tiny, world=0, seed=0, trials=1000, failing=0.0)
    everything = {candidate_of(from_parameters(genome, tiny), tiny) for genome in GeneSpace(tiny).all()}
    still = {item.id for item in everything if item.claim == "No physics."}
    assert len(still) == 1
    assert {item.id for item in found} == {item.id for item in everything} - still


NO_PHYSICS = """
[problem]
title = "Two unknowns"
[data]
[split]
[[states]]
name = "a"
[[states]]
name = "b"
[[parameters]]
name = "k"
value = 0.0
[[library]]
name = "linear_a"
expression = "k * a"
equations = { a = "+" }
[[library]]
name = "square_a"
expression = "k * a * a"
equations = { a = "+" }
[[library]]
name = "linear_b"
expression = "k * b"
equations = { b = "+" }
[[slots]]
name = "a_rate"
equation = "a"
inputs = ["a", "b"]
[[slots]]
name = "b_rate"
equation = "b"
inputs = ["a", "b"]
"""


def test_without_physics_all_equations_move_before_single_ones_do() -> None:
    bare = space_of(NO_PHYSICS)
    found, _ = proposals(bare, world=0, seed=0, trials=30)
    assert found[0].id == baseline_candidates(bare)["net"].id
    moved = [{name for name in changed(item) if name.count(".") == 1} for item in found[1:5]]
    assert moved == [
        {"add.linear_a", "add.linear_b"},
        {"add.square_a"},
        {"add.linear_a", "add.square_a", "add.linear_b"},
        {"slot.a_rate", "slot.b_rate"},
    ]
    assert not any(item.claim.startswith("Nothing changes") for item in found)
    assert len(found) < 1000


def test_goes_on_when_everything_failed(space: SearchSpace) -> None:
    found, done = proposals(space, world=0, seed=0, trials=40, failing=1.1)
    assert len(found) == 40
    assert all(item.status == "failed" for item in done)


def test_strangers_in_the_history_do_no_harm(space: SearchSpace) -> None:
    stranger = fitted(Candidate("x = 1", "ann", genome=None), 0, 0.01).evaluation
    foreign = fitted(Candidate("x = 2", "ann", genome={"term.unknown": "given"}), 1, 0.01).evaluation
    assert GrammarProposer(space, 0).propose([stranger, foreign], frozenset(), 30) is not None


def test_parents_are_candidates_of_the_history(space: SearchSpace) -> None:
    found, done = proposals(space, world=2, seed=0, trials=40)
    known = {item.candidate for item in done}
    assert all(set(item.parents) <= known for item in found)
    assert sum(bool(item.parents) for item in found) > 10


@pytest.mark.parametrize("seed", range(5))
def test_what_is_among_the_best_is_asked_whether_it_needs_its_nets(space: SearchSpace, seed: int) -> None:
    """Once the list of simple things is through, at most as many proposals later as there are parents."""
    found, done = proposals(space, world=seed, seed=seed, trials=70, failing=0.0)
    asked = {item.id: number for number, item in enumerate(found)}
    genes = GeneSpace(space)
    for number in range(30, 70 - PARENTS):
        history = [item for item in done if item.number <= number - GENERATION]
        for parent in rank(history)[:PARENTS]:
            if parent.genome is not None and genes.holds(parent.genome):
                physics = candidate_of(from_parameters(genes.without_nets(dict(parent.genome)), space), space)
                assert asked[physics.id] <= number + PARENTS


def test_sampler_prefers_what_was_good_to_what_failed(space: SearchSpace) -> None:
    genes = GeneSpace(space)
    generator = np.random.default_rng(0)
    drawn = [genes.uniform(generator) for _ in range(60)]
    tried = [
        Tried(item, (1.0 + place / 100 if item["physics"] else float("inf"), 0, place), str(place))
        for place, item in enumerate(drawn)
    ]
    found = samples(genes, tried, seed=1)
    with_physics = sum(bool(next(found)["physics"]) for _ in range(40))
    assert with_physics >= 30


def test_beats_random_search_on_an_additive_objective(space: SearchSpace) -> None:
    genes = GeneSpace(space)
    searched, drawn = [], []
    for world in range(10):
        best = optimum(genes, world)
        generator = np.random.default_rng([7, world])
        _, done = proposals(space, world, seed=world, trials=40)
        searched.append(np.log(min(item.error for item in done) / best))
        drawn.append(np.log(min(error_of(genes.uniform(generator), world) for _ in range(40)) / best))
    assert np.median(searched) < 0.6 * np.median(drawn)
    assert np.mean(np.array(searched) < np.array(drawn)) >= 0.75


def optimum(genes: GeneSpace, world: int) -> float:
    """The smallest error that steepest descent from a few places finds."""
    generator, best = np.random.default_rng(0), float("inf")
    for _ in range(8):
        here = genes.uniform(generator)
        while True:
            there = min(genes.neighbours(here), key=lambda item: error_of(item, world))
            if error_of(there, world) >= error_of(here, world):
                break
            here = there
        best = min(best, error_of(here, world))
    return best


def test_terms_that_share_a_parameter_of_their_own_are_tried_together() -> None:
    space = load_problem("hare_lynx").space
    together = {"term.predation": "saturating_predation", "term.conversion": "saturating_conversion"}
    tried = list(systematic(space, GeneSpace(space)))
    place = next(place for place, genes in enumerate(tried) if together.items() <= genes.items())
    singles = [place for place, genes in enumerate(tried) if genes.get("term.predation") == "saturating_predation"]
    nets = [place for place, genes in enumerate(tried) if genes.get("slot.profit", "empty") != "empty"]
    assert min(singles) < place < min(nets)
