"""The fed-batch bioreactor under another law than the textbook's: another exponent, and one more term."""

from __future__ import annotations

from archsearch.systems.bioreactor import balances, measured
from archsearch.systems.tables import Floats, Table

EXPONENT = 2
SATURATION = 3.0  # g/L
LARGEST_RATE = 0.25  # 1/h
DECAY = 0.02  # 1/h


def specific_growth_rate(substrate: Floats) -> Floats:
    """1/h, for the substrate in g/L: Monod's law with the square of the substrate."""
    power = substrate**EXPONENT
    return LARGEST_RATE * power / (SATURATION**EXPONENT + power)


def derivative(state: Floats, feed_concentration: float) -> Floats:
    """The mass balances, with biomass that decays; arguments as for `bioreactor.balances`."""
    return balances(state, feed_concentration, specific_growth_rate, DECAY)


def simulate_bioreactor_variant(seed: int) -> Table:
    """The batches of `simulate_bioreactor`, with its noise, under this law.

    Reference: changed equations as a test of whether a model was found or remembered: Holt, Liu & van der Schaar,
    "Automatically learning hybrid digital twins of dynamical systems", NeurIPS 2024. The growth law is that of
    Moser (1958), the decay Herbert's (1958); no source has them with these numbers.
    """
    return measured(seed, derivative)
