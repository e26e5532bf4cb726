from __future__ import annotations

import itertools
import math

import pytest
import torch
from implicit_systems import BLOW_UP, INDEX_ONE, INDEX_TWO, SWING, TANKS, built, numbers
from torch import Tensor
from torch.func import jacrev, vmap

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.training.flow.integrate import Coordinates, runge_kutta_step
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.implicit.radau import RadauStep, radau_step_of
from archsearch.training.implicit.tableau import interpolated, radau_nodes, radau_weights

PREY_LOG = Coordinates.of((State(name="prey", scale="log"), State(name="hunter")))
Arguments = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def arguments(model: HybridModel, z: Tensor, h: float) -> Arguments:
    return Flat.of(model).vector(model), z, z.new_zeros(len(z)), z.new_full((len(z),), h), z.new_zeros(len(z), 0)


def orders(errors: list[float]) -> list[float]:
    return [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]


def tanks() -> tuple[RadauStep, Arguments]:
    model, coordinates = built(TANKS)
    z = 0.5 + torch.rand(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z[:, 1] = z[:, 0]
    return radau_step_of(model, coordinates, 2), arguments(model, z, 4.0)


def test_coefficients_are_those_of_the_table() -> None:
    root = math.sqrt(6)
    table = [
        [(88 - 7 * root) / 360, (296 - 169 * root) / 1800, (-2 + 3 * root) / 225],
        [(296 + 169 * root) / 1800, (88 + 7 * root) / 360, (-2 - 3 * root) / 225],
        [(16 - root) / 36, (16 + root) / 36, 1 / 9],
    ]
    torch.testing.assert_close(radau_weights(), numbers(*table), rtol=0, atol=1e-15)


def test_collocation_polynomial_goes_through_what_it_is_made_of() -> None:
    stages = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z = torch.zeros(2, 2, dtype=torch.float64)
    torch.testing.assert_close(interpolated(z, stages, radau_nodes().expand(2, -1)), stages)
    torch.testing.assert_close(interpolated(z, stages, z[:, :1])[:, 0, :2], z)


def test_error_of_an_ode_falls_with_the_fifth_power_of_the_step() -> None:
    model, coordinates = built(SWING)
    given = arguments(model, numbers([0.1]), 4.0)
    exact = 0.1 * math.exp(math.sin(4.0))
    errors = [abs(float(RadauStep(model, coordinates, n).advance(*given)) - exact) for n in (4, 8, 16, 32)]
    assert orders(errors) == pytest.approx([5, 5, 5], abs=0.4)


def test_error_at_index_one_falls_with_the_fifth_power_of_the_step() -> None:
    model, coordinates = built(INDEX_ONE)
    given = arguments(model, numbers([1.0]), 3.0)
    ends = [RadauStep(model, coordinates, n).solve_stages(*given)[0, -1, -1] for n in (4, 8, 16, 32)]
    assert orders([abs(float(end[0]) - 0.5) for end in ends]) == pytest.approx([5, 5, 5], abs=0.4)
    assert orders([abs(float(end[1]) + 0.0625) for end in ends]) == pytest.approx([5, 5, 5], abs=0.4)


def test_error_at_index_two_falls_with_the_orders_of_theory() -> None:
    """Hairer & Wanner, Solving ODEs II, table VII.4.1: order 5 in the state, 3 in the algebraic variable."""
    model, coordinates = built(INDEX_TWO)
    given = arguments(model, numbers([0.0, 1.0]), 1.0)
    ends = [RadauStep(model, coordinates, n).solve_stages(*given)[0, -1, -1] for n in (2, 4, 8, 16)]
    assert orders([abs(float(end[1]) - math.cos(1.0)) for end in ends])[:2] == pytest.approx([5, 5], abs=0.4)
    assert orders([abs(float(end[2]) - 1.0) for end in ends]) == pytest.approx([3, 3, 3], abs=0.4)
    assert max(abs(float(end[0]) - math.sin(1.0)) for end in ends) < 1e-14


def test_algebraic_equations_hold_at_every_collocation_point() -> None:
    step, given = tanks()
    points = step.points(*given).detach()
    times = step.times(given[2], given[3])
    model = built(TANKS)[0]
    residuals = model.residuals(times, points, points.new_zeros(6, 6, 0)).detach()
    assert points.shape == (6, 6, 6)
    assert float(residuals.abs().max()) < 1e-12


def test_error_at_the_collocation_points_falls_with_the_fourth_power_of_the_step() -> None:
    model, coordinates = built(SWING, logarithmic=("x",))
    given = arguments(model, torch.log(numbers([0.1])), 4.0)
    errors = []
    for substeps in (4, 8, 16, 32):
        step = radau_step_of(model, coordinates, substeps)
        points, times = step.points(*given).detach(), step.times(*given[2:4])
        errors.append(float((points[..., 0] / (0.1 * torch.exp(torch.sin(times))) - 1).abs().max()))
    assert orders(errors)[1:] == pytest.approx([4, 4], abs=0.4)


def test_derivatives_equal_central_differences() -> None:
    step, (p, z, t, h, u) = tanks()
    by_p, by_z = vmap(jacrev(step, argnums=(0, 1)), in_dims=(None, 0, 0, 0, 0))(p, z, t, h, u)
    for found, move in [(by_p, lambda d: (p + d, z)), (by_z, lambda d: (p, z + d))]:
        for k, unit in enumerate(torch.eye(found.shape[-1], dtype=torch.float64)):
            ahead, behind = (step.advance(*move(sign * 1e-5 * unit), t, h, u) for sign in (1, -1))
            torch.testing.assert_close(found[..., k], (ahead - behind) / 2e-5, rtol=1e-7, atol=1e-8)


def test_derivatives_at_the_collocation_points_equal_central_differences() -> None:
    step, (p, z, t, h, u) = tanks()
    found = vmap(jacrev(step.points), in_dims=(None, 0, 0, 0, 0))(p, z, t, h, u)
    for k, unit in enumerate(torch.eye(len(p), dtype=torch.float64)):
        ahead, behind = (step.points(p + sign * 1e-5 * unit, z, t, h, u) for sign in (1, -1))
        torch.testing.assert_close(found[..., k], (ahead - behind) / 2e-5, rtol=1e-7, atol=1e-8)


def test_derivatives_equal_those_of_a_fine_explicit_rollout(lotka_volterra_net: HybridModel) -> None:
    model, field = lotka_volterra_net, PREY_LOG.field(lotka_volterra_net)
    p, z, t, h, u = arguments(model, numbers([0.0, 2.0], [0.7, 0.5]), 0.5)
    z.requires_grad_(True)
    explicit, part = z, h / 50
    for i in range(50):
        explicit = runge_kutta_step(field, explicit, t + i * part, part, u)
    step = radau_step_of(model, PREY_LOG, 8)
    by_p, by_z = vmap(jacrev(step, argnums=(0, 1)), in_dims=(None, 0, 0, 0, 0))(p, z.detach(), t, h, u)
    for i, j in itertools.product(range(2), range(2)):
        wanted = torch.autograd.grad(
            explicit[i, j], [*model.parameters(), z], retain_graph=True, allow_unused=True, materialize_grads=True
        )
        flat = torch.cat([gradient.reshape(-1) for gradient in wanted[:-1]])
        torch.testing.assert_close(by_p[i, j], flat, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(by_z[i, j], wanted[-1][i], rtol=1e-7, atol=1e-9)


def test_plain_gradient_of_a_batch_is_the_sum_of_its_jacobians() -> None:
    step, (p, z, t, h, u) = tanks()
    by_p, by_z = vmap(jacrev(step, argnums=(0, 1)), in_dims=(None, 0, 0, 0, 0))(p, z, t, h, u)
    p, z = p.requires_grad_(True), z.requires_grad_(True)
    got_p, got_z = torch.autograd.grad(step(p, z, t, h, u).sum(), (p, z))
    torch.testing.assert_close(got_p, by_p.sum((0, 1)), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(got_z, by_z.sum(1), rtol=1e-11, atol=1e-12)


def test_samples_with_parameters_of_their_own_equal_one_by_one() -> None:
    step, (p, z, t, h, u) = tanks()
    several = torch.stack([p, p + 0.3])
    together = vmap(vmap(step, in_dims=(None, 0, 0, 0, 0)), in_dims=(0, None, None, None, None))(several, z, t, h, u)
    alone = torch.stack([step.advance(one, z, t, h, u) for one in several])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-13)


def test_derivatives_in_single_precision_are_those_in_double_precision_rounded() -> None:
    step, given = tanks()
    stages = step.solve_stages(*given)
    held = *given, stages, step.inverses(*given, stages)
    single = RadauStep(built(TANKS)[0].float(), built(TANKS)[1], 2)
    found, wanted = (
        vmap(jacrev(which.corrected), in_dims=(None, *[0] * 6))(*arrays)
        for which, arrays in [(single, [array.float() for array in held]), (step, held)]
    )
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-4)


def test_solved_stages_and_their_inverses_give_the_same_derivatives() -> None:
    step, given = tanks()
    stages = step.solve_stages(*given)
    held = stages, step.inverses(*given, stages)
    torch.testing.assert_close(step.corrected(*given, *held), stages, rtol=1e-11, atol=1e-12)
    corrected = vmap(jacrev(step.corrected), in_dims=(None, *[0] * 6))(*given, *held)
    torch.testing.assert_close(corrected, vmap(jacrev(step.stages), in_dims=(None, 0, 0, 0, 0))(*given))


def test_derivatives_joined_step_by_step_are_those_through_the_interval() -> None:
    step, given = tanks()
    found = step.linearised(*given, step.solve_stages(*given))
    wanted = vmap(jacrev(step.stages, argnums=(0, 1)), in_dims=(None, 0, 0, 0, 0))(*given)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def test_a_good_guess_changes_nothing_but_the_time() -> None:
    step, given = tanks()
    stages = step.solve_stages(*given)
    for guess in (stages, stages[:, 0], stages[:, 0, 0], torch.full_like(stages, -1.0)):
        torch.testing.assert_close(step.solve_stages(*given, guess), stages, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("source", [INDEX_ONE, INDEX_TWO, TANKS])
def test_an_interval_without_length_stands_still(source: str) -> None:
    model, coordinates = built(source)
    step = radau_step_of(model, coordinates, 2)
    z = torch.linspace(0.5, 1.0, len(model.states), dtype=torch.float64).unsqueeze(0)
    by_p, by_z = vmap(jacrev(step, argnums=(0, 1)), in_dims=(None, 0, 0, 0, 0))(*arguments(model, z, 0.0))
    assert torch.equal(step.advance(*arguments(model, z, 0.0)), z)
    assert torch.equal(by_z[0], torch.eye(z.shape[1], dtype=torch.float64))
    assert not by_p.any()


def test_a_step_without_solution_is_nan_and_leaves_the_others_alone() -> None:
    model, coordinates = built(BLOW_UP)
    step = radau_step_of(model, coordinates, 1)
    z = numbers([0.1], [5.0], [math.nan], [0.3])
    p, _, t, h, u = arguments(model, z, 1.0)
    together = step(p, z, t, h, u)
    alone = step(p, z[[0, 3]], t[:2], h[:2], u[:2])
    assert torch.isnan(together[:, 0]).tolist() == [False, True, True, False]
    torch.testing.assert_close(together[[0, 3]], alone, rtol=1e-14, atol=0)


def test_equations_that_determine_nothing_give_nan() -> None:
    model, coordinates = built(INDEX_TWO)
    step = radau_step_of(model, coordinates, 1)
    z = numbers([0.0, 0.0])  # without b, nothing moves a
    assert bool(torch.isnan(step.advance(*arguments(model, z, 0.5))).all())
