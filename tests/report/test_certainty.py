"""How sure the answer is: intervals of parameters, models that are as good, other seeds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from report_runs import RATE, outcome
from test_report_html import Page

from archsearch.candidate.outcome import Evaluation, FittedParameter, Score
from archsearch.errors import RequestError
from archsearch.problem.problem import Problem
from archsearch.report.alternatives import equals_of, front
from archsearch.report.html import report_html
from archsearch.report.leaderboard import aligned
from archsearch.report.parameters import about_parameters, interval_text, parameter_rows
from archsearch.report.seeds import about_seeds, repeats
from archsearch.settings import RunSettings
from archsearch.study.store import Study

SURE = FittedParameter(value=1.0, unit="1", low=0.0, high=10.0, identified=True, std_error=0.1)


def evaluation(number: int, error: float, parameters: dict[str, FittedParameter] | None = None) -> Evaluation:
    squares = tuple(error**2 * factor for factor in (0.9, 1.1, 1.0, 0.8, 1.2, 1.0))
    score = Score(nrmse=error, rmse={}, per_trajectory={}, trajectories=6, diverged=0, squares=squares, counts=(1,) * 6)
    return Evaluation(
        number=number, candidate=f"c{number}", author="grammar", status="ok", validation=score,
        parameters=parameters or {},
    )  # fmt: skip


@pytest.mark.parametrize("number", range(5))
def test_intervals_on_the_page_are_those_of_the_record(
    study: Study, problem: Problem, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = RATE.model_copy(update={"value": 0.1 + 0.3 * number, "std_error": 0.02 * (number + 1)})
    changed = [item.model_copy(update={"parameters": {"growth_rate": rate}}) for item in study.evaluations()]
    monkeypatch.setattr(Study, "evaluations", lambda self: changed)
    low, high = max(0.0, rate.value - 1.959964 * rate.std_error), min(2.0, rate.value + 1.959964 * rate.std_error)  # type: ignore[operator]  # given above
    text = Page(report_html(study, problem)).text
    assert f"{aligned(rate.value)} ± {rate.std_error:.2g} {aligned(low)} to {aligned(high)} 1/year" in text


def test_an_interval_ends_at_the_bounds_and_is_not_invented() -> None:
    assert SURE.model_copy(update={"value": 0.1}).interval == (0.0, pytest.approx(0.1 + 0.1959964))
    assert SURE.model_copy(update={"value": 9.95, "high": None}).interval == pytest.approx((9.754, 10.146), abs=1e-3)
    assert SURE.model_copy(update={"value": 9.95}).interval == (pytest.approx(9.754, abs=1e-3), 10.0)
    assert interval_text(SURE.model_copy(update={"std_error": None})) == "-"
    assert SURE.model_copy(update={"std_error": float("inf")}).interval is None


def test_parameters_that_equal_models_put_elsewhere_are_told(problem: Problem) -> None:
    best = evaluation(0, 0.5, parameters={"a": SURE, "b": SURE})
    other = evaluation(1, 0.5, parameters={"a": SURE.model_copy(update={"value": 3.0}), "b": SURE})
    loose = evaluation(2, 0.5, parameters={"b": SURE.model_copy(update={"value": 9.0, "identified": False})})
    rows = parameter_rows(best, [other, loose], problem.space)
    assert [row.elsewhere for row in rows] == [(3.0, 3.0), (1.0, 1.0)], "what is not identified there says nothing"
    told = " ".join(about_parameters(rows, best))
    assert "Yes: the data determine all of them" in told
    assert "put a from 3.000 to 3.000, beyond the interval" in told


def test_what_may_not_be_trusted_is_named(problem: Problem) -> None:
    vague = SURE.model_copy(update={"identified": False})
    bound = SURE.model_copy(update={"value": 10.0})
    best = evaluation(0, 0.5, parameters={"a": SURE, "b": vague, "c": bound})
    told = " ".join(about_parameters(parameter_rows(best, [], problem.space), best))
    assert "In part: the data do not determine b, which must not be read as measured." in told
    assert "c ended at a bound" in told
    none = evaluation(0, 0.5, parameters={"b": vague})
    assert "No: the data determine none of them (b)." in about_parameters(parameter_rows(none, [], problem.space), none)


def test_equals_are_those_within_one_standard_error() -> None:
    near, far = evaluation(1, 0.5001), evaluation(2, 0.9)
    first = evaluation(0, 0.5)
    squares = tuple(reversed(first.validation.squares))  # type: ignore[union-attr]  # scored
    near = near.model_copy(update={"validation": near.validation.model_copy(update={"squares": squares})})  # type: ignore[union-attr]  # scored
    assert [item.number for item in equals_of([first, near, far], first)] == [1]
    assert [item.number for item in equals_of([first, near, far], near)] == [0]


def test_the_pareto_front_holds_what_no_smaller_model_betters() -> None:
    found = [evaluation(number, error) for number, error in enumerate((0.9, 0.5, 0.7, 0.4, 0.45))]
    sizes = {0: 1, 1: 5, 2: 9, 3: 20, 4: 20}
    assert [item.number for item in front(found, sizes)] == [0, 1, 3]


@pytest.fixture
def siblings(study: Study, problem: Problem, tmp_path: Path) -> list[Study]:
    """Two more runs of the same candidates, with other seeds and errors."""
    found = []
    for seed, factor in ((6, 1.1), (7, 0.8)):
        other = Study.create(tmp_path / f"seed-{seed}", problem, RunSettings(seed=seed), "hare_lynx")
        with other.writing(problem) as writer:
            for item in study.evaluations()[:4]:
                candidate = study.candidate(item.number)
                writer.propose(item.number, candidate, 0.0)
                error = item.error * (factor if item.number == 3 else 1.0)
                writer.record(item.number, outcome(problem, candidate, item.number, error), 0.0)
        found.append(other)
    return found


def test_other_seeds_give_an_interval_over_seeds(study: Study, problem: Problem, siblings: list[Study]) -> None:
    best = study.best()
    assert best is not None
    found = repeats(study, siblings, best)
    assert [item.seed for item in found] == [5, 6, 7]
    assert [item.same for item in found] == pytest.approx([0.3456, 0.3456 * 1.1, 0.3456 * 0.8])
    told = about_seeds(found)
    assert "The very same model, trained again, over 3 seeds" in told[0]
    reduced = "59\u00a0% (95\u00a0% interval 43\u00a0% to 75\u00a0%) against the physics as given"
    assert reduced in told[0], "the mean of 57.5, 53.2 and 66.0 %, and 4.303 standard errors of it to either side"
    text = Page(report_html(study, problem, siblings)).text
    assert told[0].replace("\u00a0", " ") in text.replace("\u00a0", " ")
    assert "the spread over random seeds is not known" not in text


def test_one_seed_is_not_called_several(study: Study, problem: Problem) -> None:
    assert "so the spread over random seeds is not known" in Page(report_html(study, problem)).text


def test_runs_of_other_problems_are_refused(study: Study, problem: Problem, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study.folder, tmp_path / "other"))
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace(problem.fingerprint, "0" * 64))
    with pytest.raises(RequestError, match="expected the same space and data"):
        report_html(study, problem, [Study.open(folder)])
