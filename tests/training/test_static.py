from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.static.fit import diagnose_static, fit_static
from archsearch.training.static.rows import StaticRows

RESPIRATION = """
from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
    {regularizers}
    base = Param(2.0, low=0.1, high=20.0, unit="g/m^2/d")
    Q10 = Param(2.5, low=0.5, high=5.0)
    rate = Net(inputs=("x",), role="replace", hidden=(8,), positive=True)

    def output(self, x, u):
        rate = self.rate(x.x, instead_of=self.base)
        return {{"reco": rate * self.Q10 ** (0.1 * (x.T - 15.0))}}
"""
MICHAELIS = """
from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    fastest = Param(1.0, low=0.01, high=20.0)
    middle = Param(1.0, low=0.01, high=20.0)

    def output(self, x, u):
        return {"v": self.fastest * x.S / (self.middle + x.S), "w": self.middle * x.S ** 2 / 10.0}
"""
Q10 = 1.5


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def samples(inputs: np.ndarray, outputs: np.ndarray) -> Samples:
    """One table as one trajectory."""
    many = len(inputs)
    return Samples(
        ids=("table",),
        times=torch.arange(many, dtype=torch.float64)[None],
        states=torch.tensor(outputs)[None],
        inputs=torch.tensor(inputs)[None],
        valid=torch.ones(1, many, dtype=torch.bool),
    )


def respiration(seed: int, many: int = 400) -> Samples:
    """Ecosystem respiration with a hidden base rate of x and relative noise, as in Cohrs et al. 2024."""
    rng = np.random.default_rng(seed)
    x, temperature = rng.uniform(-2, 2, many), rng.uniform(0, 30, many)
    temperature = temperature + 3 * x
    reco = (3 + np.sin(1.5 * x) + 0.5 * x) * Q10 ** (0.1 * (temperature - 15))
    noisy = reco + 0.1 * reco.std() * rng.standard_normal(many)
    return samples(np.column_stack([x, temperature]), noisy[:, None])


def candidate(seed: int = 0, regularizers: str = "") -> HybridModel:
    source = RESPIRATION.format(regularizers=regularizers)
    return load_candidate(source)(("reco",), ("x", "T"), generator=torch.Generator().manual_seed(seed))


def fitted(model: HybridModel, data: Samples, *states: State, **settings: float):
    return fit_static(model, states, data, FitSettings(**settings), torch.Generator().manual_seed(0))


def test_a_parameter_is_recovered_beside_a_net_that_sees_nothing_of_its_input():
    model = candidate()
    found = fitted(model, respiration(0), State(name="reco"))
    said = diagnose_static(found)
    value = float(model.parameter_values()["Q10"].detach())
    assert abs(value - Q10) < 2 * said["std_error"]["Q10"]
    assert said["std_error"]["Q10"] < 0.02
    assert said["identified"] == {"base": False, "Q10": True}
    assert said["share"] > 0.1
    assert found.hyper.noise**0.5 == pytest.approx(0.1, rel=0.1)
    assert found.error == pytest.approx(0.01, rel=0.2)
    assert found.status == "ok"
    assert [stage.name for stage in found.stages] == ["physics alone", "evidence"]


def test_the_standard_error_covers_the_truth_as_often_as_it_says():
    inside, many = 0, 20
    for seed in range(100, 100 + many):
        model = candidate(seed)
        found = fitted(model, respiration(seed, 150), State(name="reco"))
        wrong = float(model.parameter_values()["Q10"].detach()) - Q10
        inside += abs(wrong) < 2 * diagnose_static(found)["std_error"]["Q10"]
    assert inside >= 17  # 95 % of 20 are 19; fewer than 17 have a probability of 0.3 %


@pytest.fixture
def kinetics() -> Samples:
    rng = np.random.default_rng(5)
    S = rng.uniform(0.1, 8, (60, 1))
    v = np.column_stack([3 * S / (1.7 + S), 1.7 * S**2 / 10]) + 0.05 * rng.standard_normal((60, 2))
    v[rng.random((60, 2)) < 0.2] = np.nan
    v[7] = np.nan
    return samples(S, v)


