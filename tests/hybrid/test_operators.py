from __future__ import annotations

import math

import pytest
import torch
from torch.func import jacrev, jvp, vmap

from archsearch.hybrid import CandidateError
from archsearch.hybrid.operators import advection, divergence, gradient, laplacian

BOUNDARIES = ("periodic", "neumann", "dirichlet")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def centres(many: int, length: float = 1.0) -> tuple[torch.Tensor, float]:
    """Centres of `many` cells that fill [0, length], and their distance."""
    step = length / many
    return (torch.arange(many, dtype=torch.float64) + 0.5) * step, step


def shapes(boundary: str, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A function that fits a boundary of [0, 1], its first and its second derivative."""
    wave = 2 * math.pi if boundary == "periodic" else math.pi
    value, slope = (torch.cos, lambda v: -torch.sin(v)) if boundary == "neumann" else (torch.sin, torch.cos)
    return value(wave * x), wave * slope(wave * x), -(wave**2) * value(wave * x)


def order(errors: list[float]) -> float:
    """The order that errors at halved spacings show."""
    return math.log2(errors[-2] / errors[-1])


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_differences_are_of_order_two(boundary):
    by_laplacian, by_gradient = [], []
    for many in (32, 64, 128):
        x, step = centres(many)
        value, slope, bend = shapes(boundary, x)
        by_laplacian.append(float((laplacian(value, (step,), boundary) - bend).abs().max()))
        by_gradient.append(float((gradient(value, (step,), boundary)[0] - slope).abs().max()))
    assert order(by_laplacian) == pytest.approx(2.0, abs=0.05)
    assert order(by_gradient) == pytest.approx(2.0, abs=0.05)


def test_the_divergence_is_of_order_two_and_upwind_advection_of_order_one():
    central, upwind = [], []
    for many in (64, 128, 256):
        x, step = centres(many)
        field, speed = torch.sin(2 * math.pi * x), 1.5 + torch.cos(2 * math.pi * x)
        exact = 2 * math.pi * (torch.cos(2 * math.pi * x) * speed - torch.sin(2 * math.pi * x) * field)
        central.append(float((divergence((speed * field,), (step,)) - exact).abs().max()))
        upwind.append(float((advection(field, (speed,), (step,)) - exact).abs().max()))
    assert order(central) == pytest.approx(2.0, abs=0.05)
    assert order(upwind) == pytest.approx(1.0, abs=0.05)


def test_two_axes_add_up_and_have_their_own_spacing():
    (y, dy), (x, dx) = centres(48), centres(64, 2.0)
    field = torch.sin(2 * math.pi * y)[:, None] * torch.cos(math.pi * x)[None]
    along_y, along_x = gradient(field, (dy, dx))
    torch.testing.assert_close(along_y, torch.stack([gradient(c, (dy,))[0] for c in field.unbind(1)], 1))
    torch.testing.assert_close(along_x, gradient(field, (dx,))[0])
    apart = torch.stack([laplacian(c, (dy,)) for c in field.unbind(1)], 1) + laplacian(field, (dx,))
    torch.testing.assert_close(laplacian(field, (dy, dx)), apart)
    assert float((laplacian(field, (dy, dx)) + 5 * math.pi**2 * field).abs().max()) < 0.1


def test_parabolas_and_lines_are_exact_inside():
    x, step = centres(20)
    parabola = 3 * x**2 - x + 2
    torch.testing.assert_close(laplacian(parabola, (step,), "neumann")[1:-1], torch.full((18,), 6.0).double())
    torch.testing.assert_close(gradient(parabola, (step,), "neumann")[0][1:-1], (6 * x - 1)[1:-1])
    torch.testing.assert_close(divergence((parabola,), (step,), "dirichlet")[1:-1], (6 * x - 1)[1:-1])
    line, calm = 3 * x, torch.full_like(x, 0.5)
    torch.testing.assert_close(advection(line, (calm,), (step,), "dirichlet")[1:], torch.full((19,), 1.5).double())


def test_a_constant_has_no_differences_where_the_boundary_lets_it_be():
    flat = torch.full((3, 8, 9), 2.5, dtype=torch.float64)
    for boundary in ("periodic", "neumann"):
        assert float(laplacian(flat, (0.1, 0.2), boundary).abs().max()) == 0.0
        assert max(float(part.abs().max()) for part in gradient(flat, (0.1, 0.2), boundary)) == 0.0


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
def test_the_sum_is_conserved(boundary):
    field, flux = random(4, 12, 10), (random(4, 12, 10, seed=1), random(4, 12, 10, seed=2))
    spacing = (0.1, 0.3)
    for change in (
        laplacian(field, spacing, boundary),
        divergence(flux, spacing, boundary),
        advection(field, flux, spacing, boundary),
    ):
        assert float(change.sum((-2, -1)).abs().max() / change.abs().sum((-2, -1)).min()) < 1e-13


def test_an_open_edge_loses_what_flows_out_and_nothing_flows_in():
    field, step = random(10).abs() + 1, 0.2
    out = advection(field, (torch.full((10,), 0.7, dtype=torch.float64),), (step,), "dirichlet")
    assert float(out.sum() * step) == pytest.approx(0.7 * float(field[-1]))
    back = advection(field, (torch.full((10,), -0.7, dtype=torch.float64),), (step,), "dirichlet")
    assert float(back.sum() * step) == pytest.approx(0.7 * float(field[0]))


def test_upwind_transport_keeps_a_field_positive_and_within_its_bounds():
    field, step = random(40).abs(), 0.1
    speed = torch.full_like(field, 1.0)
    low, high = float(field.min()), float(field.max())
    for _ in range(50):
        field = field - 0.9 * step * advection(field, (speed,), (step,))
    assert low - 1e-12 <= float(field.min())
    assert float(field.max()) <= high + 1e-12


def dense(operator, many: int) -> torch.Tensor:
    """The matrix of a linear operator, column by column."""
    return torch.stack([operator(unit) for unit in torch.eye(many, dtype=torch.float64)], -1)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_matrices_are_those_of_the_book(boundary):
    many, step = 7, 0.5
    shift = torch.diag(torch.ones(many - 1, dtype=torch.float64), 1)
    corner = torch.zeros(many, many, dtype=torch.float64)
    first, last = corner.clone(), corner.clone()
    first[0, 0] = last[-1, -1] = corner[-1, 0] = 1.0
    beyond = {"periodic": (corner.T, corner), "neumann": (first, last), "dirichlet": (-first, -last)}[boundary]
    low, high = shift.T + beyond[0], shift + beyond[1]
    edges = {"periodic": corner - corner.T, "neumann": first - last, "dirichlet": last - first}[boundary]
    eye = torch.eye(many, dtype=torch.float64)
    torch.testing.assert_close(dense(lambda f: laplacian(f, (step,), boundary), many), (low + high - 2 * eye) / step**2)
    torch.testing.assert_close(dense(lambda f: gradient(f, (step,), boundary)[0], many), (high - low) / (2 * step))
    faces = (shift - shift.T + edges) / (2 * step)
    torch.testing.assert_close(dense(lambda f: divergence((f,), (step,), boundary), many), faces)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_any_batch_and_every_derivative_of_torch(boundary):
    spacing, batch = (0.3, 0.4), random(2, 3, 5, 6)

    def operator(field):
        total = laplacian(field, spacing, boundary) + sum(gradient(field, spacing, boundary))
        total = total + divergence((field**2, field), spacing, boundary)
        return total + advection(field, (field, -field), spacing, boundary)

    one_by_one = torch.stack([torch.stack([operator(field) for field in row]) for row in batch])
    torch.testing.assert_close(operator(batch), one_by_one)
    torch.testing.assert_close(vmap(vmap(operator))(batch), one_by_one)
    field, direction = random(5, 6, seed=3), random(5, 6, seed=4)
    _, forward = jvp(operator, (field,), (direction,))
    torch.testing.assert_close(torch.einsum("abcd,cd->ab", jacrev(operator)(field), direction), forward)
    by_batch = vmap(jacrev(operator))(batch[0])
    torch.testing.assert_close(by_batch[1], jacrev(operator)(batch[0, 1]))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda f: laplacian(f, 0.1), "tuple with one entry per grid axis"),
        (lambda f: laplacian(f, (0.1, 0.0)), "one positive spacing per grid axis"),
        (lambda f: laplacian(f, (0.1,) * 3), "one positive spacing per grid axis"),
        (lambda f: gradient(f, (0.1,), "closed"), "Choose one of periodic, neumann, dirichlet"),
        (lambda f: divergence(f, (0.1,)), "one component and one spacing per grid axis"),
        (lambda f: advection(f, (f,), (0.1, 0.1)), "one component and one spacing per grid axis"),
    ],
)
def test_what_makes_no_sense_is_refused(call, said):
    with pytest.raises(CandidateError, match=said):
        call(torch.zeros(4, 4, dtype=torch.float64))
