"""Genomes and their genes are the same thing, told twice."""

from __future__ import annotations

import random

import pytest
from candidate_spaces import bare, drawn_genes, drawn_genomes, rich

from archsearch.candidate.baselines import net_alone, physics_as_given, physics_plus_net
from archsearch.candidate.genes import active_choices, choices, from_parameters, to_parameters
from archsearch.candidate.genome import Genome, NetGene
from archsearch.errors import RequestError
from archsearch.problem.loading import load_problem


@pytest.mark.parametrize("space", [rich(), bare()], ids=["rich", "bare"])
def test_genes_and_genomes_round_trip_exactly(space):
    generator = random.Random(1)
    for _ in range(150):
        genes = drawn_genes(space, generator)
        genome = from_parameters(genes, space)
        assert to_parameters(genome, space) == genes
        assert from_parameters(to_parameters(genome, space), space) == genome


@pytest.mark.parametrize("space", [rich(), bare()], ids=["rich", "bare"])
def test_baselines_are_points_of_the_space(space):
    for genome in (physics_as_given(space), net_alone(space), physics_plus_net(space)):
        if genome is not None:
            assert from_parameters(to_parameters(genome, space), space) == genome


def test_a_space_without_terms_has_only_the_net_as_baseline():
    assert physics_as_given(bare()) is None
    assert physics_plus_net(bare()) is None
    assert net_alone(bare()).everywhere == NetGene("add", ("a", "b"), (16,))


def test_values_are_numbers_texts_and_truths_that_a_sampler_can_store():
    for choice in choices(rich()).values():
        assert all(isinstance(value, str | float | int | bool) for value in choice.values)
        assert len(set(choice.values)) == len(choice.values)


def test_trusted_terms_and_terms_that_others_are_made_from_cannot_be_dropped():
    found = choices(rich())
    assert "term.growth" not in found
    assert found["term.specific"].values == ("given", "logistic", "scarce")
    assert found["term.predation"].values == ("given", "dropped", "saturating")
    assert "add.winter" not in found


def test_masks_are_few_and_hold_every_input_at_which_the_net_is_zero():
    found = choices(rich())
    assert found["slot.kinetics.inputs"].values == (
        "hare+snow+cold",
        "hare",
        "hare+snow",
        "hare+cold",
    )
    assert found["slot.residual.inputs"].values[:4] == ("hare+lynx+feed", "hare", "lynx", "feed")
    assert all(len(choice.values) <= 8 for name, choice in found.items() if name.endswith("inputs"))


def test_genes_of_what_is_not_there_do_not_matter():
    space = rich()
    genes = to_parameters(Genome(), space)
    assert "slot.kinetics.inputs" not in genes
    assert "norm_weight" not in genes
    dropped = to_parameters(Genome(terms={"predation": "dropped"}), space)
    assert "slot.hunting" not in dropped
    alone = to_parameters(net_alone(space), space)
    assert set(alone) == {"physics", "everywhere.inputs", "everywhere.hidden"}
    everywhere = to_parameters(physics_plus_net(space), space)
    assert not any(name.startswith("slot.") for name in everywhere)
    assert "norm_weight" in everywhere


def test_a_slot_on_a_parameter_needs_that_the_parameter_is_used():
    space = rich()
    assert "slot.uptake" in to_parameters(Genome(), space)
    assert "slot.uptake" not in to_parameters(Genome(terms={"death": "dropped"}), space)


@pytest.mark.parametrize("name", ["hare_lynx", "bioreactor"])
def test_no_law_and_net_stand_in_the_same_place(name):
    """A law in whose place a net stands is dead: nothing of it is left in the model."""
    space = load_problem(name).space
    slot = next(slot for slot in space.slots if slot.term and set(slot.roles) == {"replace", "scale"})
    law = next(item.name for item in space.library if item.replaces == slot.term)
    for became, roles in (("given", {"empty", "replace", "scale"}), (law, {"empty", "scale"})):
        genes = to_parameters(Genome(terms={slot.term: became}), space)
        assert set(active_choices(genes, space)[f"slot.{slot.name}"]) == roles
    net = NetGene("replace", slot.inputs, (8,))
    with pytest.raises(RequestError, match=f"'slot.{slot.name}' is 'replace'"):
        to_parameters(Genome(terms={slot.term: law}, slots={slot.name: net}), space)


def test_active_choices_open_what_was_chosen():
    space = rich()
    genes = to_parameters(Genome(), space) | {"slot.residual": "scale"}
    assert {"slot.residual.inputs", "slot.residual.hidden", "norm_weight"} <= set(active_choices(genes, space))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"term.predation": "gone"}, "'term.predation' is 'gone'"),
        ({"term.growth": "dropped"}, "'term.growth' is unknown"),
        ({"add.ageing": 1}, "'add.ageing' is 1"),
        ({"slot.residual": "add"}, "is missing"),
        ({"norm_weight": 0.1}, "no effect"),
        ({"nonsense": 1}, "unknown"),
    ],
)
def test_genes_out_of_the_space_are_refused(change, sentence):
    with pytest.raises(RequestError, match=sentence):
        from_parameters(to_parameters(Genome(), rich()) | change, rich())


def test_a_genome_out_of_the_space_is_refused():
    with pytest.raises(RequestError, match=r"slot\.residual\.hidden"):
        to_parameters(Genome(slots={"residual": NetGene("add", ("hare",), (7,))}), rich())


def test_drawn_genomes_use_every_role_of_every_slot():
    used = {(name, gene.role) for genome in drawn_genomes(rich(), 300) for name, gene in genome.slots.items()}
    assert used == {(slot.name, role) for slot in rich().slots for role in slot.roles}
