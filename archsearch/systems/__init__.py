"""Simulators behind the bundled search spaces: seeded, cited, and the same table for the same seed."""

from __future__ import annotations

from collections.abc import Callable

from archsearch.errors import RequestError, did_you_mean
from archsearch.systems.bioreactor import simulate_bioreactor
from archsearch.systems.bioreactor_variant import simulate_bioreactor_variant
from archsearch.systems.fitzhugh_nagumo import simulate_fitzhugh_nagumo
from archsearch.systems.pendulum import simulate_pendulum
from archsearch.systems.pendulum_variant import simulate_pendulum_variant
from archsearch.systems.tables import Table

SIMULATORS: dict[str, Callable[[int], Table]] = {
    "bioreactor": simulate_bioreactor,
    "bioreactor_variant": simulate_bioreactor_variant,
    "fitzhugh_nagumo": simulate_fitzhugh_nagumo,
    "pendulum": simulate_pendulum,
    "pendulum_variant": simulate_pendulum_variant,
}


def simulate(name: str, seed: int) -> Table:
    """The measurements that the simulator of this name makes with this seed.

    Raises:
        RequestError: there is no simulator of this name.
    """
    if name not in SIMULATORS:
        known = sorted(SIMULATORS)
        found = f"Expected the name of a simulator, found {name!r}{did_you_mean(name, known)}"
        raise RequestError(found, f"Use one of: {', '.join(known)}.")
    return SIMULATORS[name](seed)


__all__ = ["SIMULATORS", "Table", "simulate"]
