"""The same equations under other names are found; other equations never are."""

from __future__ import annotations

import pytest

from archsearch.candidate.genes import from_parameters
from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.problem.loading import load_problem
from archsearch.proposers.baselines import candidate_of
from archsearch.proposers.canonical import canonical
from archsearch.proposers.moves import GeneSpace

HEAD = "from archsearch.hybrid import HybridModel, Net, Param\n\n\nclass Candidate(HybridModel):\n"


def model(body: str, *declared: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in declared) + f"    def rhs(self, t, x, u):\n        {body}\n"


A, B = "a = Param(1.0)", "b = Param(2.0)"
MONOD = model('return {"S": -self.a * x.S / (self.b + x.S)}', A, B)


@pytest.mark.parametrize(
    "other",
    [
        model('return {"S": -self.fast * x.S / (self.half + x.S)}', "fast = Param(3.0)", "half = Param(1.0)"),
        model('return {"S": -(x.S * self.b) / (x.S + self.a)}', A, B),
        model('return {"S": self.term("uptake", -self.a / (self.b / x.S + 1))}', A, B),
        model('q = x.S / (x.S + self.b)\n        return {"S": -self.a * q}', A, B),
        model('return {"S": -self._law(x.S)}', A, B)
        + "\n    def _law(self, S):\n        return self.a * S / (S + self.b)\n",
    ],
)
def test_names_order_and_fractions_do_not_matter(other: str) -> None:
    assert canonical(MONOD) == canonical(other) is not None


@pytest.mark.parametrize(
    "other",
    [
        model('return {"S": -self.a * x.S / (self.b + x.X)}', A, B),
        model('return {"S": -self.a * x.S / (self.a + x.S)}', A),
        model('return {"S": self.a * x.S / (self.b + x.S)}', A, B),
        model('return {"S": -self.a * x.S / (self.b + x.S)}', A, "b = Param(2.0, fixed=True)"),
        model('return {"S": -self.a * x.S**2 / (self.b + x.S)}', A, B),
        model('return {"S": -self.a * x.S / (self.b + x.S)}', A, B, 'regularizers = {"norm": 0.1}'),
    ],
)
def test_other_equations_are_others(other: str) -> None:
    assert canonical(MONOD) != canonical(other) is not None


def test_a_net_is_told_by_role_size_structure_and_what_it_sees() -> None:
    def with_net(name: str, rest: str, seen: str = "x.S") -> str | None:
        return canonical(
            model(f'return {{"S": x.S * self.{name}({seen})}}', f'{name} = Net(("S",), role="scale"{rest})')
        )

    assert with_net("n", "") == with_net("other", "")
    different = {with_net("n", ""), with_net("n", ", hidden=(8,)"), with_net("n", ", positive=True"),
                 with_net("n", "", "2 * x.S")}  # fmt: skip
    assert len(different) == 4


def test_what_is_no_arithmetic_is_never_called_a_duplicate() -> None:
    branches = [
        model(f'q = x.S\n        if True:\n            q = {value}\n        return {{"S": q}}') for value in "12"
    ]
    assert [canonical(source) for source in branches] == [None, None]
    odd = model('total = [x.S for _ in range(2)]\n        return {"S": sum(total)}')
    assert canonical(odd) is None
    assert canonical("this is not Python") is None


def test_no_two_genomes_of_a_small_space_are_called_the_same() -> None:
    space = load_problem("bioreactor").space
    genes = GeneSpace(space)
    sources = {candidate_of(from_parameters(item, space), space).source for item in genes.all()}
    sources = set(sorted(sources)[:60])
    assert len({canonical(source) for source in sources}) == len(sources)


def test_the_physics_as_given_is_readable_in_every_bundled_space() -> None:
    for name in ("bioreactor", "hare_lynx", "boarding_school_flu", "pendulum"):
        assert canonical(render(Genome(), load_problem(name).space)) is not None
