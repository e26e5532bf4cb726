from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from known_systems import LOTKA_VOLTERRA, NET
from torch import Tensor
from torch.overrides import TorchFunctionMode

from archsearch.errors import MachineError, NothingFoundError, RequestError
from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import Bounds, State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.flow.sensitivities import Flat, Intervals, by_sample
from archsearch.training.many.chain import Chain
from archsearch.training.many.descent import Rule, descend_all
from archsearch.training.many.fit import Many, best_of, fit_many
from archsearch.training.many.flow import Flow, Way
from archsearch.training.many.given import gather
from archsearch.training.many.members import Member
from archsearch.training.many.rows import Kind, ManyRows
from archsearch.training.reported.accurate import accurate

WAYS: tuple[Way, ...] = ("member by member", "all at once")
STARTS = [(1.0, 2.0), (2.0, 0.5), (0.5, 1.0), (1.5, 1.5)]
STATES = (State(name="prey", scale="log"), State(name="hunter"))
CPU = torch.device("cpu")
Simulate = Callable[..., Samples]


@pytest.fixture
def samples(simulate: Simulate) -> Samples:
    return simulate(np.linspace(0, 4, 13), STARTS[:3], noise=0.02)


def hidden(samples: Samples, *where: tuple[int, int, int]) -> Tensor:
    mask = torch.zeros_like(samples.valid)
    for trajectory, first, last in where:
        mask[trajectory, first:last] = True
    return mask


def different(samples: Samples) -> list[Member]:
    return [
        Member(),
        Member(weights_seed=5, parameters_seed=7),
        Member(regularizers={"norm": 1.0}),
        Member(precision=30.0, regularizers={}),
        Member(hidden=hidden(samples, (0, 4, 7), (2, 8, 13)), weights_seed=1),
    ]


def parts(found: Many, index: int) -> list[float]:
    ends = found.ends
    return [float(array[index]) for array in (ends.cost, ends.seen_error, ends.noise, ends.precision)]


def test_a_batch_equals_its_members_alone(lotka_volterra_net: HybridModel, samples: Samples) -> None:
    members, settings = different(samples), FitSettings(least_squares_steps=8)
    together = fit_many(lotka_volterra_net, STATES, samples, settings, members)
    assert together.status == ("ok",) * 5
    for index, member in enumerate(members):
        alone = fit_many(lotka_volterra_net, STATES, samples, settings, [member])
        assert parts(together, index) == pytest.approx(parts(alone, 0), rel=1e-6)


@pytest.mark.parametrize("kind", ["intervals", "lifted", "rollouts"])
def test_all_at_once_a_step_of_a_batch_equals_those_of_its_members_alone(
    kind: Kind, lotka_volterra_net: HybridModel, samples: Samples
) -> None:
    """One step: where matrices begin in memory decides how single precision rounds, and a long descent tells."""
    members = different(samples)

    def cost(some: list[Member]) -> list[float]:
        common, given, at = gather(lotka_volterra_net, STATES, samples, FitSettings(), some, CPU)
        rows = ManyRows(common, given, Flow(common, 2, "all at once"), kind)
        return descend_all(rows, at, given, Rule(1, 0.0, kind != "intervals"), lambda step: True).cost.tolist()

    assert cost(members) == pytest.approx([cost([member])[0] for member in members], rel=1e-6)


def test_both_ways_end_at_the_same_errors(lotka_volterra_net: HybridModel, samples: Samples) -> None:
    members = different(samples)[3:]
    one, other = (fit_many(lotka_volterra_net, STATES, samples, FitSettings(), members, way=way) for way in WAYS)
    assert one.ends.seen_error.tolist() == pytest.approx(other.ends.seen_error.tolist(), rel=0.02)


@pytest.mark.parametrize("way", WAYS)
def test_derivatives_of_every_member_are_those_of_its_own_model(
    way: Way, lotka_volterra_net: HybridModel, samples: Samples
) -> None:
    members = different(samples)
    common, given, at = gather(lotka_volterra_net, STATES, samples, FitSettings(), members, CPU)
    found = Flow(common, 2, way).transitions(at.p, given, given.smooth[:, :, :-1])
    count = len(found.by_state) // len(members)
    for r in (1, 4):
        model = copy.deepcopy(lotka_volterra_net)
        Flat.of(model).store(model, at.p[r])
        for name, array in model.named_buffers():
            if name in given.buffers:
                array.copy_(given.buffers[name][r])
        wanted = by_sample(model, common.coordinates, Intervals.of(given.smooth[r], given.times[r], samples.inputs), 2)
        mine = slice(r * count, (r + 1) * count)
        size = float(wanted.by_unknowns.abs().max())
        torch.testing.assert_close(found.by_state[mine].double(), wanted.by_state, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.by_unknowns[mine].double(), wanted.by_unknowns, rtol=1e-4, atol=1e-5 * size)