def test_physics_alone_ends_where_scipy_does(kinetics):
    model = load_candidate(MICHAELIS)(("v", "w"), ("S",))
    found = fitted(model, kinetics, State(name="v"), State(name="w"), parameter_prior=0.0)
    S, measured = kinetics.inputs[0, :, 0].numpy(), kinetics.states[0].numpy()
    scale = np.nanstd(measured, axis=0)

    def residuals(p):
        wrong = (np.column_stack([p[0] * S / (p[1] + S), p[1] * S**2 / 10]) - measured) / scale
        return wrong[np.isfinite(wrong)]

    reference = least_squares(residuals, [1.0, 1.0], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    values = {name: float(value.detach()) for name, value in model.parameter_values().items()}
    assert [values["fastest"], values["middle"]] == pytest.approx(reference.x, rel=1e-6)
    assert found.error == pytest.approx(2 * reference.cost / len(reference.fun), rel=1e-9)
    covariance = np.linalg.inv(reference.jac.T @ reference.jac) * found.hyper.noise
    errors = diagnose_static(found)["std_error"]
    assert [errors["fastest"], errors["middle"]] == pytest.approx(np.sqrt(covariance.diagonal()), rel=0.03)


def test_rows_of_the_jacobian_equal_finite_differences():
    model = candidate(regularizers='regularizers = {"norm": 0.3, "correlation": 0.2}')
    rows = StaticRows.of(model, (State(name="reco", scale="log"),), respiration(1, 30), FitSettings())
    rows.calibrate()
    p = rows.here()
    curvature = rows.curvature(p, 1.0)

    def all_rows(p):
        full, physics = rows._both(p, rows.inputs)
        return torch.cat([rows._misfit(full).reshape(-1), rows._extra(full, physics)])

    steps = 1e-6 * torch.eye(len(p), dtype=torch.float64)
    by_differences = torch.stack([(all_rows(p + step) - all_rows(p - step)) / 2e-6 for step in steps], -1)
    deviation = rows._prior(p, 1.0).spread()
    torch.testing.assert_close(curvature._j / deviation, by_differences, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(curvature._r, all_rows(p))


def test_a_regularizer_draws_the_correction_towards_the_physics():
    data = respiration(2)
    free, bound = candidate(), candidate(regularizers='regularizers = {"norm": 1.0}')
    shares = [diagnose_static(fitted(model, data, State(name="reco")))["share"] for model in (free, bound)]
    assert shares[1] < 0.8 * shares[0]


def test_a_known_noise_is_kept():
    data = respiration(3)
    noise = 0.1 * float(data.states.std())
    found = fitted(candidate(), data, State(name="reco", noise=noise))
    assert found.hyper.noise == pytest.approx(0.01, rel=0.02)


def test_a_logarithmic_output_is_fitted_as_a_logarithm():
    model = candidate()
    data = respiration(4)
    keep = data.states.clamp(min=0.05)
    data = Samples(data.ids, data.times, keep, data.inputs, data.valid)
    found = fitted(model, data, State(name="reco", scale="log"))
    assert float(model.parameter_values()["Q10"].detach()) == pytest.approx(Q10, abs=0.06)
    assert found.status == "ok"


def test_a_fit_stops_when_told_to():
    seen = []
    watch = lambda stage, step, error: (seen.append((stage, step)), stage == "physics alone")[1]  # noqa: E731
    found = fit_static(
        candidate(), (State(name="reco"),), respiration(0), FitSettings(), torch.Generator().manual_seed(0), watch
    )
    assert seen[-1] == ("evidence", 1)
    assert found.stages[-1].reason.endswith("stopped")


MONOD = """
from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
    start = Param(0.1, fixed=True)
    rate = Net(("S",), "replace", hidden={hidden}, positive=True, monotone={{"S": "+"}}, zero_at={{"S": 0.0}})

    def output(self, x, u):
        return {{"mu": self.rate(x.S, instead_of=self.start * u.S)}}
"""


@pytest.mark.parametrize("hidden", [(16,), (16, 16)])
@pytest.mark.parametrize("half", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_net_that_rises_from_zero_learns_a_law_that_saturates_early(hidden, half, seed):
    """Of nets that are a rising factor times tanh of the distance, none comes closer than 30 % with half = 1."""
    food = np.linspace(0, 10, 60)
    truth = food / (half + food)
    noisy = truth + 1e-3 * np.random.default_rng(seed).standard_normal(60)
    kind = load_candidate(MONOD.format(hidden=hidden))
    model = kind(("mu",), ("S",), generator=torch.Generator().manual_seed(seed))
    fitted(model, samples(food[:, None], noisy[:, None]), State(name="mu"))
    asked = np.linspace(0.5, 10, 200)
    with torch.no_grad():
        found = model.outputs(torch.tensor(asked)[:, None])[:, 0].numpy()
    assert np.abs(found / (asked / (half + asked)) - 1).max() < 1e-2
