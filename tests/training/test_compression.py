"""Few combinations of rows in the place of many: how much is left out, and what a step loses by it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archsearch.training.algebra.compression import SPARE, TAIL, Directions, compressed, directions
from archsearch.training.algebra.curvature import Curvature
from archsearch.training.algebra.linear_problem import Linear, Prior

ROWS, COMMON, TRAJECTORIES, STATES = 400, 600, 4, 3


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape) + seed), dtype=torch.float64)


def _with_singular_values(values: Tensor, rows: int, columns: int) -> Tensor:
    """(rows, columns), with random singular vectors."""
    left, right = (torch.linalg.qr(_draw(size, len(values), seed=k))[0] for k, size in enumerate((rows, columns)))
    return (left * values) @ right.T


def _directions(matrix: Tensor, tail: float, guess: int = 0) -> Directions | None:
    return directions(
        lambda k, generator: matrix @ torch.randn(matrix.shape[1], k, generator=generator, dtype=torch.float64),
        (matrix.shape[0], matrix.shape[1]),
        tail,
        guess,
    )


@pytest.mark.parametrize("falls", [1.0, 0.3])
@pytest.mark.parametrize("guess", [0, 90])
def test_no_more_is_left_out_than_was_allowed(falls: float, guess: int) -> None:
    matrix = _with_singular_values(10.0 ** (2.0 - falls * torch.arange(200, dtype=torch.float64)), ROWS, COMMON)
    found = _directions(matrix, 1e-6, guess)
    assert found is not None
    torch.testing.assert_close(found.basis.T @ found.basis, torch.eye(found.basis.shape[1], dtype=torch.float64))
    left_out = matrix - found.basis @ (found.basis.T @ matrix)
    assert float(left_out.square().sum()) < 1e-6
    values = torch.linalg.svdvals(matrix)
    needed = int((values.square().flip(0).cumsum(0).flip(0) > 1e-6).sum())
    assert needed - 1 <= found.count <= 1.5 * needed + SPARE


def test_a_matrix_that_points_everywhere_is_left_alone() -> None:
    assert _directions(_draw(ROWS, COMMON), 1e-6) is None


def test_a_small_matrix_is_left_alone() -> None:
    assert _directions(_with_singular_values(torch.ones(2, dtype=torch.float64), 100, 100), 1e-6) is None


def _problem() -> tuple[Linear, Prior]:
    """Rows that answer to 600 weights in a few directions, and to the initial states of four trajectories."""
    by_common = _with_singular_values(10.0 ** (1.0 - 0.2 * torch.arange(60, dtype=torch.float64)), ROWS, COMMON)
    each = ROWS // TRAJECTORIES
    linear = Linear(
        rows=_draw(TRAJECTORIES, each),
        by_common=by_common.reshape(TRAJECTORIES, each, COMMON),
        by_own=_draw(TRAJECTORIES, each, STATES),
        extra=_draw(4),
        extra_by_common=0.1 * _draw(4, COMMON),
        seen=_draw(TRAJECTORIES, each) > -1.5,
    )
    weights = torch.arange(COMMON) >= 5
    return linear, Prior(_draw(COMMON).abs() + 0.5, _draw(COMMON), _draw(TRAJECTORIES, STATES), weights, 0.7)


@pytest.mark.parametrize("single", [True, False])
def test_steps_in_few_directions_are_those_of_all_rows(single: bool) -> None:
    linear, prior = _problem()
    if single:
        linear = Linear(*(x.float() if x.is_floating_point() else x for x in vars(linear).values()))
    noise, damping = 1e-2, 1e-1
    exact, few = Curvature(linear, prior), compressed(linear, prior, noise)
    assert few is not None
    assert few.rank < 100
    for extra in (damping, 0.0):
        wanted, found = exact.step(noise, extra), few.step(noise, extra)
        assert wanted is not None
        assert found is not None
        away = torch.cat([found.common - wanted.common, (found.own - wanted.own).flatten()])
        assert float(away.norm() / torch.cat([wanted.common, wanted.own.flatten()]).norm()) < TAIL
        assert found.promised == pytest.approx(wanted.promised, rel=1e-3)


def test_as_many_unknowns_are_determined_as_by_all_rows() -> None:
    linear, prior = _problem()
    noise = 1e-2
    few = compressed(linear, prior, noise)
    assert few is not None
    wanted, found = Curvature(linear, prior).determined(noise), few.determined(noise)
    assert wanted is not None
    assert found is not None
    assert found.weights == pytest.approx(wanted.weights, abs=TAIL)
    assert found.others == pytest.approx(wanted.others, abs=TAIL)


def test_the_posterior_of_the_first_unknowns_is_that_of_all_rows() -> None:
    linear, prior = _problem()
    few = compressed(linear, prior, 1e-2)
    assert few is not None
    wanted, found = Curvature(linear, prior).covariance(1e-2, 5), few.covariance(1e-2, 5)
    assert wanted is not None
    assert found is not None
    torch.testing.assert_close(found, wanted, rtol=TAIL, atol=TAIL * float(wanted.diagonal().min()))
