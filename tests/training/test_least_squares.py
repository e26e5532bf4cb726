from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from archsearch.hybrid import HybridModel
from archsearch.problem.space import Bounds, State
from archsearch.settings import FitSettings
from archsearch.training.batches import Batch
from archsearch.training.evidence import maximise_evidence
from archsearch.training.gauss_newton import descend
from archsearch.training.integrate import rollout
from archsearch.training.least_squares import LeastSquares
from archsearch.training.losses import Loss
from archsearch.training.normal_equations import Linear, NormalEquations
from archsearch.training.prepare import calibrate, prepare
from archsearch.training.regularizers import ROWS
from archsearch.training.sensitivities import Flat, sensitivities
from archsearch.training.task import Samples

TIMES = np.array([0.0, 0.4, 0.7, 1.5, 1.8, 2.4, 3.0])
STATES = (State(name="prey", scale="log"), State(name="hunter"))


@pytest.fixture
def loss(lotka_volterra_net: HybridModel, simulate: Callable[..., Samples]) -> Loss:
    samples = simulate(TIMES, [(1.0, 2.0), (2.0, 0.5), (0.5, 1.0)], noise=0.05)
    samples.states[0, 2] = torch.nan
    samples.states[1, 3, 1] = torch.nan
    made = prepare(lotka_volterra_net, STATES, samples, FitSettings(substeps=3))
    calibrate(made)
    with torch.no_grad():
        for unknown in made.initial.unknowns():
            unknown.add_(0.1)
    return made


def test_sensitivities_equal_differentiating_through_the_rollout(loss: Loss) -> None:
    model, samples = loss.model, loss.samples
    start = loss.initial.value().detach().requires_grad_(True)
    with model.prepared():
        z = rollout(loss.field(), start, samples.times, samples.inputs, 3)
    found = sensitivities(model, loss.coordinates, z.detach(), samples.times, samples.inputs, 3)
    for i, k, j in [(0, 6, 0), (1, 3, 1), (2, 1, 0), (0, 0, 1)]:
        wanted = torch.autograd.grad(
            z[i, k, j], [*model.parameters(), start], retain_graph=True, allow_unused=True, materialize_grads=True
        )
        flat = torch.cat([gradient.reshape(-1) for gradient in wanted[:-1]])
        torch.testing.assert_close(found.unknowns[i, k, j], flat, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found.initial[i, k, j], wanted[-1][i], rtol=1e-10, atol=1e-12)


def test_sum_of_squares_is_the_loss_times_the_observations(loss: Loss) -> None:
    squares = LeastSquares(loss, Batch.whole(loss))
    cost, _ = squares.cost(squares.here())
    count = int(torch.isfinite(loss.samples.states).sum())
    assert cost / count == pytest.approx(loss.rollout().item(), rel=1e-10)


