"""Limits in a least-squares fit, held against CasADi and its interior-point method IPOPT."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import casadi
import numpy as np
import torch
from torch import Tensor
from torch.func import jacrev

from archsearch.hybrid import load_candidate
from archsearch.problem.space import State
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.implicit.radau import RadauStep, radau_step_of
from archsearch.training.implicit.rollout import rollout_stages
from archsearch.training.implicit.tableau import radau_weights
from archsearch.training.squares.limits import TOLERANCE, Limits, opened, rows, settled, slopes, updated, violation

QUIET = {
    "ipopt.print_level": 0,
    "ipopt.sb": "yes",
    "print_time": False,
    "ipopt.tol": 1e-11,
    "ipopt.bound_relax_factor": 0.0,
}
TIMES, FEW = np.linspace(0.0, 6.0, 16), np.linspace(0.0, 6.0, 6)
GROWTH = """
from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    rate = Param(0.8, low=0.1, high=5.0)
    capacity = Param(1.0, low=0.1, high=5.0)

    def rhs(self, t, x, u):
        return {"x": self.rate * x.x * (1 - x.x / self.capacity)}

    def limits(self, t, x, u):
        return {"ceiling": 1.1 - x.x}
"""
"""The data grow to 1.3; nothing may grow beyond 1.1."""
Function = Callable[[Tensor], Tensor]
Simulation = Callable[[Tensor], tuple[Tensor, Tensor]]
"""p (P,) -> values (V,) and their derivatives (V, P)."""


def least_squares(simulate: Simulation, residuals: Function, p: Tensor) -> Tensor:
    """Levenberg-Marquardt on residuals of simulated values, until nothing moves."""
    damping, (values, by_p) = 1e-3, simulate(p)
    for _ in range(50):
        r, slope = residuals(values), jacrev(residuals)(values) @ by_p
        step = torch.linalg.solve(slope.T @ slope + damping * torch.eye(len(p)).to(p), -slope.T @ r)
        there = simulate(p + step)
        if float(residuals(there[0]).square().sum()) <= float(r.square().sum()):
            p, (values, by_p), damping = p + step, there, max(damping / 10, 1e-14)
        else:
            damping *= 10
        if float(step.norm()) < 1e-9:
            break
    return p


def constrained(simulate: Simulation, residuals: Function, margins: Function, p: Tensor) -> tuple[Tensor, Limits, int]:
    """Parameters, limits and number of rounds of a fit that keeps its limits."""
    p = least_squares(simulate, residuals, p)
    limits = opened(margins(simulate(p)[0]), float(residuals(simulate(p)[0]).square().sum()))
    for rounds in range(1, 30):
        p = least_squares(simulate, lambda v, at=limits: torch.cat([residuals(v), rows(at, margins(v)).flatten()]), p)
        here, before = margins(simulate(p)[0]), limits
        limits = updated(before, here)
        if settled(before, here):
            return p, limits, rounds
    raise AssertionError("The limits are not kept after 30 rounds.")


def test_a_curve_above_zero_equals_that_of_an_interior_point_method() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(TIMES))
    data = 1.5 * np.exp(-0.8 * TIMES) - 0.3 + noise
    t, y = torch.tensor(TIMES), torch.tensor(data)

    def curve(p: Tensor) -> Tensor:
        return p[0] * torch.exp(-p[1] * t) - p[2]

    start = torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64)
    p, limits, rounds = constrained(
        lambda q: (curve(q), jacrev(curve)(q)), lambda v: v - y, lambda v: v.unsqueeze(-1), start
    )
    wanted, multipliers = _casadi_curve(data)
    np.testing.assert_allclose(p.numpy(), wanted, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(limits.multipliers[:, 0].numpy(), multipliers, rtol=1e-5, atol=1e-6)
    assert violation(curve(p)) <= TOLERANCE
    assert rounds < 15


def _casadi_curve(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    q = casadi.SX.sym("q", 3)
    curve = q[0] * casadi.exp(-q[1] * TIMES) - q[2]
    nlp = {"x": q, "f": casadi.sumsqr(curve - data) / 2, "g": curve}
    found = casadi.nlpsol("fit", "ipopt", nlp, QUIET)(x0=[1.0, 0.5, 0.1], lbg=0, ubg=math.inf)
    return found["x"].full()[:, 0], -found["lam_g"].full()[:, 0]


def test_a_model_below_its_ceiling_at_every_collocation_point_equals_that_of_an_interior_point_method() -> None:
    data = 1.3 / (1 + 12 * np.exp(-1.2 * FEW)) + 0.03 * np.random.default_rng(1).standard_normal(len(FEW))
    model = load_candidate(GROWTH)(("x",))
    step, y = radau_step_of(model, Coordinates.of((State(name="x"),)), 1), torch.tensor(data[1:])

    def margins(stages: Tensor) -> Tensor:
        return model.margins(0.0, stages.unsqueeze(-1))

    def residuals(stages: Tensor) -> Tensor:
        return stages[2::3] - y

    given = partial(_simulated, step), residuals
    free = least_squares(*given, Flat.of(model).vector(model))
    p, _, rounds = constrained(*given, margins, free)
    Flat.of(model).store(model, p)
    fitted = [float(value.detach()) for value in model.parameter_values().values()]
    np.testing.assert_allclose(fitted, _casadi_model(data), rtol=1e-6)
    assert violation(margins(given[0](free)[0])) > 0.1
    assert violation(margins(given[0](p)[0])) <= TOLERANCE
    assert rounds < 15


def _simulated(step: RadauStep, p: Tensor) -> tuple[Tensor, Tensor]:
    """Stages of the rollout, one after the other, and their derivatives."""
    times, start = torch.tensor(FEW)[None], torch.tensor([[0.1]], dtype=torch.float64)
    inputs = times.new_zeros(1, len(FEW), 0)
    stages = rollout_stages(step, p, start, times, inputs)[0]
    left = torch.cat([start, stages[:-1, -1, -1]])
    given = left, times[0, :-1], times[0, 1:] - times[0, :-1], inputs[0, :-1]
    by_p, by_z = step.linearised(p, *given, stages)
    total, found = torch.zeros(1, len(p)).to(p), []
    for k in range(len(left)):
        found.append(by_p[k, 0, :, 0] + by_z[k, 0, :, 0] @ total)
        total = found[-1][-1:]
    return stages.flatten(), torch.cat(found)


def _casadi_model(data: np.ndarray) -> np.ndarray:
    """The same fit with states and parameters unknown together."""
    opti: Any = casadi.Opti()
    q, x, h = opti.variable(2), opti.variable(3, len(FEW) - 1), FEW[1] - FEW[0]
    left: Any = 0.1
    for k in range(len(FEW) - 1):
        slope = q[0] * x[:, k] * (1 - x[:, k] / q[1])
        opti.subject_to(x[:, k] == left + h * radau_weights().numpy() @ slope)
        left = x[2, k]
    opti.subject_to(casadi.vec(x) <= 1.1)
    opti.subject_to(q >= 0.1)
    opti.minimize(casadi.sumsqr(x[2, :].T - data[1:]))
    opti.set_initial(q, [0.8, 1.0])
    opti.set_initial(x, 0.5)
    opti.solver("ipopt", QUIET)
    return np.asarray(opti.solve().value(q))


def test_slopes_of_the_rows_are_their_derivatives() -> None:
    margins = torch.tensor([[0.3, -0.2], [1.5, 0.01]], dtype=torch.float64, requires_grad=True)
    limits = Limits(torch.tensor([[2.0, 0.0], [1.0, 0.5]]).double(), torch.tensor([3.0, 4.0]).double(), margins[0])
    (wanted,) = torch.autograd.grad(rows(limits, margins).sum(), margins)
    assert torch.equal(slopes(limits, margins.detach()), wanted)


def test_only_a_limit_that_gets_no_closer_is_weighed_more() -> None:
    margins = torch.tensor([[-1.0, -1.0, 2.0]], dtype=torch.float64)
    first = updated(opened(margins, 1.0), margins)
    second = updated(first, torch.tensor([[-0.9, -0.1, 2.0]], dtype=torch.float64))
    assert (second.penalty / first.penalty).tolist() == [10.0, 1.0, 1.0]
    assert bool((second.multipliers[0, :2] > first.multipliers[0, :2]).all())
    assert float(second.multipliers[0, 2]) == 0.0


def test_a_margin_that_is_not_a_number_is_a_violation() -> None:
    margins = torch.tensor([[1.0], [math.nan]], dtype=torch.float64)
    assert violation(margins) == math.inf
    assert not settled(opened(torch.ones_like(margins), 1.0), margins)


def test_no_limits_are_settled_at_once() -> None:
    margins = torch.zeros(4, 0, dtype=torch.float64)
    assert violation(margins) == 0.0
    assert settled(opened(margins, 1.0), margins)