@pytest.mark.parametrize("way", WAYS)
def test_a_member_that_starts_at_nan_leaves_the_others_as_they_are(
    way: Way, lotka_volterra_net: HybridModel, samples: Samples
) -> None:
    members = [Member(weights_seed=seed) for seed in range(3)]
    settings = FitSettings(least_squares_steps=6)
    common, given, at = gather(lotka_volterra_net, STATES, samples, settings, members, CPU)
    broken = at.p.clone()
    broken[1] = torch.nan
    chains = [Chain(common, settings, way, lambda stage, step, error: True) for _ in range(2)]
    well = chains[0].run(at, given, 2)
    ill = chains[1].run(at._with({"p": broken}), given, 2)
    for index in (0, 2):
        for name, array in vars(well).items():
            assert torch.equal(array[index], vars(ill)[name][index]), name
    assert not bool(torch.isfinite(ill.cost[1]))
    assert bool(torch.isfinite(well.cost).all())


def test_a_model_that_blows_up_is_called_diverged_and_has_no_best(samples: Samples) -> None:
    source = """
from archsearch.hybrid import HybridModel, Param
class Candidate(HybridModel):
    rate = Param(50.0, low=40.0, high=60.0)
    def rhs(self, t, x, u):
        return {"prey": self.rate * x.prey ** 3 + 1.0, "hunter": self.rate * x.hunter ** 3 + 1.0}
"""
    model = load_candidate(source)(("prey", "hunter"))
    plain = (State(name="prey"), State(name="hunter"))
    found = fit_many(model, plain, samples, FitSettings(segment_steps=2), [Member(), Member(parameters_seed=1)])
    assert found.status == ("diverged", "diverged")
    with pytest.raises(NothingFoundError):
        best_of(found)


def test_the_error_on_a_fold_is_that_of_an_accurate_rollout_on_what_was_hidden(
    lotka_volterra_net: HybridModel, samples: Samples
) -> None:
    mask = hidden(samples, (0, 4, 7), (2, 8, 13), (1, 1, 13))
    found = fit_many(lotka_volterra_net, STATES, samples, FitSettings(), [Member(hidden=mask), Member()])
    model = found.model(0)
    field = lambda t, x, u: model.derivative(t, x, u)  # noqa: E731
    with torch.no_grad():
        x = accurate(field, found.ends.initial[0], samples.times, samples.inputs, 1)
    inner, seen = (array.clone() for array in (x, samples.states))
    inner[..., 0], seen[..., 0] = inner[..., 0].log(), seen[..., 0].log()
    wrong = (inner - seen) / seen.reshape(-1, 2).std(0, correction=0)
    assert float(found.ends.hidden_error[0]) == pytest.approx(float(wrong[mask].square().mean()), rel=0.02)
    assert float(found.ends.seen_error[0]) == pytest.approx(float(wrong[~mask].square().mean()), rel=0.02)
    assert bool(torch.isnan(found.ends.hidden_error[1]))
    assert best_of(found) == 0, "the other member hides nothing"


def test_what_is_hidden_does_not_enter_the_fit(lotka_volterra_net: HybridModel, samples: Samples) -> None:
    mask = hidden(samples, (0, 4, 7), (2, 8, 13))
    wrong = Samples(
        samples.ids,
        samples.times,
        torch.where(mask.unsqueeze(-1), samples.states * 1.1, samples.states),
        samples.inputs,
        samples.valid,
    )
    ends = [
        fit_many(lotka_volterra_net, STATES, data, FitSettings(least_squares_steps=4), [Member(hidden=mask)]).ends
        for data in (samples, wrong)
    ]
    assert torch.equal(ends[0].p, ends[1].p)
    assert not torch.equal(ends[0].hidden_error, ends[1].hidden_error)


