from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from known_systems import TRUTH

from archsearch.errors import RequestError
from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.algebra.lbfgs import lbfgs
from archsearch.training.data.task import Samples
from archsearch.training.diagnose import diagnose
from archsearch.training.methods import chain
from archsearch.training.methods.collocation import Simultaneous, collocate
from archsearch.training.methods.fit import Fit, fit
from archsearch.training.methods.stages import Watch
from archsearch.training.squares.prepare import calibrate, prepare
from archsearch.training.squares.rollouts import training_error

STARTS = [(1.0, 2.0), (2.0, 0.5), (0.5, 1.0), (1.5, 1.5)]
BOTH = (State(name="prey"), State(name="hunter"))
HEAD = "from archsearch.hybrid import HybridModel, Net, Param\nimport torch\n\n\nclass Candidate(HybridModel):\n"
TIMES = np.linspace(0, 5, 26)


def go_on(stage: str, step: int, error: float) -> bool:
    return True


def fitted(
    source: str, states: tuple[State, ...], samples: Samples, inputs: tuple[str, ...] = (), watch: Watch = go_on
) -> tuple[HybridModel, Fit]:
    model = load_candidate(HEAD + source)(tuple(state.name for state in states), inputs)
    return model, fit(model, states, samples, FitSettings(), torch.Generator().manual_seed(0), watch)


def values(model: HybridModel) -> dict[str, float]:
    return {name: value.item() for name, value in model.parameter_values().items()}


def measured(columns: np.ndarray, noise: float, inputs: np.ndarray | None = None) -> Samples:
    """Samples of (N, T, n) at TIMES with noise in the unit of the columns."""
    many, count, _ = columns.shape
    noisy = columns + noise * np.random.default_rng(0).standard_normal(columns.shape)
    times = torch.from_numpy(np.tile(TIMES, (many, 1)))
    steered = np.zeros((many, count, 0)) if inputs is None else inputs
    valid = torch.ones(many, count, dtype=torch.bool)
    ids = tuple(map(str, range(many)))
    return Samples(ids, times, torch.from_numpy(noisy), torch.from_numpy(steered), valid)


# ---- limited-memory BFGS ---------------------------------------------------------------------------------------------


