"""A problem on a grid goes the whole way: fit and prediction in the sandbox, score, report, export, command line."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from field_spaces import GROWTH, POINTS, SPACE, SPREADING, rate, write_space
from scipy.integrate import solve_ivp

from archsearch import hybrid
from archsearch.candidate.candidate import Candidate
from archsearch.candidate.equation_text import equations_latex
from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.errors import RequestError
from archsearch.evaluation import Evaluator, Outcome, no_change
from archsearch.export.python import python_file
from archsearch.problem.figures import draw_data
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.report.drawing import Model, png
from archsearch.report.field_figure import field_figure
from archsearch.report.learned import learned_figure
from archsearch.report.residuals import residual_figure, residuals
from archsearch.settings import Limits, RunSettings
from archsearch.training.score import score

SETTINGS = RunSettings(limits=Limits(wall_seconds=120.0, memory_mb=2048))
LEARNED = '''
from archsearch.hybrid import HybridModel, Net, Param, laplacian


class Candidate(HybridModel):
    """The growth law is learned from what is there; logistic growth is where it starts."""

    D = Param(0.01, low=1e-4, high=0.1, unit="mm**2/d")
    growth = Param(0.5, low=0.0, high=5.0, unit="1/d")
    capacity = Param(1.0, fixed=True, unit="g/L")
    law = Net(inputs=("c",), role="replace", hidden=(8,))

    def rhs(self, t, x, u):
        diffusion = self.term("diffusion", self.D * laplacian(x.c, (0.05,), "neumann"))
        logistic = self.term("logistic", self.growth * x.c * (1 - x.c / self.capacity))
        feeding = self.term("feeding", u.feed)
        return {"c": diffusion + self.law(x.c, instead_of=logistic) + feeding}
'''


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return load_problem(str(write_space(tmp_path_factory.mktemp("front"))))


@pytest.fixture(scope="module")
def evaluator(problem: Problem) -> Iterator[Evaluator]:
    with closing(Evaluator(problem, SETTINGS)) as made:
        yield made


@pytest.fixture(scope="module")
def physics(evaluator: Evaluator, problem: Problem) -> Outcome:
    return evaluator.evaluate(Candidate(render(Genome(), problem.space), "person"), 0)


@pytest.fixture(scope="module")
def learned(evaluator: Evaluator) -> Outcome:
    return evaluator.evaluate(Candidate(LEARNED, "person"), 1)


def test_the_true_physics_is_recovered_with_its_errors(problem: Problem, physics: Outcome) -> None:
    found = physics.evaluation
    assert found.failure is None, found.failure
    for name, truth in (("D", SPREADING), ("growth", GROWTH)):
        fitted = found.parameters[name]
        assert fitted.value == pytest.approx(truth, rel=0.03)
        assert fitted.identified
        assert fitted.std_error is not None
        assert abs(fitted.value - truth) < 4 * fitted.std_error
        assert fitted.std_error < 0.1 * truth
    assert found.parameters["D"].reference == SPREADING
    assert found.validation is not None
    noise = 0.005 / problem.scales[0]
    assert found.validation.nrmse < 1.6 * noise, "the noise of the data, and that of the first frame"
    assert no_change(problem) > 20 * noise


def test_a_term_is_worth_what_the_error_grows_without_it(physics: Outcome) -> None:
    terms = physics.evaluation.terms
    assert set(terms) == {"diffusion", "logistic", "feeding"}
    assert physics.evaluation.train is not None
    for term in terms.values():
        assert term.ablated_nrmse is not None
        assert term.ablated_nrmse > 3 * physics.evaluation.train.nrmse


def test_a_net_learns_the_reaction_at_every_point(problem: Problem, learned: Outcome) -> None:
    found = learned.evaluation
    assert found.failure is None, found.failure
    assert found.validation is not None
    assert found.validation.nrmse < 3 * 0.005 / problem.scales[0]
    assert found.parameters["D"].value == pytest.approx(SPREADING, rel=0.1)
    assert not found.parameters["growth"].identified, "the net stands in the place of its term"
    assert found.nets["law"].share is not None
    assert found.nets["law"].share > 0.1


def test_the_recorded_score_is_that_of_an_independent_solution(problem: Problem, physics: Outcome) -> None:
    part = problem.validation
    times, feed = part.trajectories.times[0], part.trajectories.inputs[0, :, 0]
    rows = [part.trajectories.states[0, 0, :, 0]]
    D, growth = (physics.evaluation.parameters[name].value for name in ("D", "growth"))

    def slope(c: np.ndarray, held: float) -> np.ndarray:
        spread = (rate(c, 0.0) - GROWTH * c * (1 - c)) / SPREADING
        return D * spread + growth * c * (1 - c) + held

    for k in range(len(times) - 1):
        span, held = (times[k], times[k + 1]), float(feed[k])
        solved = solve_ivp(lambda _, c, held=held: slope(c, held), span, rows[-1], rtol=1e-10, atol=1e-12)
        rows.append(solved.y[:, -1])
    own = np.stack(rows)[None, ..., None]
    np.testing.assert_allclose(physics.predictions["validation.states"], own, rtol=1e-7, atol=1e-9)
    assert physics.evaluation.validation == score(problem, part, own)


def test_a_predictor_of_held_out_films_sees_first_frames_only(problem: Problem, evaluator: Evaluator) -> None:
    """Whatever is written into the frames that are scored, the prediction stays the same."""
    source = render(Genome(), problem.space)
    weights = evaluator.evaluate(Candidate(source, "person"), 2).weights
    before = evaluator.predict(source, weights, problem.validation)["states"]
    states = problem.validation.trajectories.states
    kept = states.copy()
    try:
        states[:, 1:] = 7.0
        np.testing.assert_array_equal(evaluator.predict(source, weights, problem.validation)["states"], before)
    finally:
        states[:] = kept


def test_a_film_goes_on_from_where_its_fit_ends(tmp_path: Path) -> None:
    space = SPACE.replace('by = "trajectory"\nvalidation = ["4"]\ntest = ["5"]', 'by = "time"\nvalidation_from = 1.05')
    problem = load_problem(str(write_space(tmp_path, space)))
    with closing(Evaluator(problem, SETTINGS)) as evaluator:
        found = evaluator.evaluate(Candidate(render(Genome(), problem.space), "person"), 0)
    assert found.evaluation.failure is None, found.evaluation.failure
    assert found.evaluation.validation is not None
    assert found.evaluation.validation.nrmse < 1.5 * 0.005 / problem.scales[0]
    train, whole = found.predictions["train.states"], found.predictions["validation.states"]
    np.testing.assert_allclose(whole[:, : train.shape[1]], train, rtol=1e-7)


def test_a_model_that_explodes_is_a_failure(evaluator: Evaluator) -> None:
    source = LEARNED.replace("self.D * laplacian", "-1e5 * self.D * laplacian")
    failure = evaluator.evaluate(Candidate(source, "person"), 3).evaluation.failure
    assert failure is not None
    assert failure.kind == "diverged"


# ---- export ----------------------------------------------------------------------------------------------------------


def exported(problem: Problem, outcome: Outcome, source: str, path: Path) -> ModuleType:
    path.write_text(python_file(problem, outcome.evaluation, source, outcome.weights), encoding="utf-8")
    assert "archsearch" not in path.read_text().split('"""', 2)[2]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("which", ["physics", "learned"])
