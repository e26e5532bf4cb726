"""States that nobody measured: how sure they are, and whether the data say anything of them at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from simulated_problems import HEAD, Fitted, Floats, Problem, fitted, observed, samples_of, simulated

from archsearch.problem.space import State
from archsearch.training.diagnose import diagnose
from archsearch.training.squares.hidden_states import HiddenState
from archsearch.training.squares.least_squares import UNINFORMED
from archsearch.training.squares.rollouts import on_grid

TIMES = np.linspace(0, 6, 25)
NOISE = 0.02
CHAIN = (
    HEAD
    + """    first = Param(1.0, fixed=True)
    second = Param(0.5, fixed=True)

    def rhs(self, t, x, u):
        decay, leak = self.first * x.A, self.second * x.B
        return {"A": -decay, "B": decay - leak, "C": leak}
"""
)
LEARNED = CHAIN.replace(
    "second = Param(0.5, fixed=True)", 'bend = Net(inputs=("B",), role="add", hidden=(8,), outputs=("C",))'
).replace("self.second * x.B", "0.4 * x.B + self.bend(x.B)")
PRODUCT = (
    HEAD
    + """    gain = Param(2.0, {gain})
    decay = Param(0.7, low=0.05, high=5.0)

    def rhs(self, t, x, u):
        return {{"y": self.gain * x.h - 0.3 * x.y, "h": -self.decay * x.h}}
"""
)
OWN_RATE = (
    HEAD
    + """    factor = Param(1.0, {factor})

    def rhs(self, t, x, u):
        return {{"y": -self.factor * x.rate * x.y, "rate": 0.0 * x.rate}}
