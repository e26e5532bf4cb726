"""One source gives the full model, the physics alone, and every term, under all of torch.func."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.func import functional_call, jacrev, jvp, vmap

from archsearch.hybrid import CandidateError, HybridModel, Net, Param

STATES = ("hare", "lynx")
INPUTS = ("snow",)


class Candidate(HybridModel):
    growth_rate = Param(0.5, low=0.0, high=2.0, unit="1/yr")
    attack_rate = Param(0.02, low=0.0, high=0.2, unit="1/yr")
    mortality = Param(0.8, low=0.0, unit="1/yr")
    added = Net(inputs=("hare", "snow"), role="add", outputs=("hare",))
    factor = Net(inputs=("lynx",), role="scale", hidden=(8,))
    profit = Net(inputs=("hare", "lynx"), role="replace", hidden=(16, 16))
    both = Net(inputs=("hare", "lynx"), role="add", hidden=(4,), outputs=("hare", "lynx"))
    refined = Net(inputs=("lynx",), role="map")
    shift = Net(inputs=("lynx",), role="add")

    def rhs(self, t, x, u):
        growth = self.term("growth", self.growth_rate * x.hare)
        predation = self.term("predation", self.attack_rate * x.hare * x.lynx)
        gain = self.profit(x.hare, x.lynx, instead_of=predation)
        death = self.term("death", (self.mortality + self.shift(x.lynx, relative_to=self.mortality)) * x.lynx)
        one, two = self.both(x.hare, x.lynx)
        hare = growth - predation * self.factor(x.lynx) + self.added(x.hare, u.snow) + one
        return {"lynx": self.refined(x.lynx, instead_of=gain - death) + two, "hare": hare}


def model(seed: int = 1) -> Candidate:
    made = Candidate(STATES, INPUTS, torch.Generator().manual_seed(seed))
    t, x, u = points()
    made.calibrate(t, x, u, torch.tensor([10.0, 4.0]))
    return made


def points(batch: tuple[int, ...] = (30,)) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = 40 * torch.rand((*batch, 2), generator=generator, dtype=torch.float64) + 1
    return torch.zeros(batch, dtype=torch.float64), x, torch.rand((*batch, 1), generator=generator, dtype=torch.float64)


def physics(x: torch.Tensor) -> torch.Tensor:
    hare, lynx = x.unbind(-1)
    predation = 0.02 * hare * lynx
    return torch.stack([0.5 * hare - predation, predation - 0.8 * lynx], -1)


@pytest.mark.parametrize("batch", [(), (1,), (30,), (4, 5)])
def test_nulled_is_the_physics_written_by_hand_in_any_batch_shape(batch):
    t, x, u = points(batch)
    torch.testing.assert_close(model().nulled().derivative(t, x, u), physics(x), rtol=1e-12, atol=1e-12)


def test_full_is_physics_plus_what_each_net_adds():
    made = model()
    t, x, u = points()
    hare, lynx = x.unbind(-1)
    snow = u[..., 0]
    nets = made.nets()
    predation = 0.02 * hare * lynx
    one, two = nets["both"](hare, lynx)
    death = (0.8 + nets["shift"](lynx)) * lynx
    assert not torch.allclose(nets["profit"](hare, lynx, instead_of=predation), predation)
    expected_hare = 0.5 * hare - predation * nets["factor"](lynx) + nets["added"](hare, snow) + one
    expected_lynx = nets["refined"](lynx, instead_of=predation - death) + two
    expected = torch.stack([expected_hare, expected_lynx], -1)
    torch.testing.assert_close(made.derivative(t, x, u), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("role", "expected"),
    [("add", 3.0), ("scale", 0.0), ("replace", 7.0), ("map", 7.0)],
    ids=["0", "1", "what", "input"],
)
def test_the_correction_of_each_role_is_what_the_net_does_to_its_null_value(role, expected):
    class Single(HybridModel):
        net = Net(inputs=("s",), role=role, outputs=("s",) if role == "add" else ())

        def rhs(self, t, x, u):
            given = torch.full_like(x.s, 7.0)
            if role == "scale":
                return {"s": given * self.net(x.s)}
            return {"s": 3.0 + self.net(x.s) if role == "add" else self.net(x.s, instead_of=given)}

    single = Single(("s",))
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    raw = single.nets()["net"](x[:, 0], instead_of=x[:, 0])
    full, null = single.derivative(0.0, x)[:, 0], single.nulled().derivative(0.0, x)[:, 0]
    assert null == pytest.approx(7.0 if role == "scale" else expected)
    by_role = {"add": raw, "scale": 7.0 * (raw - 1)}
    torch.testing.assert_close(full - null, by_role.get(role, raw - 7.0))


def test_a_view_shares_parameters_with_its_model():
    made = model()
    view = made.nulled()
    made.set_parameter("growth_rate", 1.5)
    t, x, u = points()
    assert view.growth_rate.item() == pytest.approx(1.5)
    assert view.raw is made.raw
    assert not torch.allclose(view.derivative(t, x, u), physics(x))


def test_a_closed_gate_takes_its_term_away_and_nothing_else():
    t, x, u = points()
    without = model().nulled().with_gates({"predation": 0.0}).derivative(t, x, u)
    hare, lynx = x.unbind(-1)
    torch.testing.assert_close(without, torch.stack([0.5 * hare, -0.8 * lynx], -1))


def test_gates_may_be_learned_and_views_may_be_stacked():
    t, x, u = points()
    gate = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    view = model().with_gates({"growth": gate}).nulled().with_gates({"death": 0.0})
    (gradient,) = torch.autograd.grad(view.derivative(t, x, u).sum(), gate)
    torch.testing.assert_close(gradient, 0.5 * x[:, 0].sum())


def test_term_values_are_the_terms_with_their_gates():
    t, x, u = points()
    values = model().nulled().with_gates({"growth": 2.0}).term_values(t, x, u)
    assert list(values) == ["growth", "predation", "death"]
    torch.testing.assert_close(values["growth"], x[:, 0])


def test_functional_call_equals_a_model_with_these_parameters():
    one, other = model(1), model(2)
    parameters = {name: value.detach() for name, value in other.named_parameters()}
    t, x, u = points()
    other.load_arrays({**other.state_arrays()})
    with one.prepared():
        torch.testing.assert_close(functional_call(one, parameters, (t, x, u)), other.derivative(t, x, u))


def test_vmap_of_jacrev_equals_finite_differences():
    made = model()
    t, x, u = points()
    jacobian = vmap(jacrev(lambda state, inputs: made.derivative(t[0], state, inputs)))(x, u)
    step = 1e-5
    for column in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[column] = step
        slope = (made.derivative(t, x + shift, u) - made.derivative(t, x - shift, u)) / (2 * step)
        torch.testing.assert_close(jacobian[..., column], slope, rtol=1e-6, atol=1e-7)


def test_parameter_jacobians_equal_directional_derivatives():
    made = model()
    t, x, u = points()
    parameters = {name: value.detach() for name, value in made.named_parameters()}
    directions = {name: torch.ones_like(value) for name, value in parameters.items()}

    def slopes(values):
        return functional_call(made, values, (t, x, u))

    jacobians = jacrev(slopes)(parameters)
    along = sum(jacobian.flatten(2).sum(-1) for jacobian in jacobians.values())
    torch.testing.assert_close(along, jvp(slopes, (parameters,), (directions,))[1])


def test_a_round_trip_through_arrays_is_exact_to_the_last_bit():
    one, other = model(1), Candidate(STATES, INPUTS, torch.Generator().manual_seed(9))
    with torch.no_grad():
        one.raw += torch.tensor([-7.3, 3.1, 0.7], dtype=torch.float64)
    arrays = one.state_arrays()
    other.load_arrays({**arrays, "initial.1": torch.zeros(2)})
    t, x, u = points()
    assert torch.equal(one.derivative(t, x, u), other.derivative(t, x, u))
    assert torch.equal(one.nulled().derivative(t, x, u), other.nulled().derivative(t, x, u))
    assert all(array.dtype == torch.float64 and not array.requires_grad for array in arrays.values())


def test_a_natural_value_changed_by_hand_counts():
    arrays = model().state_arrays()
    arrays["param.growth_rate"] = torch.tensor(1.25, dtype=torch.float64)
    other = model(3)
    other.load_arrays(arrays)
    assert other.parameter_values()["growth_rate"].item() == pytest.approx(1.25, rel=1e-12)


def _without(arrays):
    del arrays["net.profit.weight_0"]


def _misshapen(arrays):
    arrays["net.profit.weight_0"] = torch.zeros(3)


def _not_finite(arrays):
    arrays["param.growth_rate"] = torch.tensor(float("nan"), dtype=torch.float64)


def _out_of_bounds(arrays):
    arrays["param.growth_rate"] = torch.tensor(5.0, dtype=torch.float64)


@pytest.mark.parametrize("damage", [_without, _misshapen, _not_finite, _out_of_bounds])
def test_damaged_arrays_are_refused_with_the_key_or_the_name(damage):
    arrays = model().state_arrays()
    damage(arrays)
    with pytest.raises(CandidateError, match=r"profit\.weight_0|growth_rate"):
        model().load_arrays(arrays)


def test_calibration_is_idempotent_and_forgives_missing_values():
    made = model()
    t, x, u = points()
    x = x.clone()
    x[3, 1] = float("nan")
    sizes = torch.tensor([10.0, float("nan")])
    made.calibrate(t, x, u, sizes)
    once = made.state_arrays()
    made.calibrate(t, x, u, sizes)
    assert all(torch.equal(once[key], array) for key, array in made.state_arrays().items())
    assert all(torch.isfinite(array).all() for array in once.values())


def test_calibrated_nets_start_near_the_physics():
    made = model()
    _, x, u = points()
    hare, lynx = x.unbind(-1)
    predation = 0.02 * hare * lynx
    gain = made.nets()["profit"](hare, lynx, instead_of=predation)
    assert (
        abs(gain.mean().item() - predation.mean().item()) < 0.5 * predation.std().item() + 0.3 * predation.mean().item()
    )
    assert made.nets()["added"](hare, u[..., 0]).abs().mean().item() < 5.0


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    t, x, u = points()
    assert torch.equal(model(1).derivative(t, x, u), model(1).derivative(t, x, u))
    assert not torch.equal(model(1).derivative(t, x, u), model(2).derivative(t, x, u))


def test_a_deep_copy_is_a_model_of_its_own():
    made = model()
    twin = copy.deepcopy(made)
    with torch.no_grad():
        twin.nets()["added"].weight_0.zero_()
    t, x, u = points()
    assert not torch.equal(made.derivative(t, x, u), twin.derivative(t, x, u))


def test_observed_outputs_stand_in_the_place_of_states():
    class Observed(HybridModel):
        def rhs(self, t, x, u):
            return {"a": x.b, "b": -x.a}

        def observe(self, t, x, u):
            return {"b": 2 * x.a}

    x = torch.tensor([[1.0, 5.0]], dtype=torch.float64)
    assert Observed(("a", "b")).measured(0.0, x).tolist() == [[1.0, 2.0]]
    assert model().measured(*points()) is not None


def _returning(returned):
    class Wrong(HybridModel):
        def rhs(self, t, x, u):
            return returned(x)

    return Wrong(("a", "b"))


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (lambda x: {"a": x.a}, "no derivative for b"),
        (lambda x: {"a": x.a, "b": x.b, "c": x.a}, "'c'"),
        (lambda x: {"a": x.a, "b": x.b[:2]}, "'b' has shape"),
        (lambda x: (x.a, x.b), "must return a dict"),
        (lambda x: {"a": x.a, "b": x.c}, "no 'c' among the states: a, b"),
    ],
)
def test_a_wrong_right_hand_side_is_told_what_is_wrong(returned, sentence):
    with pytest.raises((CandidateError, AttributeError), match=sentence):
        _returning(returned).derivative(0.0, torch.ones(5, 2, dtype=torch.float64))


def test_numbers_and_single_values_are_spread_over_the_batch():
    made = _returning(lambda x: {"a": 1.0, "b": torch.tensor(2.0, dtype=torch.float64)})
    assert made.derivative(0.0, torch.ones(3, 2, dtype=torch.float64)).tolist() == [[1.0, 2.0]] * 3


def test_unknown_inputs_and_taken_names_are_refused():
    with pytest.raises(CandidateError, match="snow"):
        Candidate(STATES)
    with pytest.raises(CandidateError, match="'raw' belongs"):
        type("Taken", (HybridModel,), {"raw": Param(1.0)})
    with pytest.raises(CandidateError, match="2 states"):
        model().derivative(0.0, torch.ones(3, dtype=torch.float64))
    with pytest.raises(CandidateError, match="1 inputs"):
        model().derivative(0.0, torch.ones(2, dtype=torch.float64))


def test_a_call_on_300_points_is_fast():
    class Small(HybridModel):
        rate = Param(0.5, low=0.0, high=2.0)
        net = Net(inputs=("hare", "lynx"), role="replace", hidden=(16, 16))

        def rhs(self, t, x, u):
            return {"hare": self.rate * x.hare, "lynx": self.net(x.hare, x.lynx, instead_of=x.lynx)}

    import time

    small, (t, x, _) = Small(STATES), points((300,))
    seconds = []
    with small.prepared(), torch.no_grad():
        for _ in range(200):
            start = time.perf_counter()
            small.derivative(t, x)
            seconds.append(time.perf_counter() - start)
    assert sorted(seconds)[20] < 1e-3  # typically 0.1 ms; the bound leaves room for a busy machine
