"""What a net can take away from the physics: cases whose answer follows on paper."""

from __future__ import annotations

import pytest
from candidate_spaces import drawn_genomes, rich

from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.render import render
from archsearch.problem.loading import load_problem
from archsearch.review.nets import net_cards
from archsearch.review.reach import TOGETHER, Reach, reach_of

HEAD = "from archsearch.hybrid import HybridModel, Net, Param\n\n\nclass Candidate(HybridModel):\n"
PARAMS = "".join(f"    {name} = Param(0.5, low=0.0, high=2.0)\n" for name in "abk")


def reach(net: str, equations: str, name: str = "n") -> Reach:
    """What the net of a source over x.p and x.q can imitate."""
    source = f"{HEAD}{PARAMS}    n = Net({net})\n\n    def rhs(self, t, x, u):\n        return {{{equations}}}\n"
    found = reach_of(source)
    assert found is not None
    return found[name]


def test_a_net_beside_a_term_takes_it_over_only_if_it_sees_all_that_the_term_depends_on() -> None:
    equations = '"p": self.term("f", self.a * x.p * x.q) + self.n({}), "q": -self.b * x.q'
    both = reach('("p", "q"), outputs=("p",)', equations.format("x.p, x.q"))
    one = reach('("p",), outputs=("p",)', equations.format("x.p"))
    assert both == Reach(("f",), ("a",))
    assert one == Reach((), ())


def test_a_parameter_that_another_equation_has_stays_determined() -> None:
    equations = '"p": self.a * x.p + self.n(x.p), "q": self.a * x.q'
    assert reach('("p",), outputs=("p",)', equations).parameters == ()


def test_a_factor_and_a_net_are_one_product() -> None:
    assert reach('("q",), role="scale"', '"p": self.a * x.p * self.n(x.q), "q": self.b * x.q').parameters == ("a",)


def test_a_net_in_two_equations_takes_one_of_them_and_leaves_the_yield_of_the_other() -> None:
    equations = '"p": self.n(x.p) * x.q, "q": -self.n(x.p) * x.q / self.k'
    assert reach('("p",), role="replace"', equations).parameters == ()


def test_a_net_as_a_whole_factor_of_another_form_leaves_a_shape_that_it_does_not_see() -> None:
    equations = '"p": self.a * x.p / (self.k + x.p) * self.n(x.q), "q": self.b * x.q'
    assert reach('("q",), role="scale"', equations).parameters == ("a",)


def test_two_nets_can_take_together_what_neither_takes_alone() -> None:
    equations = '"p": self.a * x.p + self.n(x.p), "q": self.a * x.q + self.m(x.q)'
    source = f'{HEAD}{PARAMS}    n = Net(("p",), outputs=("p",))\n    m = Net(("q",), outputs=("q",))\n\n'
    found = reach_of(f"{source}    def rhs(self, t, x, u):\n        return {{{equations}}}\n")
    assert found is not None
    assert (found["n"].parameters, found["m"].parameters, found[TOGETHER].parameters) == ((), (), ("a",))


def test_what_two_parameters_share_without_any_net_is_not_laid_to_the_net() -> None:
    equations = '"p": (self.a + self.b) * x.p, "q": self.n(x.q)'
    assert reach('("q",), outputs=("q",)', equations).parameters == ()


def test_a_net_at_a_point_cannot_imitate_what_depends_on_its_neighbours() -> None:
    space = load_problem("fitzhugh_nagumo").space
    slot = space.slots[0]
    source = render(Genome(slots={slot.name: NetGene("add", slot.inputs, (8,))}), space)
    found = reach_of(source)
    assert found is not None
    assert found[slot.name] == Reach((), ())


def test_a_state_that_stands_still_hides_nothing_of_the_others() -> None:
    equations = '"p": torch.zeros_like(x.p), "q": self.a * x.q + self.n(x.q)'
    assert reach('("q",), outputs=("q",)', equations).parameters == ("a",)


def test_any_genome_of_a_space_with_every_kind_of_term_and_slot_can_be_worked_out() -> None:
    space = rich()
    sources = [render(genome, space) for genome in drawn_genomes(space, 40)]
    assert all(reach_of(source) is not None for source in sources)
    assert any(card.warnings for source in sources for card in net_cards(source, "", space))


def test_what_is_no_plain_arithmetic_is_not_guessed_at() -> None:
    source = f'{HEAD}{PARAMS}    n = Net(("p",), outputs=("p",))\n\n    def rhs(self, t, x, u):\n'
    assert reach_of(source + '        y = x.p\n        y += self.a\n        return {"p": y + self.n(x.p)}\n') is None


@pytest.mark.parametrize(
    ("genome", "said"),
    [
        (
            Genome(slots={"hunting": NetGene("scale", ("hare", "lynx"), (8,))}),
            "growth_rate and attack_rate cannot be determined beside it.",
        ),
        (
            Genome(slots={"profit": NetGene("replace", ("hare",), (8,))}),
            "conversion_rate stands nowhere else: the data say nothing of it.",
        ),
        (
            Genome(slots={"hunting": NetGene("scale", ("hare",), (8,))}, norm_weight=0.1),
            "Where the data cannot tell, the regularizer norm (weight 0.1) decides: a convention, no evidence.",
        ),
        (
            Genome(physics=False, everywhere=NetGene("add", ("hare", "lynx"), (8,))),
            "There is no physics beside it: what it learns is no law.",
        ),
    ],
)
def test_the_card_says_so_in_words(genome: Genome, said: str) -> None:
    space = load_problem("hare_lynx").space
    (card,) = net_cards(render(genome, space), "", space)
    assert said in card.warnings


def test_a_net_that_takes_nothing_away_is_not_warned_of() -> None:
    space = load_problem("fitzhugh_nagumo").space
    slot = space.slots[0]
    (card,) = net_cards(render(Genome(slots={slot.name: NetGene("add", slot.inputs, (8,))}), space), "", space)
    assert card.warnings == ()
    assert card.place == f"added to d {slot.equation}/dt"


def test_the_weights_of_a_net_are_counted_as_its_fit_counts_them() -> None:
    from archsearch.hybrid import load_candidate

    space = load_problem("hare_lynx").space
    for hidden in ((8,), (8, 8)):
        source = render(Genome(slots={"hunting": NetGene("scale", ("hare", "lynx"), hidden)}), space)
        model = load_candidate(source)(space.state_names, space.input_names)
        fitted = sum(item.numel() for name, item in model.named_parameters() if name != "raw")
        (card,) = net_cards(source, "", space)
        assert card.weights == fitted
