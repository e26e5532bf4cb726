from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archsearch.candidate.outcome import Evaluation
from archsearch.problem.problem import Part, Problem
from archsearch.problem.trajectories import Trajectories
from archsearch.report.drawing import COLOURS, NARROW, WIDE, Model, labelled, png, svg
from archsearch.report.figures import curve, figures_of, fit_figure, held_window, models_of, shown_trajectories
from archsearch.report.learned import learned_figure
from archsearch.report.progress import progress_figure
from archsearch.report.residuals import residuals
from archsearch.study.store import Study


def many(problem: Problem, number: int) -> Problem:
    """The same problem with that many held-out trajectories that start from their first sample."""
    times = np.tile(np.arange(5.0), (number, 1))
    states = np.ones((number, 5, 2))
    names = tuple(f"v{index}" for index in range(number))
    data = Trajectories(names, times, states, np.zeros((number, 5, 0)), np.full(number, 5))
    given = np.zeros((number, 5), bool)
    given[:, 0] = True
    return replace(problem, validation=Part(data, given, ~given, "first"))


def test_every_figure_is_drawn_at_both_widths(study: Study, tmp_path: Path) -> None:
    for width in (WIDE, NARROW):
        figures = figures_of(study, width)
        assert set(figures) == {"progress", "fit", "residuals", "growth", "nets"}
        for figure in figures.values():
            assert figure.get_figwidth() == width
            assert png(figure, dpi=40).startswith(b"\x89PNG")


def test_pyplot_is_never_loaded() -> None:
    assert "matplotlib.pyplot" not in sys.modules


def test_the_fit_shows_the_best_beside_the_baselines(study: Study) -> None:
    assert [model.style for model in models_of(study)] == ["best", "physics", "net", "physics_plus_net"]
    (legend,) = figures_of(study)["fit"].legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[:4] == ["best: number 3", "physics as given", "net alone", "physics + net"]
    assert set(labels[4:]) == {"data, fitted or given", "data, held out", "held out"}


def test_the_held_out_years_are_shaded_and_their_points_hollow(study: Study, problem: Problem) -> None:
    window = held_window(problem.validation, 0)
    times, scored = problem.validation.trajectories.times[0], problem.validation.scored[0]
    assert window is not None
    assert times[~scored].max() < window[0] < times[scored].min()
    assert window[1] == times[scored].max()
    axes = figures_of(study)["fit"].axes[0]
    hollow = next(line for line in axes.lines if line.get_label() == "data, held out")
    np.testing.assert_array_equal(hollow.get_xdata(), times[scored])
    assert hollow.get_markerfacecolor() == COLOURS["paper"]


def test_a_trajectory_that_is_held_out_as_a_whole_is_not_shaded(problem: Problem) -> None:
    assert held_window(many(problem, 1).validation, 0) is None


def test_of_many_trajectories_four_are_shown_from_best_to_worst(problem: Problem) -> None:
    errors = {f"v{index}": float((index * 3) % 7) for index in range(7)}
    shown = shown_trajectories(many(problem, 7), errors)
    assert len(shown) == 4
    assert [errors[name] for name in shown] == sorted(errors[name] for name in shown)
    assert (errors[shown[0]], errors[shown[-1]]) == (0.0, 6.0)
    few = shown_trajectories(many(problem, 1), {})
    assert few == ["v0", *problem.train.trajectories.ids]


def test_trajectories_stand_side_by_side_or_below_each_other(problem: Problem) -> None:
    several = many(problem, 3)
    data = several.validation.trajectories
    arrays = {"validation.dense_times": data.times, "validation.dense_states": data.states}
    models = [Model("best", "best", arrays)]
    wide, narrow = (fit_figure(several, models, {"v0": 0.5}, width) for width in (WIDE, NARROW))
    assert len(wide.axes) == len(narrow.axes) == 6
    assert wide.axes[0].get_title(loc="left") == "v0\nnrmse 0.5"
    assert narrow.get_figheight() > 2 * wide.get_figheight()


def test_the_fitted_rollout_is_shown_where_the_held_out_one_does_not_reach(problem: Problem) -> None:
    name = problem.train.trajectories.ids[0]
    early, late = np.arange(1900.0, 1906.0), np.arange(1903.0, 1908.0)
    arrays = {
        "train.dense_times": early[None], "train.dense_states": np.zeros((1, 6, 2)),
        "validation.dense_times": late[None], "validation.dense_states": np.ones((1, 5, 2)),
    }  # fmt: skip
    times, values = curve(problem, Model("best", "best", arrays), name)
    np.testing.assert_array_equal(times, np.arange(1900.0, 1908.0))
    np.testing.assert_array_equal(values[:, 0], [0, 0, 0, 1, 1, 1, 1, 1])


def test_residuals_are_prediction_minus_observation(study: Study, problem: Problem) -> None:
    times, predicted, errors = residuals(problem, models_of(study)[0], "validation", 0)
    scored = problem.validation.scored[0]
    observed = problem.validation.trajectories.states[0, scored, 0]
    np.testing.assert_array_equal(times, problem.validation.trajectories.times[0, scored])
    np.testing.assert_allclose(predicted, 1.3456 * observed)
    np.testing.assert_allclose(errors, 0.3456 * observed)


def test_the_progress_shows_the_best_so_far_and_the_failures(study: Study) -> None:
    axes = figures_of(study)["progress"].axes[0]
    best = next(line for line in axes.lines if line.get_label() == "best so far")
    assert list(best.get_ydata())[-1] == 0.3456
    failed = next(line for line in axes.lines if line.get_label() == "failed")
    assert list(failed.get_xdata()) == [5]


def test_a_run_of_failures_has_a_figure(study: Study) -> None:
    lost: list[Evaluation] = [study.evaluations()[-1]]
    figure = progress_figure(lost, {}, {})
    assert figure.axes[0].get_title(loc="left") == "no candidate could be scored"
    assert png(figure, dpi=40)


def test_svg_takes_its_colours_from_the_page_and_keeps_its_text(study: Study) -> None:
    text = svg(figures_of(study)["fit"], "a-fit")
    assert text.startswith("<svg viewBox=")
    assert "var(--best)" in text
    assert ">hare (kilopelt)</text>" in text
    assert "xmlns" not in text
    assert 'id="a-fit-' in text


@pytest.mark.parametrize(("unit", "label"), [("1", "x"), ("g/L", "x (g/L)"), ("", "x")])
def test_plain_numbers_have_no_unit(unit: str, label: str) -> None:
    assert labelled("x", unit) == label


def test_what_a_net_learned_is_drawn_without_running_the_candidate(study: Study, problem: Problem) -> None:
    source, weights = study.source(3), study.weights(3)
    poisoned = "raise SystemExit\n" + source
    figure = learned_figure(problem, poisoned, weights, study.predictions(3))
    assert figure is not None
    assert figure.axes[0].get_xlabel() == "hare (kilopelt)"
    assert figure.axes[0].get_ylabel() == "lynx (kilopelt)"
    assert figure.axes[0].get_title(loc="left") == "profit"
    assert learned_figure(problem, study.source(0), study.weights(0), study.predictions(0)) is None
