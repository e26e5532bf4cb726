"""Parameters start where they were declared, stay in their bounds, and keep their gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archsearch.hybrid import CandidateError, HybridModel, Param


class Growth(HybridModel):
    two = Param(0.5, low=0.0, high=2.0, unit="1/h")
    above = Param(3.0, low=1.0)
    below = Param(-4.0, high=-1.0)
    free = Param(250.0)
    small = Param(-0.25)
    gravity = Param(9.81, unit="m/s**2", fixed=True)

    def rhs(self, t, x, u):
        return {"x": self.two * x.x + self.above + self.below + self.free + self.small + self.gravity}


def test_a_model_starts_at_the_declared_values():
    values = Growth(("x",)).parameter_values()
    expected = {"two": 0.5, "above": 3.0, "below": -4.0, "free": 250.0, "small": -0.25}
    assert {name: value.item() for name, value in values.items()} == pytest.approx(expected, rel=1e-14)


def test_constants_are_no_fitted_parameters():
    model = Growth(("x",))
    assert "gravity" not in model.parameter_values()
    assert set(model.constants_declared()) == {"gravity"}
    assert model.gravity.item() == 9.81
    assert model.raw.shape == (5,)


@given(raw=st.lists(st.floats(-700, 700), min_size=5, max_size=5))
@settings(max_examples=100, deadline=None)
def test_no_raw_coordinate_leaves_the_bounds(raw):
    model = Growth(("x",))
    with torch.no_grad():
        model.raw.copy_(torch.tensor(raw, dtype=torch.float64))
    values = model.parameter_values()
    assert 0.0 <= values["two"].item() <= 2.0
    assert values["above"].item() >= 1.0
    assert values["below"].item() <= -1.0
    assert all(torch.isfinite(value) for value in values.values())


@given(share=st.floats(1e-6, 1 - 1e-6), above=st.floats(1.0001, 1e6), free=st.floats(-1e6, 1e6))
@settings(max_examples=50, deadline=None)
def test_a_value_that_is_set_is_the_value_that_is_read(share, above, free):
    model = Growth(("x",))
    for name, value in (("two", 2 * share), ("above", above), ("below", -above), ("free", free)):
        model.set_parameter(name, value)
        assert model.parameter_values()[name].item() == pytest.approx(value, rel=1e-9)


def test_a_value_at_a_bound_is_put_just_inside():
    model = Growth(("x",))
    model.set_parameter("two", 2.0)
    assert model.parameter_values()["two"].item() == pytest.approx(2.0, abs=1e-7)
    assert torch.isfinite(model.raw).all()


@pytest.mark.parametrize("value", [-0.1, 2.1, math.nan, math.inf])
def test_a_value_out_of_bounds_is_refused(value):
    with pytest.raises(CandidateError, match="between 0 and 2"):
        Growth(("x",)).set_parameter("two", value)


def test_an_unknown_parameter_is_refused_with_those_that_exist():
    with pytest.raises(CandidateError, match="two, above"):
        Growth(("x",)).set_parameter("too", 1.0)


@pytest.mark.parametrize("bounds", [(1.0, 1.0, 2.0), (2.0, 1.0, 2.0), (3.0, 1.0, 2.0), (math.nan, None, None)])
def test_a_start_value_must_lie_strictly_inside(bounds):
    with pytest.raises(CandidateError, match="low < value < high"):
        Param(*bounds)


def test_gradients_flow_to_every_parameter_in_natural_units():
    model = Growth(("x",))
    x = torch.tensor([[2.0]], dtype=torch.float64)
    values = model.parameter_values()
    with model.prepared():
        slope = model.derivative(0.0, x).sum()
    (gradient,) = torch.autograd.grad(slope, model.raw)
    by_hand = torch.zeros(5, dtype=torch.float64)
    for index, name in enumerate(["two", "above", "below", "free", "small"]):
        (natural,) = torch.autograd.grad(values[name], model.raw, retain_graph=True)
        by_hand += natural * (2.0 if index == 0 else 1.0)
    torch.testing.assert_close(gradient, by_hand)


def test_a_block_of_prepared_values_is_shared_by_views_and_forgotten_afterwards():
    model = Growth(("x",))
    with model.prepared():
        assert model.nulled().two is model.two
    before = model.two.item()
    with torch.no_grad():
        model.raw += 0.5
    assert model.two.item() != before


def test_a_constant_and_a_fitted_parameter_never_clash_whatever_their_names():
    class Named(HybridModel):
        a = Param(2.0, fixed=True)
        constant_a = Param(3.0)
        b = Param(5.0, fixed=True)

        def rhs(self, t, x, u):
            return {"x": self.a * self.constant_a + self.b * x.x}

    x = torch.ones(1, dtype=torch.float64)
    assert Named(("x",)).derivative(0.0, x).item() == pytest.approx(11.0)
    assert set(Named(("x",)).state_arrays()) == {"param.constant_a", "raw.constant_a"}
