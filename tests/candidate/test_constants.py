"""Numbers in a source count where they carry information, and only there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

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
        ("rate = Param(0.37, low=0.01, high=9.0)", 0),
        ("net = Net(inputs=('x',), hidden=(16, 16), bounded=(0.0, 7.5))", 0),
        ("algebraic_variables = {'H': 0.37}", 0),
        ("x = Param(0.37) * 0.38", 1),
        ('"""A docstring with 12 numbers, however long it is: ' + "9" * 200 + '"""', 0),
        ("table = '" + "9" * 80 + "'", 10),
        ("name = 'predation'", 0),
        ("name = b'predation'", 2),
        ("table = ('0.37 1.2', '4.1')", 2),
        ("rate = Param(0.37, low=0.0, high=9.0, unit='mmol/L/h')", 0),
        ("rate = Param(0.37, note=" + str(tuple(k + 0.1 for k in range(20))) + ")", 9),
        ("names = " + str(tuple(f"n{'abcdefghij' * 5}{k}" for k in range(40))), 139),
        ("x = " + "7" * 160, 10),
        ("x = True, None, ...", 0),
        ("def f(x, y=0.3): return x", 1),
        ("not python at all (", 0),
    ],
)
def test_a_number_counts_if_it_was_chosen(source: str, counted: int) -> None:
    assert count_constants(source) == counted


def test_what_is_rendered_from_genes_has_no_constant_of_its_own() -> None:
    space = load_problem("hare_lynx").space
    for genome in (physics_as_given(space), physics_plus_net(space)):
        assert genome is not None
        assert count_constants(render(genome, space)) == 0


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
