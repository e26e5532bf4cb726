"""The tables that the README quotes are medians of what was measured, and only they are replaced in a page."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from archsearch.candidate.outcome import Evaluation, FittedParameter, Score

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundled_spaces", ROOT / "benchmarks" / "bundled_spaces.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_cell_is_the_median_over_seeds_and_a_failure_is_left_out(bench: ModuleType) -> None:
    errors = [(0.3, 0.5), (0.1, None), (0.2, 0.7)]
    lines = [
        bench.ScoreLine("here", seed, "best", 1, "A claim.", 0, 2, validation, test, 10.0 * seed)
        for seed, (validation, test) in enumerate(errors)
    ]
    table = bench.score_table(lines)
    assert "| `here` | **0.2 / 0.6** | - / - | - / - | - / - | - / - | 10 |" in table
    assert bench.best_table(lines).count("A claim.") == 3
    assert "| `here` | A claim. (3 of 3) |" in bench.found_table(lines)


def test_what_others_report_stands_beside_what_was_measured(bench: ModuleType) -> None:
    errors = enumerate((1, 3, 2))
    found = [bench.Quantity("pendulum", seed, "best found", "T0 error (%)", error) for seed, error in errors]
    table = bench.special_table("pendulum", found)
    assert "| best found | - | 2 |" in table
    assert "| published: APHYNITY(omega0), a net for the damping | -7.86 | 4 |" in table
    assert " ".join(table.split()).endswith(bench.SOURCES["pendulum"])


def test_the_quantities_of_the_bioreactor_are_read_off_the_dense_rollout(bench: ModuleType) -> None:
    space = SimpleNamespace(state_names=("X", "S"))
    test = SimpleNamespace(trajectories=SimpleNamespace(lengths=np.array([2])))
    score = Score(nrmse=0.1, rmse={"X": 0.2, "S": 0.3}, per_trajectory={}, trajectories=1, diverged=0)
    dense = np.array([[[1.0, 2.0], [1.5, -0.5], [2.0, -0.1], [2.5, 0.4]]])
    model = bench.Predicted(None, dense[:, ::3], np.array([[0.0, 1.0, 3.0, 6.0]]), dense, score)
    assert bench.bioreactor(SimpleNamespace(space=space, test=test), model) == {
        "least S (g/L)": -0.5,
        "hours with S < 0": 3.0,
        "S-RMSE (g/L)": 0.3,
        "X(60 h) (g/L)": 2.5,
    }


def test_the_error_of_the_period_is_that_from_its_reference(bench: ModuleType) -> None:
    truth = np.zeros((1, 3, 2))
    test = SimpleNamespace(trajectories=SimpleNamespace(states=truth), scored=np.array([[False, True, True]]))
    period = FittedParameter(value=6.06, unit="s", low=2.0, high=20.0, reference=6.0)
    evaluation = Evaluation(number=0, candidate="c", author="a", status="ok", parameters={"T0": period})
    found = bench.pendulum(SimpleNamespace(test=test), bench.Predicted(evaluation, truth + 0.1, None, None, None))
    assert found["T0 error (%)"] == pytest.approx(1.0)
    assert found["log10 MSE"] == pytest.approx(math.log10(0.01))


def test_only_what_stands_between_the_markers_is_replaced(bench: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{bench.BEGIN}\nold\n{bench.END}\nafter\n")
    bench.refresh(page, "new\n")
    assert page.read_text() == f"before\n{bench.BEGIN}\nnew\n{bench.END}\nafter\n"
    page.write_text("no markers")
    with pytest.raises(SystemExit):
        bench.refresh(page, "new\n")


def test_the_readme_has_the_markers(bench: ModuleType) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count(bench.BEGIN) == text.count(bench.END) == 1
