from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archsearch.training.many.equations import InRows, InUnknowns
from archsearch.training.many.linear import Equations, Linear

R, N, L, C, Q, OWN = 3, 4, 6, 5, 2, 2
NOISE = torch.tensor([0.1, 0.01, 1.0], dtype=torch.float64)
DAMPING = torch.tensor([0.3, 0.0, 1e-3], dtype=torch.float64)


def linear(own: int) -> Linear:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return Linear(
        rows=drawn(R, N, L),
        by_common=drawn(R, N, L, C),
        by_own=drawn(R, N, L, own),
        extra=drawn(R, Q),
        extra_by_common=drawn(R, Q, C),
        spread=drawn(R, C).exp(),
        away=drawn(R, C),
        own_away=drawn(R, N, own),
        weights=(2, C),
        kept=torch.arange(N * L),
        apart=False,
    )


def dense(problem: Linear, r: int) -> tuple[Tensor, Tensor, Tensor]:
    """Jacobian by all unknowns over their deviations, residuals, distances from the prior; of one member."""
    own = torch.block_diag(*problem.by_own[r].unbind(0)) if problem.by_own.shape[-1] else torch.zeros(N * L, 0)
    common = torch.cat([problem.by_common[r].flatten(0, 1), problem.extra_by_common[r]]) * problem.spread[r]
    j = torch.cat([common, torch.cat([own, torch.zeros(Q, own.shape[1])])], 1)
    w = torch.cat([problem.away[r] / problem.spread[r], problem.own_away[r].flatten()])
    return j, torch.cat([problem.rows[r].flatten(), problem.extra[r]]), w


@pytest.fixture(params=[InRows, InUnknowns])
def made(request: pytest.FixtureRequest) -> type[InRows] | type[InUnknowns]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("own", [0, OWN])
def test_steps_minimise_the_damped_linear_cost(made: type[InRows], own: int) -> None:
    problem = linear(own)
    system: Equations = made.of(problem)
    step = system.step(NOISE, DAMPING)
    assert bool(step.found.all())
    for r in range(R):
        j, residual, w = dense(problem, r)
        one = torch.eye(j.shape[1], dtype=torch.float64)
        normal = j.T @ j + (NOISE[r] + DAMPING[r]) * one
        wanted = -torch.linalg.solve(normal, j.T @ residual + NOISE[r] * w)
        found = torch.cat([step.common[r] / problem.spread[r], step.own[r].flatten()])
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)
        promised = (residual + j @ wanted).square().sum() + NOISE[r] * (w + wanted).square().sum()
        torch.testing.assert_close(step.promised[r], promised, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("own", [0, OWN])
def test_what_data_determine_is_the_trace_of_the_resolution_matrix(made: type[InRows], own: int) -> None:
    problem = linear(own)
    told = made.of(problem).determined(NOISE)
    assert bool(told.found.all())
    for r in range(R):
        j = dense(problem, r)[0][: N * L]
        resolved = torch.linalg.solve(j.T @ j + NOISE[r] * torch.eye(j.shape[1], dtype=torch.float64), j.T @ j)
        share = resolved.diagonal()
        assert float(told.weights[r]) == pytest.approx(float(share[2:C].sum()), rel=1e-9)
        if made is InRows or not own:
            assert float(told.others[r]) == pytest.approx(float(share.sum() - share[2:C].sum()), rel=1e-9)


@pytest.mark.parametrize("own", [0, OWN])
def test_log_determinants_equal_the_dense_ones(made: type[InRows], own: int) -> None:
    problem = linear(own)
    found = made.of(problem).log_determinant(NOISE)
    for r in range(R):
        j = dense(problem, r)[0]
        wanted = torch.logdet(torch.eye(len(j), dtype=torch.float64) + j @ j.T / NOISE[r])
        assert float(found[r]) == pytest.approx(float(wanted), rel=1e-9)


def test_a_member_that_is_not_finite_has_no_step_and_harms_no_other(made: type[InRows]) -> None:
    problem = linear(OWN)
    sound = made.of(problem).step(NOISE, DAMPING)
    problem.by_common[1] = torch.nan
    found = made.of(problem).step(NOISE, DAMPING)
    assert found.found.tolist() == [True, False, True]
    for index in (0, 2):
        assert torch.equal(found.common[index], sound.common[index])
        assert torch.equal(found.own[index], sound.own[index])
