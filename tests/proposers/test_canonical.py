"""The same equations under other names are found; other equations never are."""

from __future__ import annotations

from itertools import islice
from time import process_time

import pytest

from archsearch.candidate.genes import from_parameters
from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.problem.loading import load_problem
from archsearch.proposers.baselines import candidate_of
from archsearch.proposers.canonical import are_the_same, canonical, mark
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


def one_law(expression: str, *declared: str) -> str:
    return model(f'return {{"S": {expression}}}', *(declared or (A, B)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x.S * x.S**self.a / x.S**self.a", "x.S"),
        ("x.X * (x.S / 3)**self.a", "x.S**self.a * x.X / 3**self.a"),
        ("x.S**-2 * torch.square(x.S)", "1"),
        ("(x.S + x.X)**2 - x.S**2", "x.X * (2 * x.S + x.X)"),
        ("0.1 * x.S + x.S / 5", "0.3 * x.S"),
        ("torch.exp(-x.S - x.X)", "torch.exp(-(x.X + x.S))"),
        ("self.a / (1 / x.S)", "x.S * self.a"),
    ],
)
def test_what_is_the_same_has_the_same_mark(one: str, other: str) -> None:
    assert canonical(one_law(one)) == canonical(one_law(other)) is not None
    assert mark(one_law(one)) == mark(one_law(other)) is not None
    assert are_the_same(one_law(one), one_law(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x.S", "x.X"),
        ("x.S**self.a", "x.S**(2 * self.a)"),
        ("torch.exp(x.S)", "torch.tanh(x.S)"),
        ("torch.clamp(x.S, min=0)", "torch.clamp(x.S, min=1)"),
        ("x.S - x.X", "x.X - x.S"),
        ("x.S**100", "x.S**101"),
        ("math.pi * x.S", "3.141592653589793 * x.S"),
    ],
)
def test_what_differs_is_told_apart_without_algebra(one: str, other: str) -> None:
    before = canonical.cache_info().misses
    assert None not in (mark(one_law(one)), mark(one_law(other)))
    assert not are_the_same(one_law(one), one_law(other))
    assert canonical.cache_info().misses == before


@pytest.mark.parametrize("odd", ["x.S / (self.a - self.b)", "torch.sqrt(x.S)", "x.S**0.5", "x.S**(self.a / 2)"])
def test_what_has_no_mark_is_compared_by_algebra(odd: str) -> None:
    same = f"2 * ({odd}) / 2"
    assert mark(one_law(odd)) is None
    assert are_the_same(one_law(odd), one_law(same))
    assert not are_the_same(one_law(odd), one_law(f"x.X + {odd}"))
    assert not are_the_same(one_law(odd), one_law("x.X"))


@pytest.mark.parametrize("name", ["bioreactor", "hare_lynx", "boarding_school_flu", "pendulum"])
def test_marks_tell_apart_what_algebra_tells_apart_and_nothing_else(name: str) -> None:
    space = load_problem(name).space
    sources = {candidate_of(from_parameters(item, space), space).source for item in islice(GeneSpace(space).all(), 500)}
    forms: dict[str | None, set[int | None]] = {}
    for source in sorted(sources)[:30]:
        forms.setdefault(canonical(source), set()).add(mark(source))
    assert all(len(marks) == 1 for marks in forms.values())
    assert len(set[int | None]().union(*forms.values())) == len(forms)


def test_a_mark_takes_a_small_part_of_the_time_that_algebra_takes() -> None:
    space = load_problem("hare_lynx").space
    genes = list(islice(GeneSpace(space).all(), 2000))[::100]
    sources = [candidate_of(from_parameters(item, space), space).source + "# own\n" for item in genes]
    canonical(sources.pop())  # which loads what algebra needs
    times = [process_time()]
    for form in (mark, canonical):
        assert None not in [form(source) for source in sources]
        times.append(process_time())
    assert times[1] - times[0] < (times[2] - times[1]) / 4