def test_gradient_of_the_sum_of_squares_is_that_of_the_loss(loss: Loss) -> None:
    squares = LeastSquares(loss, Batch.whole(loss))
    point = squares.here()
    _, z = squares.cost(point)
    equations = squares.equations(point, z)
    unknowns = [*loss.model.parameters(), loss.initial.offsets]
    wanted = torch.autograd.grad(loss.rollout(), unknowns)
    count = int(torch.isfinite(loss.samples.states).sum())
    flat = torch.cat([gradient.reshape(-1) for gradient in wanted[:-1]]) * count / 2
    size = len(flat)
    torch.testing.assert_close(equations.g[:size], flat, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(equations.g_own, wanted[-1] * count / 2, rtol=1e-9, atol=1e-10)


def test_bounded_initial_states_are_fitted_for_all_trajectories_together(
    lotka_volterra: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(TIMES, [(1.0, 2.0), (1.0, 0.5)])
    states = (State(name="prey", initial=Bounds(low=0.2, high=4.0)), State(name="hunter", initial="first"))
    made = prepare(lotka_volterra, states, samples, FitSettings(substeps=3))
    squares = LeastSquares(made, Batch.whole(made))
    point = squares.here()
    _, z = squares.cost(point)
    (wanted,) = torch.autograd.grad(made.rollout(), made.initial.shared)
    gradient = squares.equations(point, z).g[-2:]
    torch.testing.assert_close(gradient, wanted * samples.states.numel() / 2, rtol=1e-9, atol=1e-10)
    maximise_evidence(made)
    assert made.initial.value()[:, 0].tolist() == pytest.approx([1.0, 1.0], rel=1e-3)


def test_eliminating_initial_states_gives_the_solution_of_the_whole_system() -> None:
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    linear = Linear(draw(3, 8), draw(3, 8, 5), draw(3, 8, 2), draw(4), draw(4, 5))
    prior, own = torch.rand(5, generator=generator, dtype=torch.float64), torch.tensor([0.3, 0.1], dtype=torch.float64)
    equations = NormalEquations.of(linear, prior, draw(5), own, draw(3, 2))
    damping = 0.2
    dense = torch.zeros(11, 11, dtype=torch.float64)
    dense[:5, :5] = equations.a
    right = torch.cat([equations.g, equations.g_own.reshape(-1)])
    for i in range(3):
        at = slice(5 + 2 * i, 7 + 2 * i)
        dense[:5, at], dense[at, :5], dense[at, at] = equations.b[i], equations.b[i].T, equations.c[i]
    wanted = torch.linalg.solve(dense + damping * torch.eye(11, dtype=torch.float64), -right)
    solved = equations.solve(damping)
    assert solved is not None
    torch.testing.assert_close(torch.cat([solved[0], solved[1].reshape(-1)]), wanted)
    covariance = equations.covariance()
    assert covariance is not None
    torch.testing.assert_close(covariance, torch.linalg.inv(dense)[:5, :5])


def test_segments_hold_every_interval_once_and_end_on_the_observations(loss: Loss) -> None:
    batch = Batch.segments(loss, 4)
    assert batch.times.shape == (6, 5)
    assert batch.times[1].tolist() == pytest.approx([1.8, 2.4, 3.0, 3.0, 3.0])
    assert not batch.seen[:, 0].any()
    assert batch.seen.sum() < Batch.whole(loss).seen.sum()
    inner = loss.coordinates.inner(loss.samples.states)
    torch.testing.assert_close(batch.target[0, 1], inner[0, 1])


def test_descent_never_rises_and_ends_at_a_stationary_point(loss: Loss) -> None:
    squares = LeastSquares(loss, Batch.whole(loss))
    costs = [squares.cost(squares.here())[0]]
    steep = _steepness(loss)
    for _ in range(12):
        costs.append(descend(loss, Batch.whole(loss), 5).loss)
    assert costs == sorted(costs, reverse=True)
    assert _steepness(loss) < 1e-3 * steep


def _steepness(loss: Loss) -> float:
    gradients = torch.autograd.grad(loss.rollout(), list(loss.model.parameters()))
    return max(float(gradient.abs().max()) for gradient in gradients)


def test_a_vector_of_unknowns_goes_back_where_it_came_from(lotka_volterra_net: HybridModel) -> None:
    flat = Flat.of(lotka_volterra_net)
    vector = torch.arange(float(len(flat.vector(lotka_volterra_net))), dtype=torch.float64)
    flat.store(lotka_volterra_net, vector)
    assert torch.equal(flat.vector(lotka_volterra_net), vector)
    assert torch.equal(lotka_volterra_net.raw.detach(), vector[:4])


def test_norm_is_the_mean_square_of_the_correction() -> None:
    full, physics = torch.tensor([[3.0, 1.0], [1.0, 1.0]]), torch.ones(2, 2)
    assert ROWS["norm"](full, physics).square().sum().item() == pytest.approx(1.0)


def test_correlation_is_the_cosine_whatever_the_scale() -> None:
    physics = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    orthogonal = torch.tensor([[0.0, 5.0], [5.0, 0.0]], dtype=torch.float64)
    assert ROWS["correlation"](physics + orthogonal, physics).item() == pytest.approx(0.0)
    assert ROWS["correlation"](physics + 7 * physics, physics).item() == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_rows_of_regularizers_have_the_right_derivative(loss: Loss, name: str) -> None:
    type(loss.model).regularizers = {name: 2.0}
    squares = LeastSquares(loss, Batch.whole(loss))
    p = squares.here().p
    jacobian = squares._extra_by_p(p)
    direction = torch.randn(len(p), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = 1e-6
    wanted = (squares._extra(p + step * direction) - squares._extra(p - step * direction)) / (2 * step)
    torch.testing.assert_close(jacobian @ direction, wanted, rtol=1e-5, atol=1e-7)
