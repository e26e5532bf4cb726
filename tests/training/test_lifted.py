from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hard_systems import LORENZ_TRUTH, SPRING_TRUTH, found, lorenz, spring, spring_position
from scipy import optimize

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import Bounds, State
from archsearch.settings import FitSettings
from archsearch.training.algebra.bordered import Chain
from archsearch.training.data.task import Samples
from archsearch.training.methods.gauss_newton import descend
from archsearch.training.methods.lifted import fit_lifted
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.lifted_squares import LiftedPoint, LiftedSquares, Tie
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.prepare import calibrate, prepare

TIMES = np.array([0.0, 0.4, 0.7, 1.5, 1.8, 2.4, 3.0, 3.1])


@pytest.fixture
def loss(lotka_volterra_net: HybridModel, simulate: Callable[..., Samples]) -> Loss:
    """Missing values, a short trajectory, one initial state shared and one estimated, regularizers."""
    samples = simulate(TIMES, [(1.0, 2.0), (2.0, 0.5), (0.5, 1.0)], noise=0.05)
    samples.states[0, 2] = torch.nan
    samples.states[1, 3, 1] = torch.nan
    samples.states[2, 5:] = torch.nan
    samples.times[2, 5:] = samples.times[2, 4]
    samples.valid[2, 5:] = False
    states = (State(name="prey", scale="log"), State(name="hunter", initial=Bounds(low=0.1, high=4.0)))
    made = prepare(lotka_volterra_net, states, samples, FitSettings(substeps=3))
    calibrate(made)
    return made


@pytest.mark.parametrize("seed", range(3))
def test_lorenz_from_far_off_is_recovered_in_windows_of_half_a_time_unit(seed: int) -> None:
    loss = lorenz(seed=seed)
    reached = fit_lifted(loss, 20, 60)
    assert reached.reason == "converged"
    assert reached.gap < 1e-5
    assert found(loss)["rho"] == pytest.approx(LORENZ_TRUTH["rho"], rel=0.01)
    assert found(loss) == pytest.approx(LORENZ_TRUTH, rel=0.02)
    assert float(loss.noise) ** 0.5 == pytest.approx(0.02, rel=0.1)
    assert loss.error(reached.rollout, loss.samples.valid) ** 0.5 == pytest.approx(0.02, rel=0.1)


def test_lorenz_from_far_off_is_not_recovered_by_single_shooting() -> None:
    loss = lorenz(step=0.05)
    descend(loss, Batch.whole(loss), 60)
    assert abs(found(loss)["rho"] - 28.0) > 2.0


def test_lorenz_with_a_hidden_state() -> None:
    loss = lorenz(hidden=(1,))
    fit_lifted(loss, 10, 60)
    assert found(loss) == pytest.approx(LORENZ_TRUTH, rel=0.03)


@pytest.mark.parametrize("seed", [3, 4, 7])
def test_a_spring_is_recovered_from_a_start_of_another_frequency(seed: int) -> None:
    """The second regression row of science.md (i): true (1, 400), start (2, 150)."""
    loss = spring(seed)
    reached = fit_lifted(loss, 5, 60)
    assert found(loss) == pytest.approx(SPRING_TRUTH, rel=0.03)
    assert reached.gap < 1e-5
    assert reached.rollout[0, 0].tolist() == [1.0, 0.0], "known initial states stay"


@pytest.mark.parametrize("seed", [3, 4, 7])
def test_there_single_shooting_by_a_quasi_newton_method_ends_in_a_wrong_minimum(seed: int) -> None:
    """As published: near (0.29, 419) with a sum of squares of 5.23; 0.038 for the truth."""
    samples = spring(seed).samples
    times, observed = samples.times[0].numpy(), samples.states[0, :, 0].numpy()

    def squares(p: np.ndarray) -> float:
        return float(np.square(spring_position(*p, times) - observed).sum())

    with np.errstate(all="ignore"):  # its line search tries what overflows
        ended = optimize.minimize(squares, (2.0, 150.0), method="BFGS")
    assert ended.x == pytest.approx([0.3, 420.0], rel=0.15)
    assert ended.fun > 3.0 > 0.05 > squares(np.array([1.0, 400.0]))


BLOW_UP = """
from archsearch.hybrid import HybridModel, Net, Param
class Candidate(HybridModel):
    birth = Param(1.0, low=0.1, high=3.0)
    attack = Param(1.0, low=0.05, high=3.0)
    death = Param(1.5, low=0.1, high=3.0)
    profit = Net(inputs=("prey", "hunter"), role="add", hidden=(6,))

    def rhs(self, t, x, u):
        growth = x.hunter**2 * self.profit(x.prey, x.hunter)
        return {"prey": x.prey * (self.birth - self.attack * x.hunter), "hunter": growth - self.death * x.hunter}
"""