@pytest.mark.slow
def test_the_best_of_eight_restarts_reaches_the_noise_floor(simulate: Simulate) -> None:
    source = LOTKA_VOLTERRA.format(
        declarations='loss = Net(inputs=("prey", "hunter"), role="add", hidden=(8, 8), outputs=("prey", "hunter"))',
        conversion="0.0 * conversion",
    ).replace('"prey": self.birth', '"prey": self.loss(x.prey, x.hunter)[0] + self.birth')
    source = source.replace('"hunter": ', '"hunter": self.loss(x.prey, x.hunter)[1] + ')
    model = load_candidate(source)(("prey", "hunter"))
    data = simulate(np.linspace(0, 6, 25), STARTS, noise=0.03)
    clean = simulate(np.linspace(0, 6, 25), STARTS)
    members = [Member(weights_seed=seed, parameters_seed=seed) for seed in range(8)]
    states = (State(name="prey"), State(name="hunter"))
    found = fit_many(model, states, data, FitSettings(), members)
    noise = ((data.states - clean.states) / data.states.reshape(-1, 2).std(0, correction=0)).square().mean()
    best = best_of(found)
    assert float(found.ends.seen_error[best]) < float(noise)
    field = lambda t, x, u: found.model(best).derivative(t, x, u)  # noqa: E731
    with torch.no_grad():
        x = accurate(field, found.ends.initial[best], data.times, data.inputs, 1)
    assert float(((x - clean.states) / data.states.reshape(-1, 2).std(0, correction=0)).square().mean()) < float(noise)


@pytest.mark.parametrize("initial", ["first", "estimate", Bounds(low=0.5, high=3.0)])
@pytest.mark.parametrize("way", WAYS)
def test_known_parameters_come_back_whatever_is_known_of_initial_states(
    way: Way, initial: Any, lotka_volterra: HybridModel, simulate: Simulate
) -> None:
    starts = STARTS if initial != Bounds(low=0.5, high=3.0) else STARTS[:1] * 3
    data = simulate(np.linspace(0, 6, 30), starts)
    states = tuple(State(name=name, initial=initial) for name in ("prey", "hunter"))
    members = [Member(parameters_seed=seed) for seed in range(2)]
    found = fit_many(lotka_volterra, states, data, FitSettings(), members, way=way)
    for index in range(2):
        values = {name: value.item() for name, value in found.model(index).parameter_values().items()}
        assert values == pytest.approx({"birth": 1.3, "attack": 0.9, "gain": 0.8, "death": 1.8}, rel=5e-3)


def test_a_coarse_grid_is_refined_for_the_members_that_need_it() -> None:
    source = """
from archsearch.hybrid import HybridModel, Param
class Candidate(HybridModel):
    rate = Param(0.5, low=0.01, high=5.0)
    def rhs(self, t, x, u):
        return {"x": -self.rate * x.x}
"""
    t = torch.linspace(0, 6, 4, dtype=torch.float64)[None]
    whole = torch.ones(1, 4, dtype=torch.bool)
    data = Samples(("1",), t, torch.exp(-2.0 * t).unsqueeze(-1), torch.zeros(1, 4, 0), whole)
    model = load_candidate(source)(("x",))
    found = fit_many(model, (State(name="x"),), data, FitSettings(substeps=1), [Member(), Member(parameters_seed=3)])
    assert bool((found.ends.substeps > 1).all())
    for index in range(2):
        assert found.model(index).parameter_values()["rate"].item() == pytest.approx(2.0, rel=1e-3)


def test_a_held_precision_stays_and_the_candidate_too(lotka_volterra_net: HybridModel, samples: Samples) -> None:
    before = copy.deepcopy(lotka_volterra_net.state_dict())
    settings = FitSettings(least_squares_steps=6)
    found = fit_many(lotka_volterra_net, STATES, samples, settings, [Member(precision=7.0), Member()])
    assert float(found.ends.precision[0]) == 7.0
    assert float(found.ends.precision[1]) not in (1.0, 7.0)
    for name, array in lotka_volterra_net.state_dict().items():
        assert torch.equal(array, before[name])


def test_a_watch_sees_every_stage_and_may_stop(lotka_volterra_net: HybridModel, samples: Samples) -> None:
    seen: list[tuple[str, int]] = []

    def watch(stage: str, step: int, error: float) -> bool:
        seen.append((stage, step))
        return stage != "states and unknowns"

    found = fit_many(lotka_volterra_net, STATES, samples, FitSettings(), [Member()], watch)
    assert {stage for stage, _ in seen} == {"single intervals", "states and unknowns"}
    assert found.status == ("ok",)


