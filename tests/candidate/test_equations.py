"""The equations of a candidate say what is there and what changed against the physics as given."""

from __future__ import annotations

from candidate_spaces import bare, drawn_genomes, rich

from archsearch.candidate.baselines import net_alone
from archsearch.candidate.equations import equations_of
from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.render import render

HAND = '''"""By hand."""
from archsearch.hybrid import HybridModel, Net, Param
import torch


class Candidate(HybridModel):
    birth = Param(0.5, low=0.0, high=2.0, unit="1/year")
    odd = Net(inputs=("hare",), role="scale")

    def _rate(self, level):
        half = torch.square(level) / 2
        return self.birth * half

    def rhs(self, t, x, u):
        growth = self.term("growth", self._rate(x.hare))
        strange = growth if t > 3 else growth
        return {"hare": growth * self.odd(x.hare) - torch.clamp(x.lynx, min=0.0), "lynx": strange, "snow": 0.0}
'''


def changes(genome, state, space=None):
    space = space or rich()
    return {(piece.name, piece.change) for piece in equations_of(render(genome, space), space)[state]}


def test_the_physics_as_given_is_kept_whole():
    for pieces in equations_of(render(Genome(), rich()), rich()).values():
        assert {piece.change for piece in pieces} == {"kept"}
        assert {piece.kind for piece in pieces} == {"term"}


def test_signs_and_latex_are_those_of_the_space():
    hare, lynx, snow = equations_of(render(Genome(), rich()), rich()).values()
    assert [(piece.sign, piece.name) for piece in hare] == [("+", "growth"), ("-", "predation"), ("+", "feeding")]
    assert hare[0].latex == r"\mathrm{birth}\,\mathrm{hare}"
    assert lynx[1].sign == "-"
    assert r"\pi" in snow[0].latex


def test_a_dropped_term_is_removed():
    assert ("predation", "removed") in changes(Genome(terms={"predation": "dropped"}), "hare")


def test_a_replaced_term_stands_beside_what_it_replaced():
    found = changes(Genome(terms={"predation": "saturating"}), "lynx")
    assert {("saturating", "replaced"), ("predation", "removed"), ("death", "kept")} == found


def test_a_term_made_from_a_replaced_quantity_is_replaced():
    assert ("growth", "replaced") in changes(Genome(terms={"specific": "logistic"}), "hare")
    assert ("growth", "removed") in changes(Genome(terms={"specific": "logistic"}), "hare")


def test_an_added_term_is_added():
    assert ("ageing", "added") in changes(Genome(added=("ageing",)), "lynx")


def test_nets_are_shown_with_what_they_see():
    genome = Genome(slots={"residual": NetGene("add", ("hare", "feed"), (4,))})
    piece = equations_of(render(genome, rich()), rich())["lynx"][-1]
    assert (piece.kind, piece.name, piece.change) == ("net", "residual", "added")
    assert piece.latex == r"\mathrm{NN}_{\mathrm{residual}}(\mathrm{hare}, \mathrm{feed})"


def test_a_scaled_term_is_scaled_and_not_removed():
    found = changes(Genome(slots={"hunting": NetGene("scale", ("hare",), (4,))}), "lynx")
    assert {("hunting", "scaled"), ("death", "kept")} == found


def test_a_net_in_the_place_of_a_term_replaces_it():
    found = changes(Genome(slots={"hunting": NetGene("replace", ("hare",), (4,))}), "hare")
    assert {("hunting", "replaced"), ("predation", "removed"), ("growth", "kept"), ("feeding", "kept")} == found


def test_a_net_inside_a_term_marks_the_term():
    found = equations_of(render(Genome(slots={"kinetics": NetGene("replace", ("hare",), (4,))}), rich()), rich())[
        "hare"
    ]
    assert (found[0].kind, found[0].name, found[0].change) == ("net", "growth", "replaced")


def test_a_net_alone_removes_all_physics():
    for pieces in equations_of(render(net_alone(rich()), rich()), rich()).values():
        assert pieces[0].kind == "net"
        assert all(piece.change == "removed" for piece in pieces[1:])


def test_a_source_by_hand_is_read_through_helpers_and_variables():
    found = equations_of(HAND, rich())
    first, second = found["hare"][:2]
    assert first.latex.startswith(r"\mathrm{birth}\,\frac{\mathrm{hare}^{2}}{2}\,\mathrm{NN}_{\mathrm{odd}}")
    assert (first.kind, first.change) == ("net", "scaled")
    assert (second.sign, second.change) == ("-", "added")
    assert r"\max" in second.latex
    assert found["lynx"][0].latex in (r"\cdots", r"\mathrm{growth}")
    assert all(piece.change == "removed" for piece in found["snow"])


def test_every_genome_has_readable_equations():
    for space in (rich(), bare()):
        for genome in drawn_genomes(space, 60):
            found = equations_of(render(genome, space), space)
            assert tuple(found) == space.state_names
            assert all(r"\cdots" not in piece.latex for pieces in found.values() for piece in pieces)
