from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import Bounds, State
from archsearch.settings import FitSettings
from archsearch.training.algebra.curvature import Curvature
from archsearch.training.algebra.linear_problem import Linear, Prior
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import Coordinates, rollout
from archsearch.training.flow.layerwise import agree, by_layer
from archsearch.training.flow.sensitivities import Flat, Intervals, by_sample, sensitivities
from archsearch.training.methods.evidence import maximise_evidence
from archsearch.training.methods.gauss_newton import descend
from archsearch.training.squares.batches import Batch
from archsearch.training.squares.least_squares import LeastSquares, Point
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.prepare import calibrate, prepare
from archsearch.training.squares.regularizer_rows import RegularizerRows
from archsearch.training.squares.regularizers import ROWS

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


def test_layer_by_layer_and_sample_by_sample_give_the_same_transitions(loss: Loss) -> None:
    model, samples = loss.model, loss.samples
    over = Intervals.of(torch.nan_to_num(loss.smoothed.states), samples.times, samples.inputs)
    slow, fast = (way(model, loss.coordinates, over, 3) for way in (by_sample, by_layer))
    assert fast is not None
    torch.testing.assert_close(fast.by_state, slow.by_state, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(fast.by_unknowns, slow.by_unknowns, rtol=1e-10, atol=1e-12)


MONOTONE = """
from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
    rate = Param(0.5, low=0.1, high=2.0)
    growth = Net(inputs=("food",), role="scale", hidden=(5, 4), monotone={"food": "+"}, positive=True)
    uptake = Net(inputs=("food",), role="scale", hidden=(3,), monotone={"food": "+"}, zero_at={"food": 0.1})
    loss = Net(inputs=("food", "cells"), role="add", hidden=(3,), outputs=("food", "cells"))

    def rhs(self, t, x, u):
        grown = self.rate * x.food * self.growth(x.food)
        first, second = self.loss(x.food, x.cells)
        return {"food": first - grown, "cells": second + self.growth(x.food) * grown * self.uptake(x.food)}
"""


def test_layers_with_signed_weights_and_nets_that_are_called_twice_are_differentiated_rightly() -> None:
    model = load_candidate(MONOTONE)(("food", "cells"), (), generator=torch.Generator().manual_seed(2))
    z = torch.rand(6, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.5
    over = Intervals(z, torch.zeros(6, dtype=torch.float64), torch.full((6,), 0.3, dtype=torch.float64), z[:, :0])
    coordinates = Coordinates.of((State(name="food"), State(name="cells")))
    slow, fast = (way(model, coordinates, over, 2) for way in (by_sample, by_layer))
    assert fast is not None
    torch.testing.assert_close(fast.by_unknowns, slow.by_unknowns, rtol=1e-10, atol=1e-12)


ACROSS = """
from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    rate = Param(0.5, low=0.1, high=2.0)

    def rhs(self, t, x, u):
        return {"food": -self.rate.mean() * x.food}
"""


def test_a_candidate_that_mixes_samples_is_differentiated_the_slow_and_safe_way() -> None:
    model = load_candidate(ACROSS)(("food",), ())
    z, ones = torch.arange(1.0, 5.0, dtype=torch.float64).unsqueeze(-1), torch.ones(4, dtype=torch.float64)
    over = Intervals(z, ones, ones, z[:, :0])
    assert not agree(model, Coordinates.of((State(name="food"),)), over, 1)


def test_sum_of_squares_is_the_loss_times_the_observations(loss: Loss) -> None:
    squares = LeastSquares(loss, Batch.whole(loss))
    cost = squares.visit(squares.here()).cost
    count = int(torch.isfinite(loss.samples.states).sum())
    assert cost / count == pytest.approx(loss.rollout().item(), rel=1e-10)


def _full_step(squares: LeastSquares, damping: float) -> tuple[Point, Point]:
    here = squares.here()
    moved = squares.moved(here, squares.linearised(here, squares.visit(here)), damping)
    assert moved is not None
    return here, moved[0]


def test_a_much_damped_step_goes_down_the_gradient_of_the_loss(loss: Loss) -> None:
    squares, damping = LeastSquares(loss, Batch.whole(loss), single=False), 1e9
    here, there = _full_step(squares, damping)
    squares.go(here)
    wanted = torch.autograd.grad(loss.rollout(), [*loss.model.parameters(), loss.initial.offsets])
    count = int(torch.isfinite(loss.samples.states).sum())
    _, precision = loss.prior(1.0)
    flat = torch.cat([gradient.reshape(-1) for gradient in wanted[:-1]]) * count / 2
    torch.testing.assert_close(-(there.p - here.p) * precision * damping, flat, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(-(there.offsets - here.offsets) * damping, wanted[-1] * count / 2, rtol=1e-6, atol=1e-6)


def test_bounded_initial_states_are_fitted_for_all_trajectories_together(
    lotka_volterra: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(TIMES, [(1.0, 2.0), (1.0, 0.5)])
    states = (State(name="prey", initial=Bounds(low=0.2, high=4.0)), State(name="hunter", initial="first"))
    made = prepare(lotka_volterra, states, samples, FitSettings(substeps=3))
    squares, damping = LeastSquares(made, Batch.whole(made), single=False), 1e9
    here, there = _full_step(squares, damping)
    squares.go(here)
    (wanted,) = torch.autograd.grad(made.rollout(), made.initial.shared)
    found = -(there.shared - here.shared) * damping
    torch.testing.assert_close(found, wanted * samples.states.numel() / 2, rtol=1e-5, atol=1e-5)
    maximise_evidence(made)
    assert made.initial.value()[:, 0].tolist() == pytest.approx([1.0, 1.0], rel=1e-3)


@pytest.mark.parametrize("lifted", [False, True])
def test_single_precision_takes_the_same_step(loss: Loss, lifted: bool) -> None:
    steps = [
        _full_step(LeastSquares(loss, Batch.whole(loss), single=single, lifted=lifted), 1e-2)[1].p
        for single in (False, True)
    ]
    torch.testing.assert_close(steps[1], steps[0], rtol=1e-3, atol=1e-4)


def test_nodes_that_lie_on_a_rollout_are_moved_like_the_rollout(loss: Loss) -> None:
    rolled = LeastSquares(loss, Batch.whole(loss), single=False)
    lifted = LeastSquares(loss, Batch.whole(loss), single=False, lifted=True)
    here = rolled.here()
    visit = rolled.visit(here)
    point = replace(here, nodes=visit.z)
    found = lifted.visit(point)
    assert found.defects is not None
    assert found.defects.abs().max() < 1e-12
    assert found.cost == pytest.approx(visit.cost, rel=1e-12)
    there = lifted.moved(point, lifted.linearised(point, found), 1e-2)
    wanted = rolled.moved(here, rolled.linearised(here, visit), 1e-2)
    assert there is not None
    assert wanted is not None
    torch.testing.assert_close(there[0].p, wanted[0].p, rtol=1e-8, atol=1e-10)


def test_gaps_between_nodes_close_at_the_rate_of_newtons_method(loss: Loss) -> None:
    squares = LeastSquares(loss, Batch.whole(loss), single=False, lifted=True)
    point, gaps = squares.here(), []
    for _ in range(5):
        visit = squares.visit(point)
        assert visit.defects is not None
        gaps.append(float(visit.defects.abs().max()))
        moved = squares.moved(point, squares.linearised(point, visit), 1e12)  # the unknowns stand all but still
        assert moved is not None
        point, _ = moved
    assert gaps[0] > 1e-3
    assert gaps[-1] < 1e-12
    assert gaps[2] < 10 * gaps[1] ** 2 + 1e-12


def _draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("common", [5, 60])
def test_a_step_solves_the_whole_damped_system(common: int) -> None:
    """With fewer unknowns than rows, and with more."""
    linear = Linear(_draw(3, 8), _draw(3, 8, common), _draw(3, 8, 2), _draw(4), _draw(4, common), _draw(3, 8) > -1.0)
    weights = torch.arange(common) >= 2
    prior = Prior(_draw(common).abs() + 0.5, _draw(common), _draw(3, 2), weights, 0.7)
    noise, damping = 0.3, 0.2
    curvature = Curvature(linear, prior)
    assert curvature.in_rows == (common == 60)
    own = torch.block_diag(*linear.by_own)
    dense = torch.cat(
        [
            torch.cat([linear.by_common.flatten(0, 1), own], 1)[linear.seen.reshape(-1)],
            torch.cat([linear.extra_by_common, torch.zeros(4, 6, dtype=torch.float64)], 1),
        ]
    )
    rows = torch.cat([linear.rows[linear.seen], linear.extra])
    precision = torch.cat([prior.spread() ** -2, torch.ones(6, dtype=torch.float64)])
    away = torch.cat([prior.away, prior.own_away.reshape(-1)])
    curved = dense.T @ dense
    wanted = torch.linalg.solve(
        curved + (noise + damping) * torch.diag(precision), -(dense.T @ rows + noise * precision * away)
    )
    step = curvature.step(noise, damping)
    assert step is not None
    torch.testing.assert_close(torch.cat([step.common, step.own.reshape(-1)]), wanted, rtol=1e-8, atol=1e-8)

    end = dense @ wanted + rows
    assert step.promised == pytest.approx(
        float(end.square().sum() + noise * (precision * (away + wanted).square()).sum()), rel=1e-9
    )
    posterior = noise * torch.linalg.inv(curved + noise * torch.diag(precision))
    found = curvature.covariance(noise, 2)
    assert found is not None
    torch.testing.assert_close(found, posterior[:2, :2], rtol=1e-7, atol=1e-9)

    by_data = 1.0 - noise * precision * torch.linalg.inv(curved + noise * torch.diag(precision)).diagonal()
    determined = curvature.determined(noise)
    assert determined is not None
    assert determined.weights == pytest.approx(float(by_data[:common][weights].sum()), rel=1e-6)
    others = float(by_data.sum()) - determined.weights
    assert determined.others == pytest.approx(others, rel=1e-6 if common == 60 else 0.3)


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
    costs = [squares.visit(squares.here()).cost]
    steep = _steepness(loss)
    for _ in range(40):
        costs.append(descend(loss, Batch.whole(loss), 5).loss)
    assert costs == sorted(costs, reverse=True)
    assert _steepness(loss) < 1e-4 * steep


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
    assert ROWS["norm"](full, physics, full).square().sum().item() == pytest.approx(1.0)


def test_the_physics_alone_is_judged_by_what_it_misses_where_something_was_observed() -> None:
    physics = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    observed = torch.tensor([[1.5, 2.0], [torch.nan, 4.0]], dtype=torch.float64)
    rows = ROWS["physics_alone"](99 * physics, physics, observed)
    assert rows.square().sum().item() == pytest.approx(0.5**2 / 4)


def test_correlation_is_the_cosine_whatever_the_scale() -> None:
    physics = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    orthogonal = torch.tensor([[0.0, 5.0], [5.0, 0.0]], dtype=torch.float64)
    assert ROWS["correlation"](physics + orthogonal, physics, physics).item() == pytest.approx(0.0)
    assert ROWS["correlation"](physics + 7 * physics, physics, physics).item() == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_rows_of_regularizers_have_the_right_derivative(loss: Loss, name: str) -> None:
    type(loss.model).regularizers = {name: 2.0}
    regularizers = RegularizerRows(loss, 20)
    p = Flat.of(loss.model).vector(loss.model)
    jacobian = regularizers.by_p(p)
    direction = torch.randn(len(p), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = 1e-6
    wanted = (regularizers.rows(p + step * direction) - regularizers.rows(p - step * direction)) / (2 * step)
    torch.testing.assert_close(jacobian @ direction, wanted, rtol=1e-5, atol=1e-7)