def test_an_exported_file_gives_the_predictions(
    problem: Problem, which: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome: Outcome = request.getfixturevalue(which)
    source = LEARNED if which == "learned" else render(Genome(), problem.space)
    module = exported(problem, outcome, source, tmp_path / f"{which}_model.py")
    assert module.GRID == {"depth": {"unit": "mm", "spacing": 0.05}}
    assert module.EQUATIONS["c"].startswith(r"\frac{\partial c}{\partial t} = D\,\nabla^2 c")
    held = problem.validation.trajectories
    initial, inputs = {"c": held.states[0, 0, :, 0]}, {"feed": held.inputs[0, :, 0]}
    found = module.simulate(held.times[0], initial, inputs)["c"]
    assert found.shape == (16, POINTS)
    np.testing.assert_allclose(found.numpy(), outcome.predictions["validation.states"][0, ..., 0], rtol=1e-8, atol=1e-9)
    for row, (name, case) in enumerate(module.TRAINING.items()):
        fitted = module.simulate(case["times"], case["initial"], case["inputs"])["c"].numpy()
        assert name == problem.train.trajectories.ids[row]
        expected = outcome.predictions["train.states"][row, : len(fitted), :, 0]
        np.testing.assert_allclose(fitted, expected, rtol=1e-8, atol=1e-9)
    module.main()
    assert "means over the grid" in capsys.readouterr().out


def test_an_exported_file_refuses_frames_that_do_not_fit(problem: Problem, physics: Outcome, tmp_path: Path) -> None:
    module = exported(problem, physics, render(Genome(), problem.space), tmp_path / "strict_model.py")
    for initial, message in (
        ({}, "Expected initial values of the state 'c' on the grid"),
        ({"c": 1.0}, "expected an array with the axes depth"),
        ({"c": np.full(5, np.nan)}, "finite"),
        ({"c": np.ones(5), "d": np.ones(5)}, "There is no initial state 'd'"),
    ):
        with pytest.raises(ValueError, match=message):
            module.simulate([0.0, 1.0], initial, {"feed": 0.0})


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_operators_of_an_exported_file_are_those_of_the_language(
    problem: Problem, physics: Outcome, tmp_path: Path, boundary: str, axes: int
) -> None:
    module = exported(problem, physics, render(Genome(), problem.space), tmp_path / "operators_model.py")
    generator = torch.Generator().manual_seed(axes)
    shape = (2, 5, 4, 6)[: axes + 1]
    field, *flow = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(axes + 1))
    spacing = (0.5, 0.25, 2.0)[:axes]
    for name, given in (("laplacian", (field,)), ("gradient", (field,)), ("divergence", (flow,))):
        own, expected = (getattr(where, name)(*given, spacing, boundary) for where in (module, hybrid))
        torch.testing.assert_close(own, expected, rtol=1e-13, atol=1e-13)
    own, expected = (where.advection(field, flow, spacing, boundary) for where in (module, hybrid))
    torch.testing.assert_close(own, expected, rtol=1e-13, atol=1e-13)