def test_a_net_whose_rollout_blows_up_is_fitted(simulate: Callable[..., Samples]) -> None:
    samples = simulate(np.linspace(0, 6, 30), [(1.0, 2.0), (2.0, 0.5), (0.5, 1.0), (1.5, 1.5)], noise=0.02)
    model = load_candidate(BLOW_UP)(("prey", "hunter"))
    loss = prepare(model, (State(name="prey"), State(name="hunter")), samples, FitSettings())
    calibrate(loss)
    with torch.no_grad():
        loss.model.nets()["profit"].get_parameter("bias_1").fill_(1.0)
    assert not math.isfinite(loss.rollout().item())
    reached = fit_lifted(loss, 29, 40)
    assert reached.window < 29
    assert reached.gap < 1e-2
    assert loss.error(reached.rollout, samples.valid) ** 0.5 < 0.05
    assert loss.rollout().item() < 0.01, "now it can be rolled out as a whole"


def test_what_cannot_be_rolled_out_for_one_interval_is_left_alone(
    lotka_volterra: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(np.linspace(0, 6, 8), [(1.0, 2.0)])
    loss = prepare(lotka_volterra, (State(name="prey"), State(name="hunter")), samples, FitSettings())
    loss.smoothed.states[:] = 1e200
    reached = fit_lifted(loss, 4, 10)
    assert (reached.reason, reached.steps, reached.window) == ("not finite", 0, 1)


def test_joined_windows_are_the_fit_of_whole_trajectories(loss: Loss) -> None:
    """Where a whole rollout exists, the lifted fit ends at the minimum of the loss of whole trajectories."""
    reached = fit_lifted(loss, 2, 200)
    count = int(torch.isfinite(loss.samples.states).sum())
    assert reached.reason == "converged"
    assert count * loss.rollout().item() == pytest.approx(reached.loss, rel=1e-4)
    assert descend(loss, Batch.whole(loss), 20).loss == pytest.approx(reached.loss, rel=1e-3)
    assert reached.states.shape == (3, 4, 2)
    assert reached.begins.tolist() == [0, 2, 4, 6]


def test_normal_equations_are_those_of_finite_differences_and_of_a_dense_solve(loss: Loss) -> None:
    squares = LiftedSquares(loss, 3)
    here = squares.here()
    generator = torch.Generator().manual_seed(0)

    def draw(like: torch.Tensor) -> torch.Tensor:
        return 0.1 * torch.randn(like.shape, generator=generator, dtype=torch.float64)

    tie = Tie(7.0, draw(here.nodes))
    point = LiftedPoint(here.p, draw(here.offsets), draw(here.shared), here.nodes + draw(here.nodes))
    _, z = squares.cost(point, tie)
    chain = squares.equations(point, z, tie)
    gradient = torch.cat([chain.g, chain.g_own.reshape(-1)])
    for _ in range(6):
        common, own = draw(chain.g), draw(chain.g_own)
        own[:, 0, 1] = 0.0  # the hunter's initial state is shared

        def at(step: float, common: torch.Tensor = common, own: torch.Tensor = own) -> float:
            size = len(point.p)
            nodes = point.nodes + step * squares._unit * own[:, 1:]
            moved = LiftedPoint(
                point.p + step * common[:size],
                point.offsets + step * own[:, 0],
                point.shared + step * common[size:],
                nodes,
            )
            return squares.cost(moved, tie)[0]

        slope = 2.0 * float(gradient @ torch.cat([common, own.reshape(-1)]))
        assert (at(1e-5) - at(-1e-5)) / 2e-5 == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_eliminating_a_chain_of_states_gives_the_solution_of_the_whole_system() -> None:
    generator = torch.Generator().manual_seed(1)
    many, windows, n, common = 3, 4, 2, 5
    size = common + many * windows * n
    dense = torch.zeros(size, size, dtype=torch.float64)
    for i in range(many):
        for w in range(windows):
            rows = torch.randn(6, size, generator=generator, dtype=torch.float64)
            at = common + n * (i * windows + w)
            seen = torch.zeros(size, dtype=torch.bool)
            seen[:common] = True
            seen[at : at + n * (1 if w == windows - 1 else 2)] = True
            dense += (rows * seen).T @ (rows * seen)
    right = torch.randn(size, generator=generator, dtype=torch.float64)
    own = dense[common:, common:].reshape(many, windows, n, many, windows, n)
    trajectories = range(many)
    chain = Chain(
        a=dense[:common, :common],
        border=dense[common:, :common].reshape(many, windows, n, common),
        diagonal=torch.stack([torch.stack([own[i, w, :, i, w] for w in range(windows)]) for i in trajectories]),
        lower=torch.stack([torch.stack([own[i, w + 1, :, i, w] for w in range(windows - 1)]) for i in trajectories]),
        g=right[:common],
        g_own=right[common:].reshape(many, windows, n),
    )
    solved = chain.solve(0.3)
    assert solved is not None
    wanted = -torch.linalg.solve(dense + 0.3 * torch.eye(size, dtype=torch.float64), right)
    torch.testing.assert_close(torch.cat([solved[0], solved[1].reshape(-1)]), wanted)
    covariance = chain.covariance()
    assert covariance is not None
    torch.testing.assert_close(covariance, torch.linalg.inv(dense)[:common, :common])
