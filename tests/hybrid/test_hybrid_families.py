"""Every optional method of the language: algebraic equations, limits, observations, contexts, static models, fields."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, jacrev, vmap

from archsearch.hybrid import CandidateError, HybridModel, Net, Param


class Tank(HybridModel):
    """Substrate is consumed at a rate that an algebraic equation fixes; what is measured is twice the substrate."""

    algebraic_variables = {"rate": 0.3, "heat": 2.0}  # noqa: RUF012  # as candidates write it
    uptake = Param(0.5, low=0.0, high=2.0)
    saturation = Param(1.5, low=0.0)
    constant_ratio = Param(4.0, fixed=True)
    ratio = Param(2.0, fixed=True)
    extra = Net(inputs=("S", "heat"), role="add", hidden=(4,))
    bias = Net(inputs=("S",), role="add", outputs=("S",), hidden=(4,))

    def rhs(self, t, x, u):
        return {"S": u.feed - x.rate, "P": x.rate + 0 * t}

    def algebraic(self, t, x, z, u):
        kinetics = self.uptake * x.S / (self.saturation + x.S)
        return {
            "kinetics": z.rate - kinetics - self.extra(x.S, x.heat, relative_to=kinetics),
            "balance": z.heat - self.constant_ratio * z.rate,
        }

    def limits(self, t, x, u):
        return {"substrate": x.S, "cool": 5.0 - x.heat}

    def observe(self, t, x, u):
        return {"S": self.ratio * x.S + self.bias(x.S)}


STATES, INPUTS = ("S", "P"), ("feed",)


def points(many: int = 20) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    w = torch.rand((many, 4), generator=generator, dtype=torch.float64) + 0.5
    return torch.zeros(many, dtype=torch.float64), w, torch.rand((many, 1), generator=generator, dtype=torch.float64)


def tank() -> Tank:
    made = Tank(STATES, INPUTS)
    t, w, u = points()
    made.calibrate(t, w[:, :2], u, torch.tensor([1.0, 1.0]))
    return made


def test_algebraic_equations_limits_and_measurements_are_what_was_written():
    made = tank().nulled()
    t, w, u = points()
    S, P, rate, heat = w.unbind(-1)
    assert made.derivative(t, w, u).shape == (20, 2)
    torch.testing.assert_close(made.derivative(t, w, u), torch.stack([u[:, 0] - rate, rate], -1))
    expected = torch.stack([rate - 0.5 * S / (1.5 + S), heat - 4 * rate], -1)
    torch.testing.assert_close(made.residuals(t, w, u), expected)
    torch.testing.assert_close(made.margins(t, w, u), torch.stack([S, 5 - heat], -1))
    assert made.limit_names(t, w, u) == ("substrate", "cool")
    torch.testing.assert_close(made.measured(t, w, u), torch.stack([2 * S, P], -1))


@pytest.mark.parametrize("part", ["derivative", "residuals", "margins", "measured"])
@pytest.mark.parametrize("prepared", [False, True])
def test_every_part_has_jacobians_by_vmap_and_by_functional_call(part, prepared):
    made = tank()
    t, w, u = points()
    parameters = {name: value.detach().clone() for name, value in made.named_parameters()}

    def at(values, time, state, inputs):
        return functional_call(made, values, (time, state, inputs), {"part": part})

    def both():
        by_state = vmap(jacrev(at, argnums=2), in_dims=(None, 0, 0, 0))(parameters, t, w, u)
        by_raw = vmap(jacrev(at), in_dims=(None, 0, 0, 0))(parameters, t, w, u)["raw"]
        return by_state, by_raw

    with made.prepared() if prepared else torch.enable_grad():
        by_state, by_raw = both()
    step, compute = 1e-6, getattr(made, part)
    for column in range(4):
        shift = step * torch.eye(4, dtype=torch.float64)[column]
        slope = (compute(t, w + shift, u) - compute(t, w - shift, u)) / (2 * step)
        torch.testing.assert_close(by_state[..., column], slope, rtol=1e-6, atol=1e-7)
    base = made.raw.detach().clone()
    for index in range(2):
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                made.raw.copy_(base)
                made.raw[index] += sign * step
            sides.append(compute(t, w, u))
        torch.testing.assert_close(by_raw[..., index], (sides[0] - sides[1]) / (2 * step), rtol=1e-5, atol=1e-7)


def test_models_without_these_methods_have_empty_residuals_and_margins():
    class Plain(HybridModel):
        def rhs(self, t, x, u):
            return {"a": -x.a}

    plain, x = Plain(("a",)), torch.ones(7, 1, dtype=torch.float64)
    assert plain.residuals(0.0, x).shape == plain.margins(0.0, x).shape == (7, 0)
    assert plain.limit_names(0.0, x) == ()
    assert plain.measured(0.0, x) is x
    assert torch.isnan(plain.initial_states()).all()
    assert not plain.is_static


def test_nets_in_algebraic_equations_and_observations_are_calibrated():
    nets = tank().nets()
    S = points()[1][:, 0]
    for net in nets.values():
        assert net.mean[0].item() == pytest.approx(S.mean().item())
    assert nets["extra"].mean[1].item() == 2.0  # a variable that nobody measured stands at its start guess
    kinetics = 0.5 * S / (1.5 + S)
    assert nets["extra"].scale.item() == pytest.approx(kinetics.square().mean().sqrt().item())
    assert nets["bias"].scale.item() == pytest.approx(S.std(correction=0).item())  # of what is measured, not its slope


def test_a_net_in_two_equations_takes_the_scale_that_it_has_in_rhs():
    class Twice(HybridModel):
        net = Net(inputs=("a",), role="add", outputs=("a",))

        def rhs(self, t, x, u):
            return {"a": self.net(x.a)}

        def observe(self, t, x, u):
            return {"a": x.a + self.net(x.a)}

    made = Twice(("a",))
    made.calibrate(0.0, torch.rand(9, 1, dtype=torch.float64), None, torch.tensor([30.0]))
    assert made.nets()["net"].scale.item() == 30.0


class Dosed(HybridModel):
    """The elimination of a drug depends on who takes it."""

    elimination = Param(0.2, low=0.0, high=1.0)
    fixed_share = Param(0.5, fixed=True)
    of_age = Net(inputs=("age",), role="scale", hidden=(4,))

    def coefficients(self, c):
        return {"elimination": self.elimination * self.of_age(c.age) * c.weight, "fixed_share": 0.1 * c.weight}

    def initial(self, c):
        return {"drug": 10.0 / c.weight}

    def rhs(self, t, x, u):
        return {"drug": -self.elimination * x.drug, "trace": self.fixed_share * x.drug}

    def observe(self, t, x, u):
        return {"trace": self.fixed_share * x.trace}


def test_coefficients_stand_in_the_place_of_parameters_in_every_equation():
    made = Dosed(("drug", "trace"), ("age", "weight"))
    u = torch.tensor([[30.0, 2.0], [60.0, 3.0]], dtype=torch.float64)
    x = torch.tensor([[1.0, 4.0], [2.0, 5.0]], dtype=torch.float64)
    nulled = made.nulled()
    expected = torch.tensor([[-0.4, 0.2], [-1.2, 0.6]], dtype=torch.float64)
    torch.testing.assert_close(nulled.derivative(0.0, x, u), expected)
    with nulled.prepared():
        torch.testing.assert_close(nulled.derivative(0.0, x, u), expected)
    torch.testing.assert_close(nulled.measured(0.0, x, u)[:, 1], torch.tensor([0.8, 1.5], dtype=torch.float64))
    torch.testing.assert_close(nulled.elimination.item(), 0.2)
    assert made.parameter_values()["elimination"].item() == pytest.approx(0.2)
    gradient = torch.autograd.grad(made.derivative(0.0, x, u).sum(), made.raw)[0]
    assert gradient.abs().item() > 0


def test_initial_states_come_from_the_context_and_are_unknown_elsewhere():
    made = Dosed(("drug", "trace"), ("age", "weight"))
    found = made.initial_states(torch.tensor([[30.0, 2.0], [60.0, 4.0]], dtype=torch.float64))
    torch.testing.assert_close(found[:, 0], torch.tensor([5.0, 2.5], dtype=torch.float64))
    assert torch.isnan(found[:, 1]).all()


def test_after_an_error_in_an_equation_the_parameters_are_as_before():
    class Failing(Dosed):
        def rhs(self, t, x, u):
            return {"drug": x.nothing, "trace": 0.0}

    made = Failing(("drug", "trace"), ("age", "weight"))
    with made.prepared():
        with pytest.raises(AttributeError, match="nothing"):
            made.derivative(0.0, torch.ones(1, 2, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64))
        assert made.elimination.item() == pytest.approx(0.2)


class Yield(HybridModel):
    """A static model: conversion in a reactor."""

    slope = Param(0.3, low=0.0, high=1.0)
    excess = Net(inputs=("temperature", "time"), role="add", outputs=("conversion",))

    def output(self, x, u):
        linear = self.term("linear", self.slope * u.time)
        return {"conversion": linear + self.excess(x.temperature, u.time), "loss": 0.1}


def test_a_static_model_maps_inputs_to_outputs():
    made = Yield(("conversion", "loss"), ("temperature", "time"))
    u = torch.tensor([[300.0, 1.0], [310.0, 2.0], [330.0, 5.0]], dtype=torch.float64)
    assert made.is_static
    made.calibrate(None, torch.zeros(3, 2, dtype=torch.float64), u, torch.tensor([0.7, torch.nan]))
    assert made.nets()["excess"].scale.item() == pytest.approx(0.7)
    assert made.nets()["excess"].mean.tolist() == pytest.approx(u.mean(0).tolist())
    expected = torch.stack([0.3 * u[:, 1], torch.full((3,), 0.1, dtype=torch.float64)], -1)
    torch.testing.assert_close(made.nulled().outputs(u), expected)
    torch.testing.assert_close(functional_call(made.nulled(), {}, (u,), {"part": "outputs"}), expected)
    torch.testing.assert_close(made.term_values(None, u, u)["linear"], 0.3 * u[:, 1])
    with pytest.raises(CandidateError, match="static"):
        made.derivative(0.0, torch.ones(3, 2, dtype=torch.float64), u)
    with pytest.raises(CandidateError, match="not static"):
        tank().outputs(torch.ones(3, 1, dtype=torch.float64))


class Field(HybridModel):
    """A field on a grid that decays, is heated and is fed at a rate that changes with time."""

    decay = Param(0.5, low=0.0, high=1.0)
    net = Net(inputs=("heat", "feed"), role="add", outputs=("heat",))

    def rhs(self, t, x, u):
        return {"heat": t * u.feed - self.decay * x.heat + self.net(x.heat, u.feed), "feed_seen": u.feed}

    def coefficients(self, c):
        return {"decay": self.decay * c.feed}


@pytest.mark.parametrize("grid", [(), (6,), (4, 3), (2, 2)])
def test_times_inputs_and_contexts_hold_for_the_whole_grid_of_their_trajectory(grid):
    made = Field(("heat", "feed_seen"), ("feed",)).nulled()
    t = torch.tensor([1.0, 3.0], dtype=torch.float64)
    u = torch.tensor([[2.0], [5.0]], dtype=torch.float64)
    x = torch.rand((2, *grid, 2), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = made.derivative(t, x, u)
    assert found.shape == x.shape
    for row in range(2):
        feed = u[row, 0]
        torch.testing.assert_close(found[row, ..., 0], t[row] * feed - 0.5 * feed * x[row, ..., 0])
        assert (found[row, ..., 1] == feed).all()
    full = Field(("heat", "feed_seen"), ("feed",))
    full.calibrate(t, x, u, torch.tensor([1.0, torch.nan]))
    assert full.nets()["net"].mean.tolist() == pytest.approx([x[..., 0].mean().item(), 3.5])
    each = torch.stack([full.derivative(t[row], x[row], u[row]) for row in range(2)])
    torch.testing.assert_close(full.derivative(t, x, u), each)
    torch.testing.assert_close(vmap(full.derivative)(t, x, u), each)


def written(**methods):
    return type("Candidate", (HybridModel,), methods)


def rhs(self, t, x, u):
    return {"a": -x.a}


def output(self, x, u):
    return {"a": x.b}


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [
        ({}, "no method rhs, and no method output"),
        ({"rhs": rhs, "output": output}, "both rhs and output"),
        ({"output": output, "observe": rhs}, "static, but also observe"),
        ({"rhs": rhs, "algebraic_variables": {"z": 1.0}}, "algebraic_variables but no method algebraic"),
        ({"rhs": rhs, "algebraic": lambda self, t, x, z, u: {}}, "algebraic but no algebraic_variables"),
        ({"rhs": rhs, "algebraic": rhs, "algebraic_variables": {"a": 1.0}}, "also a state or an input"),
    ],
)
def test_a_class_that_is_no_one_kind_of_model_is_told_so(methods, sentence):
    with pytest.raises(CandidateError, match=sentence):
        written(**methods)(("a",), ("b",))


@pytest.mark.parametrize(
    ("method", "returned", "sentence"),
    [
        ("algebraic", {}, "0 residuals, expected a dict of 1"),
        ("algebraic", None, "NoneType, expected a dict"),
        ("observe", {"b": 1.0}, "'b' in observe"),
        ("initial", {"z": 1.0}, "'z' in initial"),
        ("coefficients", {"k": 1.0}, "'k' in coefficients"),
        ("limits", {"low": torch.ones(3)}, "'low' has shape"),
    ],
)
def test_what_a_method_returns_is_checked(method, returned, sentence):
    methods = {"rhs": rhs, "algebraic": lambda self, t, x, z, u: {"zero": z.z}, "algebraic_variables": {"z": 1.0}}
    methods[method] = lambda self, *arguments: returned
    made = written(**methods)(("a",))
    part = {"algebraic": "residuals", "observe": "measured", "coefficients": "derivative", "limits": "margins"}
    arguments = () if method == "initial" else (0.0, torch.ones(2, 2, dtype=torch.float64))
    with pytest.raises(CandidateError, match=sentence):
        made(*arguments, part=part.get(method, "initial_states"))


def test_an_unknown_part_is_refused():
    with pytest.raises(CandidateError, match="no part 'slopes'"):
        tank()(*points(), part="slopes")
