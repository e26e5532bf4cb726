"""Space files with a grid: what is read from arrays, what is refused and how."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from field_spaces import POINTS, SPACE, arrays, write_space

from archsearch.candidate.check import check
from archsearch.candidate.equations import equations_of
from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.errors import DataError, SpaceError
from archsearch.problem.expressions import parse
from archsearch.problem.loading import assumptions, load_problem
from archsearch.problem.space import SearchSpace
from archsearch.training.score import no_change, score


def test_arrays_come_back_as_they_were_written(tmp_path: Path) -> None:
    problem, written = load_problem(str(write_space(tmp_path))), arrays()
    train = problem.train.trajectories
    assert train.ids == ("1", "2", "3")
    assert train.states.shape == (3, 16, POINTS, 1)
    assert train.grid == (POINTS,)
    assert train.lengths.tolist() == [16, 13, 16]
    np.testing.assert_array_equal(train.states[0, ..., 0], written["c"][0])
    np.testing.assert_array_equal(train.states[1, :13, :, 0], written["c"][1, :13])
    assert np.isnan(train.states[1, 13:]).all(), "padding is not observed"
    assert (train.times[1, 13:] == written["time"][1, 12]).all()
    assert np.isnan(train.states[2, 4, 7, 0])
    np.testing.assert_array_equal(train.inputs[2, :, 0], written["feed"][2])
    assert problem.space.spacing == (0.05,)
    assert "the spacing along depth is that of its coordinates: 0.05 mm" in assumptions(problem.space)
    assert problem.scales == pytest.approx([np.nanstd(train.states)])


def test_one_film_alone_is_split_by_time(tmp_path: Path) -> None:
    space = SPACE.replace('by = "trajectory"\nvalidation = ["4"]\ntest = ["5"]', 'by = "time"\nvalidation_from = 1.0')
    whole = arrays()
    folder = write_space(tmp_path, space, time=whole["time"][0], c=whole["c"][0], feed=whole["feed"][0])
    problem = load_problem(str(folder))
    assert problem.train.trajectories.states.shape == (1, 10, POINTS, 1)
    assert problem.validation.trajectories.states.shape == (1, 16, POINTS, 1)
    assert problem.validation.scored.sum() == 6
    assert problem.validation.start == "continue"


def test_axes_of_a_plane_keep_their_order(tmp_path: Path) -> None:
    second = '[[axes]]\nname = "across"\nunit = "mm"\nspacing = 0.2\n\n[[states]]'
    films = np.random.default_rng(0).uniform(1, 2, (5, 16, POINTS, 7))
    problem = load_problem(str(write_space(tmp_path, SPACE.replace("[[states]]", second, 1), c=films)))
    assert problem.train.trajectories.grid == (POINTS, 7)
    assert problem.space.spacing == (0.05, 0.2)
    np.testing.assert_array_equal(problem.train.trajectories.states[0, ..., 0], films[0])


SPACE_ERRORS = {
    "unknown boundary": ('"neumann"', '"no-flux"', r"grid\.boundary: expected .*\"neumann\" \(no flux.*'no-flux'"),
    "no boundary": ('boundary = "neumann"', "", r"grid\.boundary: expected .* beside \[\[axes\]\], found none"),
    "no axes": ('[[axes]]\nname = "depth"\nunit = "mm"\n', "", r"axes: expected \[\[axes\]\] .* found none"),
    "a grid is needed": (
        '[grid]\nboundary = "neumann"\n\n[[axes]]\nname = "depth"\nunit = "mm"\n',
        "",
        r"terms\.diffusion\.expression: expected \[grid\] and \[\[axes\]\] for laplacian\(\.\.\.\), found none",
    ),
    "a wrong spacing": (
        'unit = "mm"',
        'unit = "mm"\nspacing = 0.0',
        r"axes\.depth\.spacing: expected a number above 0",
    ),
    "no spacing of its own": ('unit = "mm"', 'unit = "mm"\nstep = 0.1', r"axes\.depth\.step: .* unknown key 'step'"),
    "another length": ('unit = "mm**2/d"', 'unit = "cm**2/d"', r"terms\.diffusion\.expression: .* 100 times that"),
    "two lengths": ("[[states]]", '[[axes]]\nname = "x"\nunit = "cm"\n\n[[states]]', r"axes\.x\.unit: expected 'mm'"),
    "a name twice": ('name = "depth"', 'name = "c"', r"c: expected a name of its own"),
    "a coordinate in a term": ("D * laplacian(c)", "D * depth * laplacian(c)", r"found the axis of the grid 'depth'"),
    "nothing varies": ("laplacian(c)", "laplacian(feed)", r"expected states in laplacian\(\.\.\.\), found feed"),
    "a number": ("laplacian(c)", "laplacian(2.0)", r"expected a state in laplacian\(\.\.\.\), found a number"),
    "not measured": ('unit = "g/L"', "observed = false\ninitial = 1.0", r"states\.c\.observed: expected true"),
    "bounds": ('unit = "g/L"', "initial = { low = 0.0, high = 1.0 }", r"states\.c\.initial: expected .*, found bounds"),
    "a region": (
        'by = "trajectory"\nvalidation = ["4"]\ntest = ["5"]',
        'by = "region"\nvalidation_where = "c > 1"',
        r"split\.by: expected \"trajectory\" or \"time\" .* found 'region'",
    ),
    "a warm-up": ('test = ["5"]', 'start = "warmup"', r"split\.start: expected \"first\" or \"continue\""),
    "a bent limit": (
        "[[slots]]",
        '[[constraints]]\nname = "flat"\nexpression = "laplacian(c) <= 1"\n\n[[slots]]',
        r"constraints\.flat\.expression: expected a condition on the values at a point",
    ),
}


@pytest.mark.parametrize("name", SPACE_ERRORS)
def test_a_wrong_space_is_told_by_its_key(tmp_path: Path, name: str) -> None:
    old, new, finding = SPACE_ERRORS[name]
    assert old in SPACE
    with pytest.raises(SpaceError) as raised:
        load_problem(str(write_space(tmp_path, SPACE.replace(old, new, 1))))
    assert re.search(finding, str(raised.value)), str(raised.value)


FILMS = arrays()["c"]
DATA_ERRORS: dict[str, tuple[dict[str, np.ndarray | None], str]] = {
    "no state": ({"c": None}, r"expected an array 'c' \(states\.c\), found time, feed, depth"),
    "a missing axis": ({"c": FILMS[0, :, 0]}, r"'c' \(states\.c\): expected \(trajectories, times, depth\).*\(16,\)"),
    "an axis too many": ({"c": FILMS[..., None]}, r"expected .*found the shape \(5, 16, 20, 1\)"),
    "other coordinates": ({"depth": np.arange(19.0)}, r"expected 20 coordinates of 'depth', .* \(19,\)"),
    "no coordinates": ({"depth": None}, r"expected coordinates in an array 'depth' \(axes\.depth\)"),
    "uneven coordinates": ({"depth": np.arange(20.0) ** 2}, r"increase by equal steps, found steps from 1 to 37"),
    "falling coordinates": ({"depth": -np.arange(20.0)}, r"increase by equal steps"),
    "other times": ({"time": np.arange(15.0)}, r"expected the shape \(5, 16\).* in 'time', found \(15,\)"),
    "times that fall": ({"time": -np.arange(16.0)}, r"times that increase.*trajectory #1"),
    "a feed on the grid": ({"feed": FILMS}, r"expected one number per time in the input 'feed'"),
    "a gap in the feed": ({"feed": np.full((5, 16), np.nan)}, r"every time of the input 'feed', found NaN"),
    "text": ({"c": np.full(FILMS.shape, "high")}, r"expected numbers in the array 'c'"),
    "infinite": ({"c": np.where(FILMS > 0.6, np.inf, FILMS)}, r"found infinite ones"),
    "a blind point": (
        {"c": np.where(np.arange(POINTS) == 3, np.nan, FILMS)},
        r"every point of the grid at some time, found none at 5 points, the first in trajectory #1",
    ),
    "a start with a hole": (
        {"c": np.where((np.arange(POINTS) == 3) & (np.arange(16) == 0)[:, None], np.nan, FILMS)},
        r"split\.start: expected an observation of 'c' where each rollout of the validation data starts",
    ),
    "two points": ({"c": FILMS[..., :2], "depth": np.arange(2.0)}, r"at least 3 points along 'depth', found 2"),
    "the same id": ({"trajectory": np.array(list("aabcd"))}, r"5 different ids of trajectories"),
}


@pytest.mark.parametrize("name", DATA_ERRORS)
def test_wrong_arrays_are_told_with_what_was_expected(tmp_path: Path, name: str) -> None:
    changed, message = DATA_ERRORS[name]
    with pytest.raises(DataError, match=message):
        load_problem(str(write_space(tmp_path, **changed)))


def test_a_spacing_that_is_not_that_of_the_coordinates_is_refused(tmp_path: Path) -> None:
    space = SPACE.replace('unit = "mm"', 'unit = "mm"\nspacing = 0.1', 1)
    with pytest.raises(DataError, match=r"expected a spacing of 0\.1 .*, found 0\.05"):
        load_problem(str(write_space(tmp_path, space)))


def test_tables_are_refused_where_arrays_are_needed(tmp_path: Path) -> None:
    folder = write_space(tmp_path, SPACE.replace("data.npz", "data.csv"))
    (folder / "data.csv").write_text("time,c\n0,1\n")
    with pytest.raises(DataError, match=r"expected an NPZ file where states are fields on a grid, found '\.csv'"):
        load_problem(str(folder))


def test_arrays_with_a_grid_and_no_axes_are_told_what_to_name(tmp_path: Path) -> None:
    start, end = SPACE.index("[grid]"), SPACE.index("[[states]]")
    text = (SPACE[:start] + SPACE[end:]).replace("D * laplacian(c)", "growth * c")
    with pytest.raises(DataError) as raised:
        load_problem(str(write_space(tmp_path, text, depth=None)))
    assert "[[axes]]" in raised.value.remedy


# ---- terms -----------------------------------------------------------------------------------------------------------


def test_a_term_is_read_as_source_latex_and_unit() -> None:
    term = parse("D * laplacian(c**2) + 1")
    assert term.to_source({"laplacian": '(0.1,), "neumann"'}) == 'D * laplacian(c**2, (0.1,), "neumann") + 1'
    assert parse("D * laplacian(c)").to_latex() == r"D\,\nabla^2 c"
    assert parse("laplacian(a + b)**2").to_latex() == r"\left(\nabla^2 \left(a + b\right)\right)^{2}"


def test_the_physics_as_given_is_written_with_the_grid_and_read_back(tmp_path: Path) -> None:
    space = load_problem(str(write_space(tmp_path))).space
    source = render(Genome(), space)
    assert 'self.D * laplacian(x.c, (0.05,), "neumann")' in source
    assert check(source, space) == []
    pieces = equations_of(source, space)["c"]
    assert pieces[0].latex == r"D\,\nabla^2 c"
    assert {piece.change for piece in pieces} == {"kept"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(0.05,)", "(0.1,)", "The spacing (0.1,) is not that of the grid"),
        ("(0.05,)", "(0.05, 0.05)", "The spacing (0.05, 0.05) is not that of the grid"),
        ('"neumann"', '"periodic"', "The boundary 'periodic' is not that of the grid"),
        (', "neumann"', "", "The boundary 'periodic' is not that of the grid"),
        (
            "    def rhs",
            "    def limits(self, t, x, u):\n        return {'low': x.c}\n\n    def rhs",
            "there is no limits",
        ),
        ("    def rhs", '    regularizers = {"physics_alone": 1.0}\n\n    def rhs', "'physics_alone' is not available"),
    ],
)
def test_a_candidate_that_does_not_fit_the_grid_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    space = load_problem(str(write_space(tmp_path))).space
    source = render(Genome(), space)
    assert old in source
    assert any(message in finding.message for finding in check(source.replace(old, new, 1), space))


def test_an_operator_needs_a_grid(tmp_path: Path) -> None:
    space = load_problem(str(write_space(tmp_path))).space
    source = render(Genome(), space)
    without = SearchSpace.model_validate(space.model_dump() | {"axes": (), "grid": {}})
    assert any("'laplacian' needs a grid" in finding.message for finding in check(source, without))


# ---- scores ----------------------------------------------------------------------------------------------------------


def test_a_score_counts_every_observed_point_alike_and_nothing_else(tmp_path: Path) -> None:
    problem = load_problem(str(write_space(tmp_path)))
    part = problem.train
    predicted = np.nan_to_num(part.trajectories.states) + 0.3
    predicted[0, 2, 5] += 0.4
    found = score(problem, part, predicted)
    seen = (16 + 13 + 16) * POINTS - 1
    rmse = np.sqrt((0.09 * (seen - 1) + 0.49) / seen)
    assert found.rmse["c"] == pytest.approx(rmse, rel=1e-3)
    assert found.nrmse == pytest.approx(rmse / problem.scales[0], rel=1e-3)
    assert found.diverged == 0
    predicted[1, 3, 2] = np.inf
    assert score(problem, part, predicted).diverged == 1
    assert score(problem, part, predicted).nrmse == np.inf


def test_a_constraint_is_looked_at_at_every_point(tmp_path: Path) -> None:
    space = SPACE.replace('name = "feeding"\nexpression = "feed"', 'name = "feeding"\nexpression = "growth * feed"')
    space += '\n[[constraints]]\nname = "cap"\nexpression = "c <= feed"\n'
    feed = np.where(np.arange(16) > 8, 2.0, 1.5)
    problem = load_problem(str(write_space(tmp_path, space.replace("g/(L*d)", "g/L"), feed=feed)))
    predicted = np.ones_like(problem.train.trajectories.states)
    predicted[0, 3, 4] = 2.25
    predicted[2, 10, 4] = 2.7
    assert score(problem, problem.train, predicted).constraints == {"cap": pytest.approx(0.75)}


def test_no_change_is_the_first_frame(tmp_path: Path) -> None:
    part = load_problem(str(write_space(tmp_path))).validation
    held = no_change(part)
    np.testing.assert_array_equal(held, np.broadcast_to(part.trajectories.states[:, :1], held.shape))
