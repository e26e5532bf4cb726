"""Parts never share a scored sample with what a candidate may see, whatever the split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archsearch.errors import DataError
from archsearch.problem.problem import Part
from archsearch.problem.space import DataTable, Input, ProblemTable, SearchSpace, SplitTable, State
from archsearch.problem.splitting import completed, split_parts
from archsearch.problem.trajectories import Trajectories


def trajectories(lengths: list[int], seed: int = 0) -> Trajectories:
    """Uneven grids, each trajectory with a state that tells trajectory and sample."""
    generator = np.random.default_rng(seed)
    longest = max(lengths)
    steps = generator.uniform(0.2, 1.8, (len(lengths), longest))
    column = np.minimum(np.arange(longest), np.array(lengths)[:, None] - 1)
    times = np.take_along_axis(np.cumsum(steps, axis=1) - steps[:, :1], column, axis=1)
    valid = np.arange(longest) < np.array(lengths)[:, None]
    label = 1000.0 * np.arange(len(lengths))[:, None] + np.arange(longest)
    states = np.where(valid, label, np.nan)[..., None]
    ids = tuple(f"t{row}" for row in range(len(lengths)))
    return Trajectories(ids, times, states, label[..., None], np.array(lengths, dtype=np.int64))


def space(**split: Any) -> SearchSpace:
    return SearchSpace(
        problem=ProblemTable(title="x"),
        data=DataTable(file="x"),
        split=SplitTable(**split),
        states=(State(name="x"),),
        inputs=(Input(name="u"),),
    )


def parts_of(data: Trajectories, **split: Any) -> tuple[Part, Part, Part | None]:
    whole = space(**split)
    return split_parts(data, whole.model_copy(update={"split": completed(whole.split, data)}))


def samples(part: Part, mask: np.ndarray) -> set[float]:
    return set(part.trajectories.states[..., 0][mask].tolist())


def check_honest(train: Part, validation: Part, test: Part | None) -> None:
    """What holds for every split."""
    fitted = samples(train, train.scored)
    held_out = [samples(part, part.scored) for part in (validation, test) if part is not None]
    for part, scored in zip((validation, test), held_out, strict=False):
        assert part is not None
        assert not (part.given & part.scored).any()
        assert not ((part.given | part.scored) & ~part.trajectories.valid).any()
        assert scored
        assert not scored & fitted
        assert not any(np.isnan(value) for value in scored)
        assert part.scored.any(1).all()
        assert part.given.any(1).all()
    if test is not None:
        assert not held_out[0] & held_out[1]
        assert not samples(train, train.given) & held_out[1]
        assert not samples(validation, validation.given) & held_out[1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(4, 12), min_size=1, max_size=5),
    st.floats(1.0, 4.0),
    st.one_of(st.none(), st.floats(4.1, 8.0)),
    st.sampled_from(["continue", "first", "warmup"]),
    st.integers(1, 4),
)
def test_splits_by_time_are_honest(
    lengths: list[int], first: float, second: float | None, start: str, warmup: int
) -> None:
    data = trajectories(lengths)
    try:
        parts = parts_of(data, by="time", validation_from=first, test_from=second, start=start, warmup=warmup)
    except DataError:
        assume(False)
    check_honest(*parts)
    train, validation, test = parts
    assert (train.trajectories.times[train.scored] < first).all()
    for part, begin in ((validation, first), (test, second)):
        if part is not None:
            assert (part.trajectories.times[part.scored] >= begin).all()
            assert (part.trajectories.times[part.given] < first).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(4, 9), min_size=3, max_size=9),
    st.floats(0.1, 0.4),
    st.one_of(st.none(), st.floats(0.1, 0.4)),
    st.sampled_from(["first", "warmup"]),
    st.integers(0, 5),
)
def test_splits_by_trajectory_are_honest(
    lengths: list[int], validation: float, test: float | None, start: str, seed: int
) -> None:
    data = trajectories(lengths)
    found = parts_of(data, by="trajectory", validation=validation, test=test, start=start, warmup=2, seed=seed)
    check_honest(*found)
    ids = [set(part.trajectories.ids) for part in found if part is not None]
    assert sum(map(len, ids)) == len(data) == len(set().union(*ids))
    assert found[1].given.sum(1).tolist() == [1 if start == "first" else 2] * len(found[1].trajectories)


def test_the_draw_hangs_on_the_seed_alone() -> None:
    data = trajectories([5] * 20)
    draws = [parts_of(data, by="trajectory", seed=seed)[1].trajectories.ids for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_listed_trajectories_are_held_out_whole() -> None:
    train, validation, test = parts_of(trajectories([5, 6, 7]), by="trajectory", validation=("t2",), test=("t0",))
    assert (train.trajectories.ids, validation.trajectories.ids) == (("t1",), ("t2",))
    assert test is not None
    assert test.scored.tolist() == [[False, True, True, True, True]]


def test_a_test_of_whole_trajectories_stays_out_of_a_split_by_time() -> None:
    train, validation, test = parts_of(trajectories([9, 9, 9]), by="time", validation_from=4.0, test=("t1",))
    assert train.trajectories.ids == validation.trajectories.ids == ("t0", "t2")
    assert test is not None
    assert (test.trajectories.ids, test.start, validation.start) == (("t1",), "first", "continue")


def test_what_lies_in_both_regions_is_test() -> None:
    data = trajectories([5, 5, 5])
    train, validation, test = parts_of(data, by="region", validation_where="x >= 1000", test_where="u > 1500")
    assert test is not None
    assert [part.trajectories.ids for part in (train, validation, test)] == [("t0",), ("t1",), ("t2",)]


def test_training_sees_all_of_its_samples_and_no_others() -> None:
    train, _, _ = parts_of(trajectories([9, 5]), by="time", validation_from=3.0)
    np.testing.assert_array_equal(train.given, train.trajectories.valid)
    np.testing.assert_array_equal(train.scored, train.trajectories.valid)
    assert train.trajectories.times.max() < 3.0


def test_a_warm_up_by_time_is_the_end_of_the_training_window() -> None:
    data = trajectories([9])
    first = float(data.times[0, 5])
    _, validation, _ = parts_of(data, by="time", validation_from=first, start="warmup", warmup=2)
    assert samples(validation, validation.given) == {3.0, 4.0}
    assert samples(validation, validation.scored) == {5.0, 6.0, 7.0, 8.0}
    np.testing.assert_array_equal(validation.trajectories.inputs[0, :, 0], [3, 4, 5, 6, 7, 8])


def test_without_a_word_one_trajectory_is_split_by_time_and_several_by_trajectory() -> None:
    train, validation, test = parts_of(trajectories([8]))
    assert (train.scored.sum(), validation.scored.sum(), test) == (6, 2, None)
    train, validation, test = parts_of(trajectories([5] * 10))
    assert test is not None
    assert [len(part.trajectories) for part in (train, validation, test)] == [6, 2, 2]
    train, validation, test = parts_of(trajectories([5] * 2))
    assert (len(train.trajectories), len(validation.trajectories), test) == (1, 1, None)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"by": "trajectory", "validation": ("t9",)}, "found 't9'"),
        ({"by": "trajectory", "validation": ("t0", "t1", "t2")}, "at least one trajectory for training"),
        ({"by": "region", "validation_where": "x > 1e9"}, "at least one trajectory for validation"),
        ({"by": "time", "validation_from": 99.0}, "found the last at"),
        ({"by": "time", "validation_from": 0.1}, "at least 2 samples"),
        ({"by": "time", "test": ("t0", "t1", "t2")}, "left to train on"),
        ({"by": "trajectory", "start": "warmup", "warmup": 9}, "longer than 9 samples"),
    ],
)
def test_splits_that_leave_nothing_are_told(split: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        parts_of(trajectories([5, 5, 5]), **split)


def test_a_rollout_that_would_start_from_nothing_is_told() -> None:
    data = trajectories([5, 5, 5])
    data.states[1, 0] = np.nan
    with pytest.raises(DataError, match="observation of 'x' where each rollout of the validation data starts"):
        parts_of(data, by="trajectory", validation=("t1",))
    parts_of(data, by="trajectory", validation=("t1",), start="warmup", warmup=2)
