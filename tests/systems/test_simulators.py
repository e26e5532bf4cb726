from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from archsearch.errors import RequestError
from archsearch.systems import SIMULATORS, Table, simulate

PRINT_DIGESTS = """
import hashlib
from archsearch.systems import SIMULATORS, simulate
for name in sorted(SIMULATORS):
    table = simulate(name, 7)
    print(hashlib.sha256(b"".join(values.tobytes() for values in table.values())).hexdigest())
"""


def digest(table: Table) -> str:
    return hashlib.sha256(b"".join(values.tobytes() for values in table.values())).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    other = subprocess.run([sys.executable, "-c", PRINT_DIGESTS], capture_output=True, text=True, check=True)
    assert other.stdout.split() == [digest(simulate(name, 7)) for name in sorted(SIMULATORS)]


@pytest.mark.parametrize("name", sorted(SIMULATORS))
def test_another_seed_gives_other_measurements(name: str) -> None:
    assert digest(simulate(name, 0)) != digest(simulate(name, 1))


@pytest.mark.parametrize("name", sorted(set(SIMULATORS) - {"fitzhugh_nagumo"}))
def test_a_table_has_finite_columns_of_one_length_and_increasing_times(name: str) -> None:
    table = simulate(name, 0)
    assert len({values.shape for values in table.values()}) == 1
    assert all(np.isfinite(values).all() for column, values in table.items() if column != "trajectory")
    for trajectory in np.unique(table["trajectory"]):
        assert (np.diff(table["time"][table["trajectory"] == trajectory]) > 0).all()


def test_an_unknown_simulator_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        RequestError, match=r"'fermenter'[\s\S]*bioreactor, bioreactor_variant, fitzhugh_nagumo, pendulum"
    ):
        simulate("fermenter", 0)