def rosenbrock(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        value = (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(-1)
        (slope,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), slope


def test_minimises_several_functions_at_once_each_by_itself() -> None:
    starts = torch.tensor([[-1.2, 1.0, 0.5], [2.0, -1.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    found, least = lbfgs(rosenbrock, starts, 200, lambda step, x, value: True)
    torch.testing.assert_close(found, torch.ones_like(found), rtol=1e-4, atol=1e-4)
    assert least.max() < 1e-8


def test_a_function_that_is_not_finite_keeps_its_start_and_disturbs_no_other() -> None:
    def broken(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value, slope = rosenbrock(x)
        return torch.cat([value[:1], value[1:] * torch.nan]), torch.cat([slope[:1], slope[1:] * torch.nan])

    starts = torch.tensor([[-1.2, 1.0], [2.0, -1.0]], dtype=torch.float64)
    found, _ = lbfgs(broken, starts, 200, lambda step, x, value: True)
    torch.testing.assert_close(found[0], torch.ones(2, dtype=torch.float64), rtol=1e-4, atol=1e-4)
    assert torch.equal(found[1], starts[1])


# ---- simultaneous collocation ----------------------------------------------------------------------------------------


def test_the_true_solution_all_but_solves_the_collocation_equations(
    lotka_volterra: HybridModel, simulate: Callable[..., Samples]
) -> None:
    """The defects of an exact solution fall with the sixth power of the step, as those of a method of order 5 do."""
    lotka_volterra_set(lotka_volterra)
    defects = []
    for count in (11, 21, 41):
        loss = prepare(lotka_volterra, BOTH, simulate(np.linspace(0, 3, count), STARTS), FitSettings())
        problem = Simultaneous(loss)
        x = problem.start()
        points = radau_states(loss.samples.times, STARTS, simulate)
        x[-points.numel() :] = (points / loss.scale).reshape(-1)
        with_defects, without = problem.value(x, 1.0), problem.value(x, 0.0)
        defects.append(float(with_defects - without) / (count - 1))
    slopes = np.log2(np.array(defects[:-1]) / np.array(defects[1:])) / 2
    assert (slopes > 3.7).all(), "the worst stage inside a step is of order 4"


def lotka_volterra_set(model: HybridModel) -> None:
    for name, value in TRUTH.items():
        model.set_parameter(name, value)


def radau_states(
    times: torch.Tensor, starts: list[tuple[float, float]], simulate: Callable[..., Samples]
) -> torch.Tensor:
    """(N, T - 1, 3, n), exact states at the collocation points."""
    nodes = np.array([(4 - 6**0.5) / 10, (4 + 6**0.5) / 10, 1.0])
    at = times[0].numpy()
    inside = (at[:-1, None] + np.diff(at)[:, None] * nodes).reshape(-1)
    samples = simulate(np.concatenate([at[:1], inside]), starts)
    return samples.states[:, 1:].reshape(len(starts), len(at) - 1, 3, 2)


def test_collocation_leads_near_the_truth_without_a_single_rollout(
    lotka_volterra_net: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(np.linspace(0, 6, 30), STARTS, noise=0.02)
    loss = prepare(lotka_volterra_net, BOTH, samples, FitSettings())
    calibrate(loss)
    before = training_error(loss)
    collocate(loss, 60, lambda step, value: True)
    assert training_error(loss) < 0.01 < before


def test_a_net_too_large_for_gauss_newton_is_fitted_by_collocation(
    lotka_volterra_net: HybridModel, simulate: Callable[..., Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "MOST_UNKNOWNS", 10)
    samples = simulate(np.linspace(0, 6, 30), STARTS, noise=0.02)
    found = fit(lotka_volterra_net, BOTH, samples, FitSettings(), torch.Generator().manual_seed(0))
    assert found.stages[0].name == "collocation"
    assert "shooting: rollouts" in [stage.name for stage in found.stages]
    assert found.error < 3 * 0.02**2 * 4


# ---- stages ----------------------------------------------------------------------------------------------------------


def test_whoever_watches_may_stop_a_fit_and_has_what_was_reached(
    lotka_volterra_net: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(np.linspace(0, 6, 30), STARTS, noise=0.02)
    seen: list[tuple[str, int]] = []

    def watch(stage: str, step: int, error: float) -> bool:
        seen.append((stage, step))
        return len(seen) < 5

    found = fit(lotka_volterra_net, BOTH, samples, FitSettings(), torch.Generator().manual_seed(0), watch)
    assert len(seen) == 5
    assert found.status == "ok"
    assert found.stages[-1].reason.endswith("stopped")


@pytest.mark.parametrize("method", ["gauss_newton", "shooting"])
def test_whoever_watches_is_told_an_error_that_falls_to_what_the_stage_reached(
    lotka_volterra_net: HybridModel, simulate: Callable[..., Samples], method: str
) -> None:
    samples = simulate(np.linspace(0, 6, 30), STARTS, noise=0.02)
    settings = FitSettings.model_validate({"method": method, "rollout_steps": 30})
    told: dict[str, list[float]] = {}

    def watch(stage: str, step: int, error: float) -> bool:
        told.setdefault(stage, []).append(error)
        return True

    found = fit(lotka_volterra_net, BOTH, samples, settings, torch.Generator().manual_seed(0), watch)
    errors, reached = list(told.values())[-1], found.error**0.5
    assert all(math.isfinite(error) for errors in told.values() for error in errors)
    assert errors[-1] <= errors[0]
    assert 0.95 * reached < errors[-1] < 2 * reached, "it is the error and what priors add to it"


@pytest.mark.parametrize("method", ["gauss_newton", "shooting"])
def test_a_fit_that_is_stopped_starts_no_further_stage(
    lotka_volterra_net: HybridModel, simulate: Callable[..., Samples], method: str
) -> None:
    samples = simulate(np.linspace(0, 6, 30), STARTS, noise=0.02)
    settings = FitSettings.model_validate({"method": method})
    seen: list[str] = []

    def watch(stage: str, step: int, error: float) -> bool:
        seen.append(stage)
        return False

    found = fit(lotka_volterra_net, BOTH, samples, settings, torch.Generator().manual_seed(0), watch)
    assert len(seen) == 1
    assert [stage.name for stage in found.stages] == seen


def test_every_stage_says_how_long_it_took_and_why_it_was_left(
    lotka_volterra_net: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(np.linspace(0, 6, 30), STARTS, noise=0.02)
    found = fit(lotka_volterra_net, BOTH, samples, FitSettings(), torch.Generator().manual_seed(0))
    assert all(stage.seconds > 0 and stage.reason and stage.steps > 0 for stage in found.stages)


# ---- what a candidate may say besides its right-hand side ------------------------------------------------------------


def test_states_are_found_from_measurements_that_mix_them(simulate: Callable[..., Samples]) -> None:
    clean = simulate(TIMES, STARTS[:3]).states.numpy()
    mixed = np.stack([clean.sum(-1), np.log(clean[..., 1])], -1)
    model, found = fitted(
        """    birth = Param(1.0, low=0.1, high=5.0)
    attack = Param(0.7, low=0.1, high=5.0)
    gain = Param(0.7, low=0.1, high=5.0)
    death = Param(1.4, low=0.1, high=5.0)

    def rhs(self, t, x, u):
        met = x.prey * x.hunter
        return {"prey": self.birth * x.prey - self.attack * met, "hunter": self.gain * met - self.death * x.hunter}

    def observe(self, t, x, u):
        return {"prey": x.prey + x.hunter, "hunter": torch.log(x.hunter.abs() + 1e-9)}
""",
        BOTH,
        measured(mixed, 0.01),
    )
    assert values(model) == pytest.approx(TRUTH, rel=0.02)
    assert found.error == pytest.approx((0.01**2 / mixed.reshape(-1, 2).var(0)).mean(), rel=0.3)


RATES = np.array([0.3, 0.6, 0.9, 1.2])


def decays() -> np.ndarray:
    """(4, T, 1): each decays at its own rate, from twice that rate."""
    return (2 * RATES[:, None] * np.exp(-RATES[:, None] * TIMES))[..., None]


def test_context_gives_parameters_and_initial_states() -> None:
    context = np.broadcast_to(10 * RATES[:, None, None], (4, len(TIMES), 1)).copy()
    model, found = fitted(
        """    slope = Param(0.05, low=0.01, high=1.0)
    rate = Param(0.5, low=0.01, high=5.0)
    start = Param(1.0, low=0.1, high=5.0)

    def coefficients(self, c):
        return {"rate": self.slope * c.weight}

    def initial(self, c):
        return {"x": self.start * self.slope * c.weight}

    def rhs(self, t, x, u):
        return {"x": -self.rate * x.x}
""",
        (State(name="x"),),
        measured(decays(), 0.005, context),
        ("weight",),
    )
    assert values(model)["slope"] == pytest.approx(0.1, rel=0.01)
    assert values(model)["start"] == pytest.approx(2.0, rel=0.01)
    said = diagnose(found)
    assert said["identified"]["slope"]
    assert not said["identified"]["rate"], "its value is replaced everywhere, so nothing depends on it"


def test_a_state_that_stands_still_is_a_parameter_of_each_trajectory() -> None:
    columns = np.concatenate([decays(), np.full_like(decays(), np.nan)], -1)
    states = (State(name="x"), State(name="rate", observed=False, scale="log"))
    _, found = fitted(
        """    unit = Param(1.0, low=0.5, high=2.0)

    def rhs(self, t, x, u):
        return {"x": -x.rate * x.x, "rate": 0.0 * x.rate}
""",
        states,
        measured(columns, 0.005),
    )
    np.testing.assert_allclose(found.initial[:, 1], RATES, rtol=0.02)


def test_stiff_equations_are_fitted_with_implicit_steps() -> None:
    from scipy.integrate import solve_ivp

    def stiff(t: float, x: np.ndarray) -> list[float]:
        return [-50 * (x[0] - np.cos(t) * x[1]), 0.5 * x[1] * (1 - x[1])]

    solved = [
        solve_ivp(stiff, (0, 5), x, t_eval=TIMES, method="Radau", rtol=1e-9, atol=1e-9) for x in ([1, 0.2], [0, 0.5])
    ]
    model, found = fitted(
        """    fast = Param(300.0, low=1.0, high=5000.0)
    grow = Param(0.3, low=0.01, high=5.0)

    def rhs(self, t, x, u):
        return {"a": -self.fast * (x.a - torch.cos(t) * x.b), "b": self.grow * x.b * (1 - x.b)}
""",
        (State(name="a"), State(name="b")),
        measured(np.stack([one.y.T for one in solved]), 0.002),
    )
    assert found.loss.implicit
    assert values(model)["grow"] == pytest.approx(0.5, rel=0.01)
    error = diagnose(found)["std_error"]["fast"]
    assert abs(values(model)["fast"] - 50) < 3 * error < 30


def test_a_slow_system_in_small_units_of_time_is_not_called_stiff() -> None:
    seconds = 5000.0 * np.arange(26)
    slow = np.exp(-2e-5 * seconds)[None, :, None] * np.array([1.0, 2.0, 3.0])[:, None, None]
    samples = measured(slow, 0.01)
    samples.times[:] = torch.from_numpy(seconds)
    model, found = fitted(
        """    rate = Param(1e-5, low=1e-6, high=1e-3)
    rest = Net(inputs=("a",), role="add", outputs=("a",), hidden=(8,))

    def rhs(self, t, x, u):
        return {"a": self.rest(x.a) - self.rate * x.a}
""",
        (State(name="a"),),
        samples,
    )
    assert not found.loss.implicit
    assert found.error < 3e-4
    assert model.nets()["rest"].weights == 25


def test_a_trajectory_of_one_sample_is_refused_in_words() -> None:
    samples = measured(decays()[:, :1], 0.0)
    short = Samples(samples.ids, samples.times[:, :1], samples.states, samples.inputs[:, :1], samples.valid[:, :1])
    with pytest.raises(RequestError, match="two samples"):
        fitted(STANDING, (State(name="x"),), short)


STANDING = """    unit = Param(1.0, low=0.5, high=2.0)

    def rhs(self, t, x, u):
        return {"x": -self.unit * x.x}
"""


def test_limits_are_kept_on_a_grid_that_had_to_be_refined() -> None:
    times = np.linspace(0, 3, 7)
    swing = np.stack([np.cos(5 * times), -5 * np.sin(5 * times)], -1)[None]
    samples = Samples(
        ("0",),
        torch.from_numpy(times)[None],
        torch.from_numpy(swing),
        torch.zeros(1, 7, 0, dtype=torch.float64),
        torch.ones(1, 7, dtype=torch.bool),
    )
    model, found = fitted(
        """    stiffness = Param(20.0, low=1.0, high=100.0)

    def rhs(self, t, x, u):
        return {"x": x.v, "v": -self.stiffness * x.x}

    def limits(self, t, x, u):
        return {"near": 2.0 - x.x}
""",
        (State(name="x"), State(name="v")),
        samples,
    )
    assert values(model)["stiffness"] == pytest.approx(25.0, rel=1e-3)
    assert any("substeps" in stage.name for stage in found.stages)
    assert found.status == "ok"


@pytest.mark.parametrize("prior", [0.0, 1.0, 100.0])
def test_a_parameter_without_effect_is_never_called_identified(prior: float) -> None:
    model = load_candidate(
        HEAD
        + """    rate = Param(0.5, low=0.1, high=2.0)
    idle = Param(0.5, low=0.1, high=2.0)

    def rhs(self, t, x, u):
        return {"x": -self.rate * x.x + 0.0 * self.idle}
"""
    )(("x",))
    settings = FitSettings(parameter_prior=prior)
    found = fit(model, (State(name="x"),), measured(decays()[2:3], 0.005), settings, torch.Generator().manual_seed(0))
    said = diagnose(found)["identified"]
    assert said == {"rate": True, "idle": False}


def test_shooting_judges_what_is_measured_when_it_stops_early(simulate: Callable[..., Samples]) -> None:
    clean = simulate(TIMES, STARTS).states.numpy()
    model = load_candidate(
        HEAD
        + """    birth = Param(1.3, low=0.1, high=5.0)
    gain = Param(0.8, low=0.1, high=5.0)
    death = Param(1.8, low=0.1, high=5.0)
    meeting = Net(inputs=("prey", "hunter"), role="replace", hidden=(6,))
    attack = Param(0.9, low=0.1, high=5.0)

    def rhs(self, t, x, u):
        met = x.prey * x.hunter
        lost = self.meeting(x.prey, x.hunter, instead_of=self.attack * met)
        return {"prey": self.birth * x.prey - lost, "hunter": self.gain * met - self.death * x.hunter}

    def observe(self, t, x, u):
        return {"prey": 10.0 * x.prey + 3.0}
"""
    )(("prey", "hunter"), generator=torch.Generator().manual_seed(0))
    shown = np.stack([10 * clean[..., 0] + 3, clean[..., 1]], -1)
    settings = FitSettings(method="shooting", rollout_steps=30)
    found = fit(model, BOTH, measured(shown, 0.02), settings, torch.Generator().manual_seed(0))
    early = next(stage for stage in found.stages if stage.name == "shooting: early stop")
    assert early.loss < 1.0
    assert found.error < 0.05


def test_a_hidden_state_of_another_size_is_found() -> None:
    times = np.linspace(0, 10, 30)
    hidden = 1e4 * np.exp(-0.3 * times)
    shown = np.exp(-0.2 * times) * (0.1 + 1e-4 * 1e4 * (1 - np.exp(-0.1 * times)) / 0.1)
    samples = Samples(
        ("0",),
        torch.from_numpy(times)[None],
        torch.from_numpy(np.stack([shown, np.full_like(hidden, np.nan)], -1))[None],
        torch.zeros(1, 30, 0, dtype=torch.float64),
        torch.ones(1, 30, dtype=torch.bool),
    )
    model, found = fitted(
        """    loss = Param(0.5, low=0.01, high=2.0)
    yields = Param(1e-4, fixed=True)

    def rhs(self, t, x, u):
        return {"a": self.yields * x.b - 0.2 * x.a, "b": -self.loss * x.b}
""",
        (State(name="a"), State(name="b", observed=False)),
        samples,
    )
    assert values(model)["loss"] == pytest.approx(0.3, rel=0.02)
    assert found.initial[0, 1].item() == pytest.approx(1e4, rel=0.03)
