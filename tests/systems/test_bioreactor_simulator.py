from __future__ import annotations

import numpy as np
import pytest

from archsearch.systems import Table, simulate
from archsearch.systems.bioreactor import (
    BATCHES,
    BIOMASS_YIELD,
    FEED,
    NOISE,
    PRODUCT_YIELD,
    STATES,
    TEST_BATCH,
    sample_times,
    solve,
    specific_growth_rate,
)


def batch(table: Table, name: str) -> Table:
    rows = table["trajectory"] == name
    return {column: values[rows] for column, values in table.items()}


@pytest.fixture(scope="module")
def table() -> Table:
    return simulate("bioreactor", 0)


def test_the_batches_have_the_published_form(table: Table) -> None:
    assert list(dict.fromkeys(table["trajectory"])) == ["1", "2", "3", "test"]
    for name in BATCHES:
        rows = batch(table, name)
        assert rows["time"].size == 31
        assert (rows["time"][0], rows["time"][-1]) == (0.0, 40.0)
    assert batch(table, "test")["time"][-1] == 60.0


def test_the_test_batch_ends_where_the_truth_does(table: Table) -> None:
    test = batch(table, "test")
    assert test["X"][-1] == pytest.approx(3.51, abs=0.005)
    assert test["S"].min() == pytest.approx(0.07, abs=0.005)
    assert test["S"].min() > 0


def test_substrate_is_either_left_or_in_the_biomass(table: Table) -> None:
    test = batch(table, "test")
    substrate = (test["S"] + test["X"] / BIOMASS_YIELD) * test["V"]
    fed = FEED * test["S_f"] * test["time"]
    np.testing.assert_allclose(substrate - fed, substrate[0], rtol=1e-8)


def test_product_follows_the_biomass_made(table: Table) -> None:
    test = batch(table, "test")
    biomass = test["X"] * test["V"]
    np.testing.assert_allclose(test["P"] * test["V"], PRODUCT_YIELD * (biomass - biomass[0]), atol=1e-8)


def test_the_feed_alone_fills_the_reactor(table: Table) -> None:
    test = batch(table, "test")
    np.testing.assert_allclose(test["V"], TEST_BATCH[3] + FEED * test["time"], rtol=1e-9)


def test_biomass_grows_at_the_rate_of_monod() -> None:
    times = np.linspace(0.0, 40.0, 4001)
    states = solve(BATCHES["3"], times)
    rate = np.gradient(np.log(states[:, 0] * states[:, 3]), times, edge_order=2)
    np.testing.assert_allclose(rate, specific_growth_rate(states[:, 2]), atol=1e-5)


def test_the_feed_is_as_rich_as_the_first_substrate(table: Table) -> None:
    for name, start in {**BATCHES, "test": TEST_BATCH}.items():
        assert np.all(batch(table, name)["S_f"] == start[2])


def test_the_charge_is_exact(table: Table) -> None:
    for name, start in BATCHES.items():
        rows = batch(table, name)
        assert tuple(float(rows[state][0]) for state in STATES) == start


def test_noise_has_the_published_size() -> None:
    truth = np.concatenate([solve(start, sample_times(40))[1:] for start in BATCHES.values()])
    errors = []
    for seed in range(20):
        table = simulate("bioreactor", seed)
        measured = (table["trajectory"] != "test") & (table["time"] > 0)
        errors.append(np.column_stack([table[state][measured] for state in STATES]) - truth)
    np.testing.assert_allclose(np.std(np.concatenate(errors), axis=0), NOISE, rtol=0.05)
    np.testing.assert_allclose(np.mean(np.concatenate(errors), axis=0) / NOISE, 0.0, atol=0.1)


def test_negative_readings_are_kept(table: Table) -> None:
    assert (table["S"][table["trajectory"] != "test"] < 0).any()
