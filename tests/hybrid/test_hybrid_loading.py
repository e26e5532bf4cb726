"""A source becomes a class, or one clear sentence."""

from __future__ import annotations

import pytest
import torch

from archsearch.hybrid import CandidateError, load_candidate

GOOD = '''"""Decay."""
from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    rate = Param(0.5, low=0.0, high=1.0)

    def rhs(self, t, x, u):
        return {"a": -self.rate * x.a}
'''


def test_a_source_becomes_a_working_model():
    model = load_candidate(GOOD)(("a",))
    assert model.derivative(0.0, torch.tensor([2.0], dtype=torch.float64)).item() == pytest.approx(-1.0)


def test_loading_twice_gives_two_classes():
    assert load_candidate(GOOD) is not load_candidate(GOOD)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("class Candidate(:\n", "Line 1"),
        ("x = 1\n", "no class named Candidate"),
        ("class Candidate:\n    pass\n", "not a HybridModel"),
        (GOOD.replace("def rhs", "def lhs"), "no method rhs"),
        (GOOD.replace("0.5", "1.5"), "low < value < high"),
        (GOOD.replace("HybridModel, Param", "HybridModel"), "NameError"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_broken_source_is_refused(source, sentence):
    with pytest.raises(CandidateError, match=sentence):
        load_candidate(source)
