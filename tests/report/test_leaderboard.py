from __future__ import annotations

from dataclasses import asdict

import pytest

from archsearch.report.leaderboard import HEADINGS, aligned, baselines_of, cells, four, leaderboard, rows_of
from archsearch.study.store import Study


def test_rows_are_ranked_and_failures_come_last(study: Study) -> None:
    rows = rows_of(study)
    assert [row.number for row in rows] == [3, 2, 0, 1, 4, 5]
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5, None]
    assert [row.baseline for row in rows] == ["", "physics_plus_net", "physics", "net", "", ""]
    assert rows[-1].failure == "diverged: the rollout of <1> was not finite"


def test_baselines_stay_on_the_page_however_far_down_they_are(study: Study) -> None:
    rows = leaderboard(study.ranked(), baselines_of(study), top=1)
    assert [(row.rank, row.number) for row in rows] == [(1, 3), (2, 2), (3, 0), (4, 1)]


def test_cells_go_with_their_headings(study: Study) -> None:
    first, *_, last = (cells(row) for row in rows_of(study))
    assert dict(zip(HEADINGS, first, strict=True))["error"] == "0.3456"
    assert first[3] == "A net (4) in the place of conversion sees hare and lynx."
    assert last[0] == "-"
    assert last[2].startswith("diverged")


def test_a_row_is_plain_data(study: Study) -> None:
    row = asdict(rows_of(study)[0])
    assert row["error"] == 0.3456
    assert row["train_error"] == 0.1728
    assert (row["weights"], row["parameters"]) == (17, 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), (0, "0"), (None, "-"), (float("nan"), "-"), (float("inf"), "inf"), (3e-7, "3.000e-07")],
)
def test_numbers_have_four_significant_digits(value: float | None, text: str) -> None:
    assert four(value) == text


def test_fitted_numbers_keep_their_zeros() -> None:
    assert [aligned(value) for value in (6.0, 0.442, 1234.0, None, float("inf"))] == [
        "6.000",
        "0.4420",
        "1234",
        "-",
        "inf",
    ]