"""
)


def problem(source: str, names: str, scale: str, clean: list[Floats], seed: int) -> Problem:
    """A candidate whose second state is hidden, with noisy samples of the others."""
    states = np.stack(clean)
    noisy = observed(states, np.array([NOISE]), seed, exact_start=False)
    noisy[:, :, 1] = np.nan
    said = [State(name=name) for name in names.split()]
    said[1] = State.model_validate({"name": said[1].name, "observed": False, "scale": scale})
    return Problem(source, tuple(said), samples_of(TIMES, noisy), states)


def chain(seed: int, source: str = CHAIN, scale: str = "linear") -> Problem:
    """A -> B -> C from three starts; B is hidden."""
    starts = np.random.default_rng(100 + seed).uniform([0.5, 0.2], [2.0, 1.0], (3, 2))
    clean = [simulated(lambda _, x: [-x[0], x[0] - x[1] / 2, x[1] / 2], [a, b, 0.0], TIMES) for a, b in starts]
    return problem(source, "A B C", scale, clean, seed)


def product(seed: int, gain: str, scale: str = "linear") -> Problem:
    """The hidden state h feeds y through a gain."""
    starts = np.random.default_rng(100 + seed).uniform(0.3, 3.0, 3)
    clean = [simulated(lambda _, x: [2 * x[1] - 0.3 * x[0], -0.7 * x[1]], [0.5, h], TIMES) for h in starts]
    return problem(PRODUCT.format(gain=gain), "y h", scale, clean, seed)


def own_rates(seed: int, factor: str) -> Problem:
    """Every trajectory decays at a rate of its own."""
    rates = np.random.default_rng(100 + seed).uniform(0.2, 0.8, 4)
    clean = [np.stack([np.exp(-rate * TIMES), np.full_like(TIMES, rate)], -1) for rate in rates]
    return problem(OWN_RATE.format(factor=factor), "y rate", "log", clean, seed)


def course(fit: Fitted) -> Floats:
    """(N, T) of the hidden state as fitted, in natural units."""
    loss = fit.found.loss
    return np.asarray(loss.coordinates.natural(on_grid(loss).z)[..., 1].numpy())


def told(fit: Fitted, name: str) -> HiddenState:
    """What the fit says of the only hidden state."""
    said = diagnose(fit.found)["hidden_states"]
    assert set(said) == {name}
    return HiddenState(**said[name])


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("seed", range(3))
def test_the_middle_of_a_chain_of_known_rates_is_identified(seed: int, scale: str) -> None:
    asked = chain(seed, scale=scale)
    fit = fitted(asked, seed)
    said = told(fit, "B")
    assert said.identified
    assert said.spread == pytest.approx(asked.clean[..., 1].std(), rel=0.1)
    assert said.std_error < 0.05 * said.spread


def test_the_standard_error_is_what_the_hidden_course_scatters_by() -> None:
    ratios = []
    for seed in range(20):
        asked = chain(seed)
        fit = fitted(asked, seed)
        ratios.append((course(fit) - asked.clean[..., 1]) / told(fit, "B").std_error)
    assert 0.75 < np.sqrt(np.square(ratios).mean()) < 1.25


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("seed", range(3))
def test_a_state_that_shows_only_through_an_unknown_gain_is_not_identified(seed: int, scale: str) -> None:
    fit = fitted(product(seed, "low=0.0, high=10.0", scale), seed)
    assert fit.found.error < 2 * NOISE**2, "the fit itself is good: that is why it must be said"
    assert not told(fit, "h").identified
    assert told(fitted(product(seed, "fixed=True", scale), seed), "h").identified


def test_tight_bounds_of_the_gain_make_a_number_and_no_verdict() -> None:
    """They are what someone says, not what the data say; the bounds still are in the standard error."""
    said = told(fitted(product(0, "low=1.8, high=2.2"), 0), "h")
    assert said.std_error < 0.1 * said.spread
    assert not said.identified


@pytest.mark.parametrize("seed", range(3))
def test_a_parameter_of_each_trajectory_is_identified_unless_another_scales_it(seed: int) -> None:
    said = told(fitted(own_rates(seed, "fixed=True"), seed), "rate")
    assert said.identified
    assert 0.2 < said.spread < 0.8, "it stands still, so it is compared with its size"
    assert not told(fitted(own_rates(seed, "low=0.01"), seed), "rate").identified


@pytest.mark.parametrize("width", [8, 64])
def test_beside_a_net_it_is_what_the_plain_formula_gives_with_more_rows_or_fewer(width: int) -> None:
    fit = fitted(chain(0, LEARNED.replace("(8,)", f"({width},)")), 0)
    loss = fit.found.loss
    unknowns = sum(tensor.numel() for tensor in loss.model.parameters()) + loss.initial.count()
    assert (int(loss.samples.seen.sum()) < unknowns) == (width == 64)
    assert told(fit, "B").std_error == pytest.approx(_plainly(fit, max(fit.found.error, float(loss.noise))), rel=1e-3)


def _plainly(fit: Fitted, noise: float) -> float:
    """The standard error of B by differences of the rollout and one inverse."""
    loss = fit.found.loss
    tensors = [*loss.model.parameters(), loss.initial.offsets]
    flat = [(tensor, index) for tensor in tensors for index in range(tensor.numel())]
    _, precision = loss.prior(UNINFORMED)
    prior = torch.cat([precision.clamp(min=UNINFORMED), torch.ones(loss.initial.offsets.numel())]).numpy()
    columns = []
    for tensor, index in flat:
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                tensor.view(-1)[index] += sign * 1e-5
                ends.append(on_grid(loss).z.numpy())
                tensor.view(-1)[index] -= sign * 1e-5
        columns.append((ends[0] - ends[1]) / 2e-5)
    by = np.stack(columns, -1)
    seen = np.isfinite(loss.samples.states.numpy())
    rows = (by / loss.scale.numpy()[:, None])[seen]
    covariance = np.linalg.inv(rows.T @ rows / noise + np.diag(prior))
    hidden = by[:, :, 1].reshape(-1, len(flat))
    return float(np.sqrt(np.einsum("ij,jk,ik->i", hidden, covariance, hidden).mean()))
