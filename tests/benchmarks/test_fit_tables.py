"""What is written about fits: comparison at equal error, what counts as arrived, tables, records, the picture."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from fit_figure import best_so_far, draw, track
from fit_records import CHAIN, End, Key, Results
from fit_tables import BEGIN, END, at_equal_error, document, refresh
from noise_floor import ALLOWED, arrived
from PIL import Image
from problems import Variant

ROOT = Path(__file__).parents[2]
VARIANT = Variant().label


def _end(key: Key, seconds: float = 1.0, there: bool = True) -> End:
    return End(key, seconds, 0.0, 9e-4, 1e-3, 9e-4, there)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Two seeds of A by two methods, and robust runs of which one failed."""
    found = Results.of(tmp_path)
    for seed in range(2):
        found.add(_end(Key("compared", VARIANT, "A", seed, CHAIN), 2.0), [(0.1, 1.0), (0.5, 1e-2), (2.0, 1e-4)])
        slow = [(0.0, 9.0), (30.0 + 20 * seed, 1e-2), (60.0, 2e-2)]
        found.add(_end(Key("compared", VARIANT, "A", seed, "dopri5"), 60.0, there=False), slow)
        found.add(_end(Key("robust", VARIANT, "A", seed, CHAIN), there=seed == 0), [(1.0, 1e-4)])
    return found


def test_two_methods_are_compared_at_the_lowest_error_that_both_reach() -> None:
    chain = [(0.5, 0.9), (1.0, 0.1), (2.0, 0.01)]
    better = at_equal_error([(0.0, 5.0), (10.0, 0.2), (50.0, 0.05), (60.0, 0.07)], chain, 3.0)
    assert better is not None
    assert (better.error, better.peer, better.chain, better.ratio) == (0.05, 50.0, 2.0, 25.0)
    assert better.whole_ratio == pytest.approx(50.0 / 3.0)
    worse = at_equal_error([(0.0, 5.0), (10.0, 0.2), (50.0, 0.001)], chain, 3.0)
    assert worse is not None
    assert (worse.error, worse.peer, worse.chain) == (0.01, 50.0, 2.0)


def test_a_peer_that_never_got_better_has_no_ratio() -> None:
    assert at_equal_error([(0.0, 1.0), (60.0, 2.0)], [(1.0, 0.1)], 1.0) is None
    assert at_equal_error([], [(1.0, 0.1)], 1.0) is None
    assert at_equal_error([(0.0, 9.0), (60.0, 1.2)], [(1.0, 0.1)], 1.0) is None  # worse than predicting the mean


def test_following_the_noise_is_not_arriving() -> None:
    noise = 0.03
    assert arrived(noise**2, noise**2, noise**2, noise)
    assert not arrived(1e-3 * noise**2, 2 * ALLOWED * noise**2, noise**2, noise)
    assert not arrived(2 * ALLOWED * noise**2, 0.0, noise**2, noise)
    assert not arrived(noise**2, math.inf, noise**2, noise)


def test_records_survive_the_disk_and_are_replaced_by_newer_ones(results: Results) -> None:
    again = Results.of(results.folder)
    assert again.ends == results.ends
    assert again.curves == results.curves
    key = again.ends[0].key
    again.add(_end(key, 7.0), [(7.0, 0.5)])
    assert [end.seconds for end in again.ends if end.key == key] == [7.0]
    assert again.curve(key) == [(7.0, 0.5)]
    assert len(again.ends) == len(results.ends)


def test_the_tables_say_medians_ratios_and_failures(results: Results) -> None:
    text = document(results)
    assert "| A predator-prey | 2 | 8 x 41 | 1220 | **2.00** | 2 to 2 | 1.0e-03 | 2 of 2 |" in text
    cells = ("A predator-prey", "60", "1.0e-02", "40", "0.5", "**80x**", "60 to 100", "20x", "2 of 2")
    assert f"| torchdiffeq dopri5 + Adam | {' | '.join(cells)} |" in text
    assert "| 3 % noise, all samples | 1 of 2 | 0 of 0 |" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 125


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    refresh(page, "new\n")
    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    page.write_text("no markers")
    with pytest.raises(SystemExit):
        refresh(page, "new\n")


def test_the_page_about_training_has_the_markers() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1


def test_the_picture_shows_the_best_so_far_and_its_median() -> None:
    curves = [[(1.0, 4.0), (2.0, 1.0), (3.0, 2.0)], [(1.0, 2.0), (3.0, 0.5)], [(1.0, 8.0), (3.0, 8.0)]]
    assert best_so_far(curves[0]) == [(1.0, 4.0), (2.0, 1.0), (3.0, 1.0)]
    one = track("rk4", curves)
    assert list(one.seconds) == [1.0, 2.0, 3.0]
    assert list(one.median) == [4.0, 2.0, 1.0]


def test_the_picture_is_a_small_file(results: Results) -> None:
    draw(results, results.folder / "figures" / "fit.png")
    target = results.folder / "figures" / "fit.png"
    assert target.stat().st_size < 150_000
    with Image.open(target) as picture:
        assert picture.width > 1000
