"""Fields on the card of a terminal: what was measured beside what was predicted."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from review_runs import add_evaluated, add_waiting
from rich.console import Console

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.cli.field_plot import SHADES, UNKNOWN, shaded
from archsearch.cli.reviewing import Review
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.review.desk import Desk
from archsearch.review.fit import fields_of, fit_of
from archsearch.settings import RunSettings
from archsearch.study.store import Study

sys.path.append(str(Path(__file__).resolve().parents[1] / "fields"))

from field_spaces import write_space


def run_of(problem: Problem, folder: Path) -> tuple[Study, int]:
    """A fit whose predictions are off by 15 %, a failure, and a child of the fit that waits."""
    study = Study.create(folder, problem, RunSettings(review="each"), problem.name)
    fitting = Candidate(render(Genome(), problem.space, "Diffusion."), "grammar", "Diffusion.")
    add_evaluated(study, problem, [(fitting, 0.5), (Candidate(f"{fitting.source}# fails\n", "llm"), None)])
    (number,) = add_waiting(study, [Candidate(f"{fitting.source}# child\n", "llm", "A child.", (fitting.id,))])
    return study, number


def card_of(study: Study, problem: Problem, width: int = 80) -> list[str]:
    """What `archsearch review` shows of the first that waits."""
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, no_color=True)
    Review(Desk(study, problem), console, lambda question: None, "ann").run()
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_field_on_a_line_is_shown_over_time_beside_its_prediction(tmp_path: Path) -> None:
    problem = load_problem(str(write_space(tmp_path / "front")))
    study, _ = run_of(problem, tmp_path / "run")
    told = card_of(study, problem)
    assert max(map(len, told)) <= 80
    begin = told.index("Fit of number 0, trajectory 4")
    assert told[begin + 1] == "c [g/L]"
    assert told[begin + 2].split() == ["data", "model"]
    rows = [f"{line:<80}" for line in told[begin + 3 : begin + 11]]
    data, model = ([line[start : start + 38] for line in rows] for start in (0, 41))
    density = [sum(map(SHADES.index, "".join(lines))) for lines in (data, model)]
    assert density[0] < density[1], "the prediction is 15 % too large"
    assert all(line == "".join(sorted(line, key=SHADES.index)) for line in data[-3:]), "the front grows with time"
    assert told[begin + 11 : begin + 13] == ["across: time [d], 0.1 to 1.5", "up: depth [mm], 0 to 1"]
    (field,) = fields_of(study, problem, 0)
    np.testing.assert_allclose(field.predicted.values, 1.15 * field.observed.values)
    assert f"@: {np.nanmax(field.observed.values):.4g} or more" in told[begin + 13]


def test_a_field_in_a_plane_is_shown_at_its_last_time_and_to_scale(tmp_path: Path) -> None:
    problem = load_problem("fitzhugh_nagumo")
    study, _ = run_of(problem, tmp_path / "run")
    told = card_of(study, problem, 100)
    begin = told.index("u at 3")
    assert told[begin + 1] == f"{'data':<32}   model"
    assert told[begin + 18] == "across: x, 0 to 2"
    shown = [f"{line:<67}" for line in told[begin + 2 : begin + 18]]
    last = problem.validation.trajectories.states[0, -1, ..., 0]
    low, high = last.min(), last.max()
    expected = np.clip(((last - low) / (high - low) * len(SHADES)).astype(int), 0, len(SHADES) - 1)
    assert [[SHADES.index(mark) for mark in line[:32:2]] for line in shown] == expected[::-1].tolist()
    assert [line[:32:2] for line in shown] == [line[1:32:2] for line in shown]


def test_there_is_no_picture_of_a_failure_or_without_a_grid(tmp_path: Path) -> None:
    problem = load_problem(str(write_space(tmp_path / "front")))
    study, _ = run_of(problem, tmp_path / "run")
    assert fields_of(study, problem, 1) == fit_of(study, problem, 0) == ()
    plain = load_problem("hare_lynx")
    study, _ = run_of(plain, tmp_path / "plain")
    assert fields_of(study, plain, 0) == ()


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3), (4, 6), (5, 13)])
def test_every_character_is_the_mean_of_what_it_stands_for(rows: int, columns: int) -> None:
    values = np.arange(24.0).reshape(4, 6)
    lines = shaded(values, rows, columns, (0.0, 23.0))
    assert [len(line) for line in lines] == [columns] * rows
    if (rows, columns) == (2, 3):
        means = values.reshape(2, 2, 3, 2).mean(axis=(1, 3))[::-1]
        assert lines == ["".join(SHADES[int(mean / 23 * len(SHADES))] for mean in row) for row in means]
    if rows * columns > 1:
        assert SHADES.index(lines[0][-1]) > SHADES.index(lines[-1][0])


def test_what_was_not_measured_is_no_value_and_what_is_beyond_gets_the_last_shade() -> None:
    values = np.array([[np.nan, 0.5], [-3.0, 8.0]])
    assert shaded(values, 2, 2, (0.0, 1.0)) == [" @", f"{UNKNOWN}{SHADES[5]}"]
    assert shaded(values[:1], 1, 1, (0.0, 1.0)) == [SHADES[5]]
