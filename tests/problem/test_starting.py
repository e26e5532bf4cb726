"""From nothing but a data file, or from a known space, comes a space file that loads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars
import pytest

from archsearch.errors import DataError, RequestError
from archsearch.problem.loading import load_problem
from archsearch.problem.starting import new_space


def start(tmp_path: Path, text: str, name: str = "their data.csv"):
    data = tmp_path / name
    data.write_text(text, encoding="utf-8")
    told = new_space(tmp_path / "mine", None, data)
    return load_problem(str(tmp_path / "mine")), "\n".join(told)


def test_one_trajectory_with_a_year_is_split_by_time(tmp_path) -> None:
    rows = "".join(f"{1900 + k};{k % 5 + 1};{k % 3}\n" for k in range(12))
    problem, told = start(tmp_path, "\ufeffYear;Hare;Lynx\n" + rows)
    assert problem.space.state_names == ("Hare", "Lynx")
    assert (problem.space.problem.time_unit, problem.space.split.by) == ("yr", "time")
    assert problem.space.split.validation_from == 1909
    assert "the time is the column 'Year', its unit yr" in told
    assert "held out for validation" in told


def test_several_trajectories_are_split_by_trajectory(tmp_path) -> None:
    rows = "".join(f"{b},{k},{k * b + 1},{k % 2}\n" for b in "123" for k in range(5) for b in [int(b)])
    problem, told = start(tmp_path, "batch,time,x,y\n" + rows)
    assert problem.space.data.trajectory == "batch"
    assert problem.space.split.by == "trajectory"
    assert problem.test is not None
    assert "'batch' tells trajectories apart" in told


def test_units_in_column_names_are_used_and_odd_names_made_plain(tmp_path) -> None:
    rows = "".join(f"{k},{k + 1},{k * k},{k % 3},site A,5\n" for k in range(8))
    problem, told = start(tmp_path, 'time [h],S [g/L],"Biomass, dry (g/L)",exp,site,constant\n' + rows)
    assert [(state.name, state.unit) for state in problem.space.states] == [
        ("S", "g/L"),
        ("Biomass_dry", "g/L"),
        ("exp_state", "1"),
    ]
    assert problem.space.problem.time_unit == "h"
    assert "'site' is left out" in told
    assert "'constant' is left out" in told


def test_a_time_column_is_found_by_its_values_if_not_by_its_name(tmp_path) -> None:
    problem, _ = start(tmp_path, "a,moment,b\n" + "".join(f"{k % 2},{k * 0.5},{-k % 3}\n" for k in range(9)))
    assert problem.space.data.time == "moment"
    assert problem.space.state_names == ("a", "b")


@pytest.mark.parametrize("ending", ["parquet", "npz"])
def test_other_kinds_of_files_do_as_well(tmp_path, ending: str) -> None:
    columns = {"time": np.arange(8.0), "x": np.arange(8.0) % 3}
    data = tmp_path / f"data.{ending}"
    if ending == "npz":
        np.savez(data, **columns)
    else:
        polars.DataFrame(columns).write_parquet(data)
    new_space(tmp_path / "mine", None, data)
    assert load_problem(str(tmp_path / "mine")).space.state_names == ("x",)


def test_titles_and_names_with_quotes_survive(tmp_path) -> None:
    data = tmp_path / 'a "quoted" name.csv'
    data.write_text('time,"x\\"\n' + "".join(f"{k},{k % 3}\n" for k in range(8)))
    new_space(tmp_path / 'my "space"', None, data)
    assert load_problem(str(tmp_path / 'my "space"')).space.data.file == 'a "quoted" name.csv'


def test_data_that_lie_in_the_folder_already_stay(tmp_path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("time,x\n" + "".join(f"{k},{k % 3}\n" for k in range(8)))
    new_space(tmp_path, None, data)
    assert load_problem(str(tmp_path)).space.state_names == ("x",)


def test_a_copy_of_a_space_is_the_same_problem(tmp_path, make_space) -> None:
    source = make_space()
    new_space(tmp_path / "copy", str(source), None)
    assert load_problem(str(tmp_path / "copy")).fingerprint == load_problem(str(source)).fingerprint


def test_nothing_is_overwritten(tmp_path, make_space) -> None:
    source = make_space()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "data.csv").write_text("mine")
    for target, word in ((source, "space.toml"), (tmp_path / "full", "data.csv")):
        with pytest.raises(RequestError, match=word):
            new_space(target, str(source), None)
    assert (tmp_path / "full" / "data.csv").read_text() == "mine"
    assert not (tmp_path / "full" / "space.toml").exists()


def test_a_file_in_the_way_is_told(tmp_path, make_space) -> None:
    source = make_space()
    (tmp_path / "taken").write_text("")
    with pytest.raises(RequestError, match="found the file"):
        new_space(tmp_path / "taken", str(source), None)


def test_two_sources_are_one_too_many(tmp_path) -> None:
    with pytest.raises(RequestError, match="found both"):
        new_space(tmp_path / "mine", "hare_lynx", tmp_path / "data.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n3,1\n2,2\n3,1\n", "expected a time column"),
        ("time,b\n1,1\n2,1\n3,1\n", "expected a column of numbers that change"),
        ("time,b\n1,1\n2,2\n", "at least 3 samples"),
    ],
)
def test_data_that_are_no_problem_leave_nothing_behind(tmp_path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        start(tmp_path, text)
    assert not (tmp_path / "mine").exists()
