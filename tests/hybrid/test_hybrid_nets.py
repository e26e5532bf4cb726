"""What is declared of a net holds for whatever weights it has."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archsearch.hybrid import CandidateError, HybridModel, Net

ROLES = ("add", "scale", "replace")
SIGNS = st.sampled_from(["+", "-"])


def wild(net: Net, seed: int, size: float | None, names: tuple[str, str] = ("s", "q")) -> HybridModel:
    """A model around a net, calibrated, with random weights of the given size; None: those that it starts with."""

    def rhs(self, t, x, u):
        keywords = {"instead_of": 0.3 + 0.1 * x.s} if net.role == "replace" else {}
        return {"s": self.net(*(getattr(x, name) for name in names), **keywords), "q": 0.0 * x.q}

    made = type("Wild", (HybridModel,), {"net": net, "rhs": rhs})(("s", "q"))
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand((50, 2), generator=generator, dtype=torch.float64) * 5
    made.calibrate(0.0, x, None, torch.tensor([2.0, 1.0]))
    with torch.no_grad():
        for weights in made.nets()["net"].parameters() if size else ():
            weights.copy_(size * torch.randn(weights.shape, generator=generator, dtype=torch.float64))
    return made


def output(made: HybridModel, s: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return made.derivative(0.0, torch.stack([s, q], -1))[..., 0]


def grid(low: float = -3.0, high: float = 10.0) -> tuple[torch.Tensor, torch.Tensor]:
    s = torch.linspace(low, high, 41, dtype=torch.float64)
    return torch.meshgrid(s, torch.linspace(-2, 8, 5, dtype=torch.float64), indexing="ij")


@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.1, 1.0, 5.0]), role=st.sampled_from(ROLES))
@settings(max_examples=25, deadline=None)
def test_a_positive_net_is_positive_everywhere(seed, size, role):
    made = wild(Net(("s", "q"), role, (8,), ("s",) if role == "add" else (), positive=True), seed, size)
    assert (output(made, *grid()) >= 0).all()


@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.1, 1.0, 5.0]), role=st.sampled_from(ROLES))
@settings(max_examples=25, deadline=None)
def test_a_bounded_net_stays_in_its_interval(seed, size, role):
    made = wild(Net(("s", "q"), role, (8, 8), bounded=(-0.5, 1.5), activation="softplus"), seed, size)
    values = output(made, *grid())
    assert ((values >= -0.5) & (values <= 1.5)).all()


@given(
    seed=st.integers(0, 10**6), size=st.sampled_from([0.1, 1.0, 3.0]), sign=SIGNS, other=SIGNS, positive=st.booleans()
)
@settings(max_examples=25, deadline=None)
def test_a_monotone_net_never_turns(seed, size, sign, other, positive):
    net = Net(("s", "q"), "replace", (6, 6), positive=positive, monotone={"s": sign, "q": other})
    values = output(wild(net, seed, size), *grid())
    factor = {"+": 1.0, "-": -1.0}
    assert (factor[sign] * values.diff(dim=0) >= -1e-12).all()
    assert (factor[other] * values.diff(dim=1) >= -1e-12).all()


@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.1, 1.0, 3.0]), sign=SIGNS)
@settings(max_examples=25, deadline=None)
def test_a_net_that_is_monotone_in_one_input_is_free_in_the_other(seed, size, sign):
    made = wild(Net(("s", "q"), "replace", (8,), monotone={"s": sign}), seed, size)
    factor = {"+": 1.0, "-": -1.0}[sign]
    assert (factor * output(made, *grid()).diff(dim=0) >= -1e-12).all()
    assert made.nets()["net"].weight_0[:, 1].min() < 0 < made.nets()["net"].weight_0[:, 1].max() or size


@given(
    seed=st.integers(0, 10**6), size=st.sampled_from([0.1, 1.0, 5.0]), at=st.floats(-1, 4), role=st.sampled_from(ROLES)
)
@settings(max_examples=25, deadline=None)
def test_a_net_is_exactly_zero_where_it_must_be(seed, size, at, role):
    made = wild(Net(("s", "q"), role, (8,), zero_at={"s": at}), seed, size)
    q = torch.linspace(-2, 8, 9, dtype=torch.float64)
    assert (output(made, torch.full_like(q, at), q) == 0).all()


@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.1, 1.0, 5.0]))
@settings(max_examples=25, deadline=None)
def test_a_positive_net_with_a_zero_changes_sign_there_so_that_nothing_is_consumed_below(seed, size):
    made = wild(Net(("s", "q"), "replace", (8,), positive=True, zero_at={"s": 1.0}), seed, size)
    s, q = grid()
    values = output(made, s, q)
    assert (values[s > 1] >= 0).all()
    assert (values[s < 1] <= 0).all()


@pytest.mark.parametrize("others", [{}, {"q": "+"}], ids=["a difference", "a product"])
@given(
    seed=st.integers(0, 10**6),
    size=st.sampled_from([0.1, 1.0, 3.0]),
    sign=SIGNS,
    bounded=st.booleans(),
    role=st.sampled_from(ROLES),
)
@settings(max_examples=25, deadline=None)
def test_a_net_that_rises_from_its_zero_does_so_above_it(others, seed, size, sign, bounded, role):
    interval = {"+": (0.0, 2.0), "-": (-2.0, 0.0)}[sign] if bounded else None
    turned = dict.fromkeys(others, sign)
    outputs = ("s",) if role == "add" else ()
    net = Net(("q", "s"), role, (6,), outputs, bounded=interval, monotone={"s": sign, **turned}, zero_at={"s": 0.5})
    s, q = grid(0.5)
    values = {"+": 1.0, "-": -1.0}[sign] * output(wild(net, seed, size, ("q", "s")), s, q)
    assert (values[0] == 0).all(), "at the zero, exactly"
    assert (values >= 0).all()
    assert (values.diff(dim=0) >= -1e-12).all()
    assert not others or (values.diff(dim=1) >= -1e-12).all()
    assert not bounded or (values <= 2.0).all()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("interval", [None, (0.0, 0.8)])
def test_a_net_that_rises_from_its_zero_starts_with_the_size_of_what_it_stands_for(role, interval):
    outputs = ("s",) if role == "add" else ()
    net = Net(("s", "q"), role, (6, 6), outputs, bounded=interval, monotone={"s": "+"}, zero_at={"s": 0.0})
    values = output(wild(net, 0, None), *grid(0.0, 5.0)).detach()
    wanted = {"add": 0.13 * 2.0, "scale": 1.0, "replace": 0.3 + 0.1 * 2.5}[role]
    assert float(values.square().mean().sqrt()) == pytest.approx(min(wanted, 0.76), rel=0.3)


def test_nets_are_smooth_so_second_derivatives_exist():
    made = wild(Net(("s", "q"), "add", (8,), ("s",)), 0, 1.0)
    curvature = torch.func.hessian(lambda state: made.derivative(0.0, state)[0])(torch.ones(2, dtype=torch.float64))
    assert torch.isfinite(curvature).all()
    assert curvature.abs().max() > 1e-6


def test_a_net_knows_its_size():
    net = wild(Net(("s", "q"), "add", (8, 4), ("s",)), 0, 1.0).nets()["net"]
    assert (net.weights, net.inputs, net.role, net.hidden) == (2 * 8 + 8 + 8 * 4 + 4 + 4 + 1, ("s", "q"), "add", (8, 4))


def test_a_net_without_hidden_layers_is_linear():
    made = wild(Net(("s", "q"), "add", (), ("s",)), 0, 1.0)
    s, q = grid()
    torch.testing.assert_close(output(made, s, q).diff(n=2, dim=0), torch.zeros(39, 5, dtype=torch.float64))


def test_inputs_of_different_shapes_are_broadcast():
    made = wild(Net(("s", "q"), "add", (8,), ("s",)), 0, 1.0)
    net = made.nets()["net"]
    s = torch.linspace(0, 1, 5, dtype=torch.float64)
    torch.testing.assert_close(net(s, 2.0), net(s, torch.full_like(s, 2.0)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"inputs": ()}, "inputs is empty"),
        ({"inputs": "s"}, "inputs must be a tuple"),
        ({"inputs": ("s",), "role": "ad"}, "role is 'ad'"),
        ({"inputs": ("s",), "hidden": 16}, "hidden must be a tuple"),
        ({"inputs": ("s",), "hidden": (0,)}, "hidden is"),
        ({"inputs": ("s",), "activation": "relu"}, "activation is 'relu'"),
        ({"inputs": ("s",), "role": "scale", "outputs": ("s",)}, "outputs are given"),
        ({"inputs": ("s",), "monotone": {"q": "+"}}, "'q' is not among"),
        ({"inputs": ("s",), "monotone": {"s": "up"}}, "monotone is"),
        ({"inputs": ("s",), "zero_at": {"q": 0.0}}, "'q' is not among"),
        ({"inputs": ("s",), "bounded": (1.0, 0.0)}, "bounded is"),
        ({"inputs": ("s",), "bounded": (-1.0, 1.0), "positive": True}, "positive and bounded"),
        ({"inputs": ("s",), "positive": True, "monotone": {"s": "-"}, "zero_at": {"s": 0.0}}, "falls from its zero"),
        ({"inputs": ("s",), "bounded": (-2.0, -1.0), "monotone": {"s": "+"}, "zero_at": {"s": 0.0}}, "it is zero at"),
        ({"inputs": ("s",), "bounded": (0.5, 1.0), "monotone": {"s": "+"}, "zero_at": {"s": 0.0}}, "it is zero at"),
        ({"inputs": ("s", "q"), "monotone": {"s": "+", "q": "-"}, "zero_at": {"s": 0.0, "q": 0.0}}, "rises and falls"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(arguments, sentence):
    with pytest.raises(CandidateError, match=sentence):
        Net(**arguments)


def test_a_wrong_call_is_told_what_is_missing():
    net = wild(Net(("s", "q"), "replace", (8,)), 0, 1.0).nets()["net"]
    one = torch.ones(3, dtype=torch.float64)
    with pytest.raises(CandidateError, match="1 values, expected 2"):
        net(one, instead_of=one)
    with pytest.raises(CandidateError, match="without instead_of"):
        net(one, one)


@pytest.mark.parametrize("mask", ["abc", "ab", "bc", "b", "ca", "cba", "acu", "cu"])
def test_a_net_gives_the_same_whether_it_is_called_with_states_or_with_copies_of_them(mask):
    class Seeing(HybridModel):
        net = Net(inputs=tuple(mask), role="add", outputs=("a",))
        copied = False

        def rhs(self, t, x, u):
            values = {"a": x.a, "b": x.b, "c": x.c, "u": u.u}
            called = [1.0 * values[name] if self.copied else values[name] for name in mask]
            return {"a": self.net(*called), "b": 0.0, "c": self.net(*called)}

    made = Seeing(("a", "b", "c"), ("u",), torch.Generator().manual_seed(0))
    x, u = torch.randn((2, 7, 4), generator=torch.Generator().manual_seed(0), dtype=torch.float64).split([3, 1], -1)
    made.calibrate(0.0, x, u, torch.ones(3))
    seen = [
        made.derivative(0.0, x, u),
        torch.func.vmap(torch.func.vmap(made.derivative, (None, 0, 0)), (None, 0, 0))(0.0, x, u),
    ]
    Seeing.copied = True
    for found in seen:
        torch.testing.assert_close(found, made.derivative(0.0, x, u))
    assert made._seen.x is None