def test_evidence_of_a_linear_model_is_the_density_of_its_data() -> None:
    """For x(t) = 3 - a t, a ~ N(1, 1), the data are normal with mean 3 - t and covariance s^2 + t t'."""
    source = """
from archsearch.hybrid import HybridModel, Param
class Candidate(HybridModel):
    a = Param(1.0)
    def rhs(self, t, x, u):
        return {"x": -self.a + 0 * x.x}
"""
    t = torch.linspace(0, 2, 40, dtype=torch.float64)
    noise = 0.05 * torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = 3.0 - 1.5 * t + noise
    data = Samples(("1",), t[None], y[None, :, None], torch.zeros(1, 40, 0), torch.ones(1, 40, dtype=torch.bool))
    model = load_candidate(source)(("x",))
    found = fit_many(model, (State(name="x", initial=3.0, noise=0.05),), data, FitSettings(), [Member()])
    scale = y.std(correction=0)
    covariance = (0.05**2 * torch.eye(40, dtype=torch.float64) + t[:, None] * t) / scale**2
    wanted = torch.distributions.MultivariateNormal((3.0 - t) / scale, covariance).log_prob(y / scale)
    assert float(found.ends.evidence[0]) == pytest.approx(float(wanted), rel=1e-5)


def test_a_state_that_one_trajectory_hides_is_taken_from_the_others(
    lotka_volterra: HybridModel, simulate: Simulate
) -> None:
    data = simulate(np.linspace(0, 6, 25), STARTS[:3])
    mask = torch.zeros_like(data.states, dtype=torch.bool)
    mask[0, :, 1] = True
    plain = (State(name="prey"), State(name="hunter"))
    found = fit_many(lotka_volterra, plain, data, FitSettings(rollout_steps=20), [Member(hidden=mask)])
    values = {name: value.item() for name, value in found.model(0).parameter_values().items()}
    assert values == pytest.approx({"birth": 1.3, "attack": 0.9, "gain": 0.8, "death": 1.8}, rel=5e-3)
    assert float(found.ends.hidden_error[0]) < 1e-4


class Watched(TorchFunctionMode):
    """Counts what waits for the device, and notes what is made or moved without following it."""

    MAKES = ("zeros", "ones", "empty", "full", "eye", "arange", "linspace", "tensor", "rand", "randn", "as_tensor")

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0
        self.moves: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        found = func(*args, **kwargs)
        made = getattr(torch, name, None) is func and name in self.MAKES
        if made and kwargs.get("device") is None and isinstance(found, Tensor) and found.dim():
            self.moves.append(name)
        if name in ("cpu", "numpy", "tolist", "cuda", "__array__"):
            self.moves.append(name)
        if name in ("item", "__bool__", "__int__", "__float__", "__index__", "nonzero"):
            self.waits += 1
        return found


def test_the_loop_of_a_gpu_never_leaves_it_and_hardly_waits(lotka_volterra_net: HybridModel, samples: Samples) -> None:
    members = different(samples)
    settings = FitSettings()
    common, given, at = gather(lotka_volterra_net, STATES, samples, settings, members, CPU)
    for kind in ("intervals", "lifted", "rollouts"):
        rows = ManyRows(common, given, Flow(common, 2, "all at once"), kind)
        steps: list[int] = []
        trials: list[int] = []
        tried = rows.moved

        def counted(*args: Any, tried: Any = tried, trials: list[int] = trials) -> Any:
            trials.append(1)
            return tried(*args)

        rows.moved = counted  # type: ignore[method-assign]
        with Watched() as watched:
            descend_all(
                rows, at, given, Rule(4, 0.0, kind != "intervals"), lambda step, steps=steps: not steps.append(step)
            )
        assert watched.moves == []
        assert watched.waits <= len(steps) + len(trials) + 1, (
            "one per iteration, one per trial, one to find out the end"
        )


def test_a_missing_gpu_is_said(lotka_volterra_net: HybridModel, samples: Samples) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(MachineError, match="CUDA"):
        fit_many(lotka_volterra_net, STATES, samples, FitSettings(device="cuda"), [Member()])


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (Member(regularizers={"nrom": 1.0}), "nrom"),
        (Member(hidden=torch.zeros(2, 3, dtype=torch.bool)), "hidden observations"),
    ],
)
def test_wrong_members_are_refused(
    member: Member, said: str, lotka_volterra_net: HybridModel, samples: Samples
) -> None:
    with pytest.raises(RequestError, match=said):
        fit_many(lotka_volterra_net, STATES, samples, FitSettings(), [member])


def test_what_a_batch_cannot_fit_is_refused(samples: Samples) -> None:
    source = LOTKA_VOLTERRA.format(declarations=NET, conversion="conversion")
    source += "\n    def observe(self, t, x, u):\n        return {'prey': 2 * x.prey}\n"
    model = load_candidate(source)(("prey", "hunter"))
    with pytest.raises(RequestError, match="observe"):
        fit_many(model, STATES, samples, FitSettings(), [Member()])
    with pytest.raises(RequestError, match="without members"):
        fit_many(model, STATES, samples, FitSettings(), [])