def test_fields_without_a_grid_have_no_plain_form(problem: Problem) -> None:
    from archsearch.export.translate import translate

    with pytest.raises(RequestError, match="fields on a grid"):
        translate(LEARNED, ())
    assert translate(LEARNED, (), grid=True).grid


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_data_and_predictions_are_drawn_as_images(problem: Problem, learned: Outcome) -> None:
    model = Model("best", "best", learned.predictions)
    data, fit = draw_data(problem), field_figure(problem, model, "4")
    images = [image for axes in data.axes for image in axes.get_images()]
    assert len(images) == 3, "a line over time is one image per part"
    np.testing.assert_array_equal(images[0].get_array(), problem.train.trajectories.states[0, ..., 0].T)
    shown = [image for axes in fit.axes for image in axes.get_images()]
    held, predicted = problem.validation.trajectories.states[0, 1:, :, 0], learned.predictions["validation.states"]
    np.testing.assert_array_equal(shown[0].get_array(), held.T)
    np.testing.assert_array_equal(shown[2].get_array(), (predicted[0, 1:, :, 0] - held).T)
    nets = learned_figure(problem, LEARNED, learned.weights, learned.predictions)
    assert nets is not None
    for figure in (data, fit, nets, residual_figure(problem, model)):
        assert png(figure, 40)[:4] == b"\x89PNG"


def test_residuals_of_a_field_are_thinned(problem: Problem, learned: Outcome) -> None:
    times, predicted, errors = residuals(problem, Model("best", "best", learned.predictions), "train", 0)
    assert times.shape == predicted.shape == errors.shape
    assert 200 < len(times) <= 501
    assert len(np.unique(times)) == 16


def test_equations_are_partial(problem: Problem) -> None:
    lines = equations_latex(LEARNED, problem.space)
    assert lines["c"].startswith(r"\frac{\partial c}{\partial t} = D\,\nabla^2 c + \mathrm{NN}_{\mathrm{law}}")
