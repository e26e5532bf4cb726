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
    assert "the time is the column 'Year', in yr" in told
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


def test_what_mostly_stays_the_same_is_an_input(tmp_path) -> None:
    rows = "".join(f"{b},{k},{k * b % 7},{0.1 * b if k < 4 else 0.5},{b}\n" for b in range(1, 5) for k in range(8))
    problem, told = start(tmp_path, "tank,hours,x,feed [L/h],dose\n" + rows)
    assert problem.space.state_names == ("x",)
    assert [(item.name, item.unit) for item in problem.space.inputs] == [("feed", "L/h"), ("dose", "1")]
    assert "inputs, set from outside, since they mostly stay the same: feed [L/h], dose" in told


def test_trajectories_are_told_apart_by_whatever_makes_their_times_increase(tmp_path) -> None:
    rows = "".join(f"{w},ok,{k},{(k * w) ** 0.5}\n" for w in (3, 7, 9) for k in range(6))
    problem, told = start(tmp_path, "cage,quality,minutes,x\n" + rows)
    assert problem.train.trajectories.ids + problem.validation.trajectories.ids
    assert (problem.space.data.trajectory, problem.space.problem.time_unit) == ("cage", "minute")
    assert "the column 'quality' is left out: it is always ok" in told


def test_words_beside_one_trajectory_do_not_cut_it(tmp_path) -> None:
    rows = "".join(f"{k},{'good' if k % 3 else 'bad'},{k % 5}\n" for k in range(12))
    problem, told = start(tmp_path, "t_h,quality,x\n" + rows)
    assert len(problem.train.trajectories) == 1
    assert problem.space.problem.time_unit == "hour"
    assert "the column 'quality' is left out: it holds text, such as bad" in told


def test_a_gap_at_the_start_of_a_trajectory_gives_it_a_warm_up(tmp_path) -> None:
    cells = {(2, 0): "", (2, 1): ""}
    rows = "".join(f"{b},{k},{k + b},{cells.get((b, k), k % 3)}\n" for b in range(1, 6) for k in range(9))
    problem, told = start(tmp_path, "batch,time,x,y\n" + rows)
    assert (problem.space.split.start, problem.space.split.warmup) == ("warmup", 3)
    assert "are given their first 3 samples" in told


def test_a_counter_of_rows_and_an_unknown_unit_are_told(tmp_path) -> None:
    rows = "".join(f"{k},{k * 0.5},{k % 3}\n" for k in range(9))
    problem, told = start(tmp_path, '"no",time [h],cells [10^6 cells/mL]\n' + rows)
    assert [(state.name, state.unit) for state in problem.space.states] == [("cells", "1")]
    assert "the column 'no' is left out: it numbers the rows" in told
    assert "'10^6 cells/mL' in the column 'cells [10^6 cells/mL]' is not known as a unit" in told


@pytest.mark.parametrize(
    ("heading", "name"), [("Größe", "Grosse"), ("µ max", "mu_max"), ("Δx", "Deltax"), ("x.1", "x_1"), ("é²", "e2")]
)
def test_headings_become_plain_names(tmp_path, heading: str, name: str) -> None:
    problem, _ = start(tmp_path, f"time,{heading}\n" + "".join(f"{k},{k % 3}\n" for k in range(9)))
    assert problem.space.state_names == (name,)
    assert problem.space.states[0].column == heading


def test_a_time_column_is_known_by_its_unit(tmp_path) -> None:
    problem, _ = start(tmp_path, "size,Zeitpunkt [min]\n" + "".join(f"{k**2},{k}\n" for k in range(9)))
    assert problem.space.data.time == "Zeitpunkt [min]"
    assert problem.space.state_names == ("size",)


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
        ("date,b\n2024-03-01,1\n2024-03-02,3\n2024-03-03,4\n", "'2024-03-01' in line 2"),
        ("b,timestamp\n1,2024-03-01 08:00\n2,2024-03-01 09:00\n3,2024-03-01 10:00\n", "numbers in the column 'times"),
        ("hours,b\n3,1\n2,3\n1,2\n", "times that increase in 'hours', found 2 after 3 in line 3"),
        ("hours,b\n1,1\n1,3\n2,2\n", "found the time 1 twice in line 3"),
        ("hours,b\n1,1\n,3\n2,2\n", "a number in every row of the time 'hours', found none in line 3"),
        ("t,b\n1,0.5\n2,<0.1\n3,0.4\n4,0.2\n", "'<0.1' in line 3"),
        ("t;b\n1;1.000,5\n2;0,5\n3;0,2\n", "'1.000,5' in line 2"),
    ],
)
def test_data_that_are_no_problem_leave_nothing_behind(tmp_path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        start(tmp_path, text)
    assert not (tmp_path / "mine").exists()
