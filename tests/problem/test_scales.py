from __future__ import annotations

import numpy as np
import pytest

from archsearch.problem.scales import spread


def test_the_spread_is_the_standard_deviation_of_what_was_seen() -> None:
    assert spread(np.array([1.0, np.nan, 3.0])) == 1.0


@pytest.mark.parametrize(("value", "count"), [(0.1, 7), (763.3, 14), (-5.0, 3)])
def test_a_value_that_never_changes_is_measured_by_its_size_whatever_the_rounding(value: float, count: int) -> None:
    assert spread(np.full(count, value)) == abs(value)


@pytest.mark.parametrize("values", [[], [np.nan], [0.0, 0.0]])
def test_nothing_to_measure_by_is_one(values: list[float]) -> None:
    assert spread(np.array(values, dtype=float)) == 1.0
