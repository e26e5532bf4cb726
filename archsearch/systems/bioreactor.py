"""Fed-batch bioreactor with Monod growth: three noisy batches and a longer, noise-free one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archsearch.systems.solving import solved
from archsearch.systems.tables import Floats, Table, stack, trajectory_table

FEED = 0.05  # L/h
PRODUCT_YIELD = 0.2  # g product per g biomass
BIOMASS_YIELD = 0.5  # g biomass per g substrate
SATURATION = 1.0  # g/L
LARGEST_RATE = 0.2  # 1/h

Law = Callable[[Floats, float], Floats]
"""(state (4,), feed concentration) -> its derivative (4,)"""

STATES = ("X", "P", "S", "V")
NOISE = np.array([0.05, 0.05, 0.5, 0.1])  # g/L, g/L, g/L, L
BATCHES = {"1": (0.05, 0.0, 10.0, 1.0), "2": (0.025, 0.0, 5.0, 0.8), "3": (0.5, 0.0, 7.5, 0.95)}
TEST_BATCH = (0.2, 0.0, 7.0, 0.9)
RADAU = (4.0 - np.sqrt(6.0)) / 10.0, (4.0 + np.sqrt(6.0)) / 10.0, 1.0
THINNING = 4


def specific_growth_rate(substrate: Floats) -> Floats:
    """Monod's law, in 1/h, for the substrate in g/L."""
    return LARGEST_RATE * substrate / (SATURATION + substrate)


def derivative(state: Floats, feed_concentration: float) -> Floats:
    """The mass balances with Monod's law; arguments as for `balances`."""
    return balances(state, feed_concentration, specific_growth_rate)


def balances(state: Floats, feed_concentration: float, rate: Callable[[Floats], Floats], decay: float = 0.0) -> Floats:
    """The mass balances.

    Args:
        state: (4,), g/L, g/L, g/L and L: biomass X, product P, substrate S, volume V.
        feed_concentration: g/L, substrate in the feed.
        rate: the specific growth rate, 1/h, for the substrate in g/L.
        decay: 1/h, what is lost of the biomass.
    """
    X, P, S, V = state
    growth, dilution = rate(S) * X, FEED / V
    return np.array(
        [
            growth - (dilution + decay) * X,
            PRODUCT_YIELD * growth - dilution * P,
            dilution * (feed_concentration - S) - growth / BIOMASS_YIELD,
            FEED,
        ]
    )


def sample_times(hours: int) -> Floats:
    """(T,), h: every fourth of the three-point Radau nodes of one-hour elements, so the grid is uneven."""
    nodes = np.arange(hours)[:, None] + np.array(RADAU)[None, :]
    return np.asarray(np.concatenate([[0.0], nodes.ravel()])[::THINNING], dtype=np.float64)


def solve(start: tuple[float, ...], times: Floats, law: Law = derivative) -> Floats:
    """(T, 4): the batch that was started so, at these times; the feed is as rich as its first substrate."""
    return solved(lambda state: law(state, start[2]), start, times)


def simulate_bioreactor(seed: int) -> Table:
    """The three measured batches and the batch `test`, which has no noise.

    The first sample of a batch has no noise either: what is put into a reactor is weighed. Readings that noise makes
    negative stay as they are.

    Reference: Lueg et al., SiNDAE, example problem "fed-batch bioreactor" after Kantor (2021). Difference: product is
    diluted as F P/V, a mass balance, where that code has F P/X.
    """
    return measured(seed, derivative)


def measured(seed: int, law: Law) -> Table:
    """The batches of `simulate_bioreactor` under any law."""
    generator = np.random.default_rng(seed)
    batches = [_batch(name, start, generator, law) for name, start in BATCHES.items()]
    return stack([*batches, _table("test", TEST_BATCH, sample_times(60), 0.0, law)])


def _batch(name: str, start: tuple[float, ...], generator: np.random.Generator, law: Law) -> Table:
    """A measured batch of 40 h with 31 samples."""
    times = sample_times(40)
    noise = NOISE * generator.standard_normal((times.size, len(STATES)))
    noise[0] = 0.0
    return _table(name, start, times, noise, law)


def _table(name: str, start: tuple[float, ...], times: Floats, noise: Floats | float, law: Law) -> Table:
    """A batch with `noise` added to its states, and its feed concentration as an input."""
    readings = solve(start, times, law) + noise
    columns = dict(zip(STATES, readings.T, strict=True))
    return trajectory_table(name, times, {**columns, "S_f": np.full(times.shape, start[2])})
