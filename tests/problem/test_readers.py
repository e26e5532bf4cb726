"""CSV, Parquet and NPZ give the same trajectories, and what was not measured stays missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars
import pytest

from archsearch.errors import DataError
from archsearch.problem.assembling import assemble
from archsearch.problem.readers import read_table
from archsearch.problem.space import DataTable, Input, ProblemTable, SearchSpace, SplitTable, State
from archsearch.problem.trajectories import Trajectories

NAN = np.nan
COLUMNS = {
    "batch": ["b", "b", "b", "a", "a", "a", "a"],
    "time": [0.0, 1.0, 4.0, 0.0, 0.5, 2.0, 7.0],
    "X": [1.0, NAN, 3.0, 4.0, 5.0, NAN, 7.0],
    "S": [NAN, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5],
    "F": [0.1, 0.1, 0.2, 0.3, 0.3, 0.3, 0.3],
}
STATES = (State(name="X"), State(name="hidden", observed=False, initial=1.0), State(name="substrate", column="S"))
SPACE = SearchSpace(
    problem=ProblemTable(title="batches"),
    data=DataTable(file="x", trajectory="batch"),
    split=SplitTable(),
    states=STATES,
    inputs=(Input(name="F"),),
)


def csv_text(separator: str) -> str:
    rows = zip(*COLUMNS.values(), strict=True)
    lines = [separator.join("" if cell != cell else str(cell) for cell in row) for row in rows]
    return "\n".join([separator.join(COLUMNS), *lines]) + "\n"


def write(path: Path) -> Path:
    if path.suffix == ".parquet":
        polars.DataFrame(COLUMNS, nan_to_null=True).write_parquet(path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: np.array(values) for name, values in COLUMNS.items()})
    else:
        path.write_text(csv_text("\t" if path.suffix == ".tsv" else ","), encoding="utf-8")
    return path


def read(path: Path, space: SearchSpace = SPACE) -> Trajectories:
    return assemble(read_table(path, space.data.time, space.data.trajectory), space)


def same(first: Trajectories, second: Trajectories) -> None:
    assert first.ids == second.ids
    for name in ("times", "states", "inputs", "lengths"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("ending", [".tsv", ".parquet", ".npz"])
def test_every_kind_of_file_gives_the_same_trajectories(tmp_path: Path, ending: str) -> None:
    same(read(write(tmp_path / f"data{ending}")), read(write(tmp_path / "data.csv")))


@pytest.mark.parametrize("prefix", ["\ufeff", "# a comment, with commas\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_marks_and_comments_change_nothing(tmp_path: Path, prefix: str, separator: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes((prefix + csv_text(separator)).replace("\n", "\r\n").encode())
    same(read(path), read(write(tmp_path / "data.csv")))


def test_decimal_commas_are_read_where_nothing_else_can_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "german.csv"
    path.write_text(csv_text(";").replace(".", ","))
    same(read(path), read(write(tmp_path / "data.csv")))
    assert read_table(path).decimal_comma
    assert not read_table(tmp_path / "data.csv").decimal_comma


def test_columns_may_be_aligned_with_spaces(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("time   X\n 0     1.5\n 10   -2.5 \n")
    table = read_table(path)
    np.testing.assert_array_equal(table.numbers("X", "a state"), [1.5, -2.5])
    np.testing.assert_array_equal(table.numbers("time", "the time"), [0, 10])


def test_what_utf16_says_is_read(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes(csv_text("\t").encode("utf-16"))
    same(read(path), read(write(tmp_path / "data.csv")))


def test_values_land_where_they_were_measured_and_gaps_stay_gaps(tmp_path: Path) -> None:
    found = read(write(tmp_path / "data.csv"))
    assert found.ids == ("b", "a")
    assert found.lengths.tolist() == [3, 4]
    np.testing.assert_array_equal(found.times, [[0, 1, 4, 4], [0, 0.5, 2, 7]])
    np.testing.assert_array_equal(found.states[0, :, 0], [1, NAN, 3, NAN])
    np.testing.assert_array_equal(found.states[1, :, 2], [4, 5, 6, 7.5])
    assert np.isnan(found.states[..., 1]).all()
    np.testing.assert_array_equal(found.inputs[..., 0], [[0.1, 0.1, 0.2, 0.2], [0.3] * 4])
    measured = sum(value == value for name in ("X", "S") for value in COLUMNS[name])
    assert int(found.observed.sum()) == measured
    assert not found.observed[~found.valid].any()


def test_rows_of_a_trajectory_need_not_stand_together(tmp_path: Path) -> None:
    rows = csv_text(",").splitlines()
    path = tmp_path / "mixed.csv"
    path.write_text("\n".join([rows[0], rows[1], rows[4], rows[2], rows[5], rows[3], rows[6], rows[7]]))
    same(read(path), read(write(tmp_path / "data.csv")))


@pytest.mark.parametrize("cell", ["", "NA", "nan", "NaN", "null", " None "])
def test_every_way_of_writing_nothing_is_missing(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(f"batch,time,X,S,F\n1,0,1,1,0\n1,1,{cell},1,0\n1,2,1,1,0\n")
    np.testing.assert_array_equal(read(path).states[0, :, 0], [1, NAN, 1])


def test_stacked_arrays_give_one_trajectory_per_row(tmp_path: Path) -> None:
    time = np.array([[0.0, 1.0, 2.0, NAN], [0.0, 1.0, 2.0, 5.0]])
    X = np.arange(8.0).reshape(2, 4)
    np.savez(tmp_path / "data.npz", time=time, X=X, S=X, F=0 * X)
    space = SPACE.model_copy(update={"data": DataTable(file="x")})
    found = read(tmp_path / "data.npz", space)
    assert found.ids == ("1", "2")
    assert found.lengths.tolist() == [3, 4]
    np.testing.assert_array_equal(found.states[:, :, 0], [[0, 1, 2, NAN], [4, 5, 6, 7]])


def test_stacked_arrays_may_share_their_times_and_name_their_rows(tmp_path: Path) -> None:
    X = np.arange(8.0).reshape(2, 4)
    np.savez(tmp_path / "data.npz", time=np.arange(4), batch=np.array(["u", "v"]), X=X, S=X, F=0 * X)
    found = read(tmp_path / "data.npz")
    assert found.ids == ("u", "v")
    np.testing.assert_array_equal(found.times, [[0, 1, 2, 3]] * 2)


def test_numbered_trajectories_have_whole_numbers_as_ids(tmp_path: Path) -> None:
    columns = COLUMNS | {"batch": [1, 1, 1, 10, 10, 10, 10]}
    polars.DataFrame(columns).write_parquet(tmp_path / "data.parquet")
    assert read(tmp_path / "data.parquet").ids == ("1", "10")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X": np.array([object()])}, "never loaded"),
        ({"X": np.zeros(3), "S": np.zeros(4)}, "arrays of one shape"),
        ({"X": np.zeros((2, 3)), "S": np.zeros((3, 2))}, "expected the shape"),
        ({"X": np.zeros((2, 3, 4))}, "arrays of one shape"),
        ({"X": np.zeros(3, dtype=complex)}, "numbers or text"),
        ({}, "found none"),
    ],
)
def test_arrays_that_are_no_columns_are_told(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=words):
        read(tmp_path / "data.npz")


def test_dates_in_parquet_are_told_as_such(tmp_path: Path) -> None:
    days = polars.date_range(polars.date(1978, 1, 22), polars.date(1978, 1, 28), eager=True)
    polars.DataFrame(COLUMNS).with_columns(time=days).write_parquet(tmp_path / "data.parquet")
    with pytest.raises(DataError, match="counted from the first sample"):
        read(tmp_path / "data.parquet")


def test_a_row_without_id_is_told(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(csv_text(",").replace("\nb,1.0", "\n,1.0"))
    with pytest.raises(DataError, match="a trajectory id in the column 'batch', found none in line 3"):
        read(path)
