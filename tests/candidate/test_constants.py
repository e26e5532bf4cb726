"""Numbers in a source count where they carry information, and only there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from candidate_spaces import drawn_genomes

from archsearch.candidate.baselines import physics_as_given, physics_plus_net
from archsearch.candidate.constants import count_constants, without_remarks
from archsearch.candidate.render import render
from archsearch.problem.loading import load_problem


@pytest.mark.parametrize(
    ("source", "counted"),
    [
        ("x = 1 - y", 0),
        ("x = y ** 2 + 3 * z[0] + 0.5 * w", 0),
        ("x = -1 * y if y > 0 else z[:2]", 0),
        ("x = 0.37 * y", 1),
        ("x = 5 * y", 1),
        ("x = y ** (2 / 3) + z ** -0.5", 0),
        ("x = (3 * 4 + 2) * y", 1),
        ("x = y + 3 / 4 / 2 - 4 * 4", 2),
        ("x = y * (3" + " * 4 + 1" * 12 + ")", 2),
        ("table = [-1, 1 / 4, 3 * 4, not_one]", 3),
        ("x = 0.37 * 2 * y", 1),
        ("x = y * 0.37 * 2 * 1e3", 2),
        ("x = " + " + ".join(["y * 4 * 3"] * 36), 1),
        ("x = y ** 1.7 + 9.81", 2),
        ("table = [1, 2, 3, 0]", 4),
        ("table = (0.1, 0.2, 0.3)", 3),
        ('"""A docstring with 12 numbers, however long it is: ' + "9" * 200 + '"""', 0),
        ("table = '" + "9" * 80 + "'", 10),
        ("name = 'predation'", 2),
        ("y = x['predation'] + self.term('growth', y) + laplacian(x.c, h, 'neumann')", 0),
        ("y = {'predation': x}", 0),
        ("y = sum(x[name] for name in ('hare', 'lynx'))", 0),
        ("name = b'predation'", 2),
        ("table = ('0.37 1.2', '4.1')", 2),
        ("names = " + str(tuple(f"n{'abcdefghij' * 5}{k}" for k in range(40))), 227),
        ("x = " + "7" * 160, 10),
        ("x = True, None, ...", 3),
        ("y = torch.sum(x[..., None, 0], dim=None, keepdim=True)", 0),
        ("y = f((), [], x.a is None)", 0),
        ("x = [(), [], {}]", 3),
        ("x = (f'', [f''])", 2),
        ("x = (True, False, 2, 3)[1]", 4),
        ("y = x * 3 * not_one" + " + z.a" * 999, 201),
        ("def f(x, y=0.3): return x", 1),
        ("not python at all (", 0),
    ],
)
def test_a_number_counts_if_it_was_chosen(source: str, counted: int) -> None:
    assert count_constants(source) == counted


CLASS = "class Candidate(HybridModel):\n    "


@pytest.mark.parametrize(
    ("declared", "counted"),
    [
        ("rate = Param(0.37, low=0.01, high=9.0, unit='mmol/L/h')", 0),
        ("rate: Param = Param(0.37)", 0),
        ("rate = Param(0.37, note=" + str(tuple(k + 0.1 for k in range(20))) + ")", 18),
        ("rate = Param(0.37, note='" + "9" * 80 + "')", 10),
        ("net = Net(inputs=('x',), hidden=(16, 16), bounded=(0.0, 7.5), positive=True)", 0),
        ("net = Net(hidden=(" + "5, " * 20 + "))", 8),
        ("net = Net(hidden=(" + "True, " * 20 + "))", 8),
        ("algebraic_variables = {'H': 0.37}", 0),
        ("dropped = ('growth', 'death'); replaced = {'growth': 'logistic'}", 0),
        ("rate = 0.37", 1),
        ("rate = Param(0.37) * 0.38", 2),
        ("rate = (Param(0.37), 0.38)", 2),
        ("rate = Param(0.37, fixed=False)", 0),
        ("rate = Param(0.37, fixed=True)", 1),
        ("rate = Param(0.37, fixed=1)", 1),
        ("rate = Param(0.37, None, None, '1', True)", 1),
        ("rate = Param(*(0.37, None, None, '1', True))", 2),
        ("rate = Param(**{'value': 0.37, 'fixed': True})", 1),
        ("rate = Param(0.37); rate = Param(0.38)", 2),
    ],
)
def test_a_declaration_needs_its_numbers(declared: str, counted: int) -> None:
    assert count_constants(f"{CLASS}{declared}") == counted


RATE = f"{CLASS}rate = Param(0.37, low=0.1, high=9.0)\n    net = Net(bounded=(0.0, 7.5))\n"
FIVE = 5


@pytest.mark.parametrize(
    ("source", "counted"),
    [
        (RATE, 0),
        (f"{RATE}\n    def rhs(self, t, x, u):\n        return {{'x': Candidate.rate.low}}", FIVE),
        (f"{RATE}\n    def rhs(self, t, x, u):\n        return {{'x': type(self).rate.low}}", FIVE),
        (f"{RATE}\n    def rhs(self, t, x, u):\n        return {{'x': self.__class__.rate.low}}", FIVE),
        (f"{RATE}\n    def rhs(self, t, x, u):\n        type = x.kind\n        return {{'x': type}}", 0),
        (f"Net = lambda *a: a\n{RATE}", FIVE),
        (f"from numbers import Param\n{RATE}", FIVE),
        (f"from archsearch.hybrid import Net as Param\n{RATE}", FIVE),
        (f"from archsearch.hybrid import HybridModel, Net, Param\n{RATE}", 0),
        (f"{RATE}{RATE}", 2 * FIVE),
        (f"@read\n{RATE}", FIVE),
        (RATE.replace("Candidate", "Table"), FIVE),
        (f"if True:\n{RATE}".replace("\n", "\n    "), FIVE),
    ],
)
def test_numbers_of_a_declaration_that_can_be_read_as_a_table_count(source: str, counted: int) -> None:
    assert count_constants(source) == counted


def bits(many: int) -> str:
    return ", ".join("True" if k * 7919 % 3 else "False" for k in range(many))


def hidden(statement: str) -> str:
    return f"{CLASS}def rhs(self, t, x, u):\n        {statement}\n        return {{'level': k * x.level}}"


ONES = "(" + " + ".join(["torch.ones_like(x.level)"] * 40) + ")"
TWELVE = ", ".join(f"{k / 7 + 0.1:.15f}" for k in range(12))
GUESSES = "{" + ", ".join(f"'a{k}': {k / 7 + 0.1:.15f}" for k in range(12)) + "}"


@pytest.mark.parametrize(
    ("source", "least"),
    [
        (hidden("k = [" + ", ".join(f"Param({k}.1, low=-{k}.7, high={k}.9).low" for k in range(200)) + "][7]"), 600),
        (hidden("k = Param(0.8).value"), 1),
        (f"{CLASS}k = Param(0.8, fixed=True)", 1),
        ("B = (()" + ", ()" * 799 + ")\nC = (()" + ", ()" * 999 + ")\n" + hidden("k = len(B) / len(C)"), 1800),
        (hidden("k = len('aaaaaaaa') / len('aaaaaaaaaa')"), 3),
        ("A = 'a" + "b" * 50 + "'\n" + hidden("k = 1 / len(A)"), 7),
        ("\n".join(f"A{k} = '{'b' * 40}'" for k in range(9)) + "\n" + hidden("k = len(A3)"), 45),
        (hidden("k = " + " / ".join([ONES] * 20)), 200),
        (f"T = ({bits(5000)})\n" + hidden("k = T[3]"), 5000),
        ("T = [" + ", ".join(repr(f"v{k * 10**40 + 777:063d}") for k in range(15)) + "]", 70),
        ("Net = lambda *a: a\nT = [" + f"Net({TWELVE}), " * 100 + "]", 1200),
        (f"algebraic_variables = {GUESSES}\n" * 50, 600),
        (f"{CLASS}pass\n" + f"    algebraic_variables = {GUESSES}\n" * 50, 600),
        ("class T:\n" + "\n".join(f"    v{(k * 7919) ** 9:x} = None" for k in range(1, 300)), 900),
        ("T = list(dict(" + ", ".join(f"v{(k * 7919) ** 9:x}=t" for k in range(1, 300)) + "))", 900),
        ("T = [lambda " + ", ".join(f"v{(k * 7919) ** 9:x}" for k in range(1, 300)) + ": t]", 900),
    ],
)
def test_numbers_cannot_be_hidden(source: str, least: int) -> None:
    assert count_constants(source) >= least


def test_names_and_fixed_parameters_of_the_space_were_not_chosen() -> None:
    space = load_problem("bioreactor").space
    fixed = next(item for item in space.parameters if item.fixed)
    for value, counted in ((fixed.value, 0), (fixed.value + 0.1, 1)):
        source = f"{CLASS}{fixed.name} = Param({value!r}, fixed=True)"
        assert (count_constants(source, space), count_constants(source)) == (counted, 1)
    names = [f"{name}_{'x' * 30}_{k}" for name in ("one", "two") for k in range(9)]
    long = space.model_copy(update={"parameters": [fixed.model_copy(update={"name": name}) for name in names]})
    source = "\n".join(f"{name} = self.term('{name}', x.X)" for name in names)
    assert count_constants(source, long) == 0 < count_constants(source)
    listed = f"T = {names}"
    assert count_constants(listed, long) == count_constants(listed) > 0


def test_long_terms_of_the_space_may_be_written_out() -> None:
    space = load_problem("bioreactor").space
    expression = " + ".join(["X"] * 1500)
    long = space.model_copy(update={"terms": [space.terms[0].model_copy(update={"expression": expression})]})
    source = f"y = {expression.replace('X', 'x.X')}"
    assert count_constants(source, long) == 0 < count_constants(source)


@pytest.mark.parametrize("name", ["hare_lynx", "boarding_school_flu", "bioreactor"])
def test_what_is_rendered_from_genes_has_no_constant_of_its_own(name: str) -> None:
    space = load_problem(name).space
    for genome in (physics_as_given(space), physics_plus_net(space)):
        assert genome is not None
        assert count_constants(render(genome, space), space) == 0


def test_what_is_drawn_has_no_constant_but_the_weight_of_its_regularizer() -> None:
    space = load_problem("bioreactor").space
    for genome in drawn_genomes(space, 100):
        source = render(genome, space)
        assert count_constants(source, space) == source.count("regularizers"), source


def test_a_table_in_the_source_is_as_large_as_one_in_the_weights() -> None:
    assert count_constants(f"TABLE = {[round(0.1 * k, 3) for k in range(1, 501)]}") == 500


def test_without_remarks_it_is_the_same_program_and_no_more() -> None:
    source = '''"""A title.

0.123 0.456
"""
from __future__ import annotations

# 0.789
class Candidate:
    """Numbers: 1 2 3."""

    def rhs(self, t, x, u):
        "4.5"
        6.7
        return   {"a":x.a*-0.1, "b": f"{t!r:>{3}}"}  # 8.9
'''
    bare = without_remarks(source)
    assert not any(remark in bare for remark in ("title", "0.456", "0.789", "Numbers", "4.5", "6.7", "8.9"))
    assert without_remarks(bare) == bare
    assert count_constants(bare) == count_constants(source)
    for text in (source, bare):
        defined: dict[str, Any] = {}
        exec(text, defined)
        assert defined["Candidate"]().rhs(1.5, SimpleNamespace(a=2.0), None) == {"a": -0.2, "b": "1.5"}


@pytest.mark.parametrize("source", ["def", "x = " + "(" * 500 + ")" * 500, "x = " + "-" * 50_000 + "1", "\0"])
def test_what_cannot_be_written_out_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="cannot be read as Python"):
        without_remarks(source)
