from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from known_systems import TRUTH

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training import chain
from archsearch.training.collocation import Simultaneous, collocate
from archsearch.training.diagnose import diagnose
from archsearch.training.fit import Fit, fit
from archsearch.training.lbfgs import lbfgs
from archsearch.training.prepare import calibrate, prepare
from archsearch.training.rollouts import training_error
from archsearch.training.stages import Watch
from archsearch.training.task import Samples

STARTS = [(1.0, 2.0), (2.0, 0.5), (0.5, 1.0), (1.5, 1.5)]
BOTH = (State(name="prey"), State(name="hunter"))
HEAD = "from archsearch.hybrid import HybridModel, Param\nimport torch\n\n\nclass Candidate(HybridModel):\n"
TIMES = np.linspace(0, 5, 26)


def go_on(stage: str, step: int) -> bool:
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
    found, least = lbfgs(rosenbrock, starts, 200, lambda step, x: True)
    torch.testing.assert_close(found, torch.ones_like(found), rtol=1e-4, atol=1e-4)
    assert least.max() < 1e-8


def test_a_function_that_is_not_finite_keeps_its_start_and_disturbs_no_other() -> None:
    def broken(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value, slope = rosenbrock(x)
        return torch.cat([value[:1], value[1:] * torch.nan]), torch.cat([slope[:1], slope[1:] * torch.nan])

    starts = torch.tensor([[-1.2, 1.0], [2.0, -1.0]], dtype=torch.float64)
    found, _ = lbfgs(broken, starts, 200, lambda step, x: True)
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
    collocate(loss, 60, lambda step: True)
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

    def watch(stage: str, step: int) -> bool:
        seen.append((stage, step))
        return len(seen) < 5

    found = fit(lotka_volterra_net, BOTH, samples, FitSettings(), torch.Generator().manual_seed(0), watch)
    assert len(seen) == 5
    assert found.status == "ok"
    assert found.stages[-1].reason.endswith("stopped")


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
