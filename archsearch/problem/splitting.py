"""Split trajectories into what is fitted, what ranks and what is sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from archsearch.errors import DataError, did_you_mean
from archsearch.problem.defaults import with_default
from archsearch.problem.expressions import parse_condition
from archsearch.problem.problem import Part
from archsearch.problem.space import SearchSpace, SplitTable
from archsearch.problem.trajectories import Bools, Floats, Trajectories, over

Start = Literal["first", "warmup", "continue"]
Parts = tuple[Part, Part, Part | None]

FRACTION, HELD_OUT_TIME = 0.2, 0.25
FEWEST = 2
"""A trajectory with fewer samples to train on has no rate."""


def completed(split: SplitTable, trajectories: Trajectories) -> SplitTable:
    """A split with everything filled in that it leaves open."""
    count = len(trajectories)
    if "by" not in split.model_fields_set and split.validation_from is None and split.start != "continue" and count > 1:
        split = with_default(split, by="trajectory")
        if split.test is None and count > 2:
            split = with_default(split, test=FRACTION)
    if split.by == "trajectory" and split.validation is None:
        split = with_default(split, validation=FRACTION)
    if split.by == "time" and split.validation_from is None:
        split = with_default(split, validation_from=_last_quarter(trajectories, split))
    if split.start is None:
        split = with_default(split, start="continue" if split.by == "time" else "first")
    return split


def split_parts(trajectories: Trajectories, space: SearchSpace) -> Parts:
    """The training, validation and test part by the split of the space, which must be complete.

    Raises:
        DataError: the data cannot be split so.
    """
    by_time = space.split.by == "time"
    train, validation, test = _by_time(trajectories, space) if by_time else _by_trajectory(trajectories, space)
    for name, part in (("validation", validation), ("test", test)):
        if part is not None:
            _check_held_out(part, space, name)
    return train, validation, test


def _last_quarter(trajectories: Trajectories, split: SplitTable) -> float:
    """The time from which on a quarter of all samples lie."""
    sealed = split.test if isinstance(split.test, tuple) else ()
    kept = [row for row, name in enumerate(trajectories.ids) if name not in sealed]
    times = np.sort(trajectories.times[kept][trajectories.valid[kept]])
    if times.size == 0:
        raise DataError("split.test: expected some trajectories to be left to train on, found all of them in the test")
    return float(times[times.size - max(1, round(times.size * HELD_OUT_TIME))])


def _train_part(trajectories: Trajectories) -> Part:
    return Part(trajectories, given=trajectories.valid, scored=trajectories.valid, start="first")


def _by_time(trajectories: Trajectories, space: SearchSpace) -> Parts:
    split = space.split
    first = float(split.validation_from or 0.0)
    sealed = _rows(trajectories, split.test, "test") if isinstance(split.test, tuple) else []
    rest = trajectories.take([row for row in range(len(trajectories)) if row not in sealed])
    if not len(rest):
        raise DataError("split.test: expected some trajectories to be left to train on, found all of them in the test")
    train = _train_part(rest.until(_count_before(rest, first, "split.validation_from", FEWEST)))
    if split.test_from is None:
        seen, test = rest, _whole(trajectories.take(sealed), space) if sealed else None
    else:
        ends = _count_before(rest, split.test_from, "split.test_from", FEWEST)
        seen, test = rest.until(ends), _window(rest, first, split.test_from, space, "test_from")
    return train, _window(seen, first, first, space, "validation_from"), test


def _count_before(trajectories: Trajectories, time: float, key: str, fewest: int) -> npt.NDArray[np.int64]:
    """(N,) numbers of samples before a time, refusing trajectories with too few."""
    counts = ((trajectories.times < time) & trajectories.valid).sum(1)
    for name, count in zip(trajectories.ids, counts.tolist(), strict=True):
        if count < fewest:
            raise DataError(
                f"{key}: expected at least {fewest} samples of each trajectory before {time:g}, "
                f"found {count} of '{name}'",
                "Choose a later time, or split by trajectory.",
            )
    return np.asarray(counts, dtype=np.int64)


def _window(trajectories: Trajectories, first: float, scored_from: float, space: SearchSpace, key: str) -> Part:
    """Rollouts that are scored from a time on and may see what comes before the first time held out."""
    split = space.split
    scored = (trajectories.times >= scored_from) & trajectories.valid
    rows = np.flatnonzero(scored.any(1)).tolist()
    if not rows:
        latest = float(trajectories.times.max())
        raise DataError(f"split.{key}: expected samples from {scored_from:g} on, found the last at {latest:g}")
    kept = trajectories.take(rows)
    if split.start == "warmup":
        kept = kept.between(np.maximum((kept.times < first).sum(1) - split.warmup, 0), kept.lengths)
    before = (kept.times < first) & kept.valid
    if split.start == "first":
        before = before & (np.arange(kept.times.shape[1]) == 0)[None, :]
    return Part(kept, given=before, scored=(kept.times >= scored_from) & kept.valid, start=split.start or "continue")


def _whole(trajectories: Trajectories, space: SearchSpace) -> Part:
    """Whole held-out trajectories: given is how they start, scored is all that follows; without time that is all."""
    start: Start = "warmup" if space.split.start == "warmup" else "first"
    count = 0 if space.is_static else space.split.warmup if start == "warmup" else 1
    given = trajectories.valid & (np.arange(trajectories.times.shape[1]) < count)[None, :]
    return Part(trajectories, given=given, scored=trajectories.valid & ~given, start=start)


def _by_trajectory(trajectories: Trajectories, space: SearchSpace) -> Parts:
    chosen = _by_region if space.split.by == "region" else _by_id
    validation, test = chosen(trajectories, space)
    train = [row for row in range(len(trajectories)) if row not in validation and row not in test]
    for name, rows in (("training", train), ("validation", validation)):
        if not rows:
            raise DataError(
                f"split: expected at least one trajectory for {name}, found none of {len(trajectories)}",
                'With few trajectories, split by = "time".',
            )
    sealed = _whole(trajectories.take(test), space) if test else None
    return _train_part(trajectories.take(train)), _whole(trajectories.take(validation), space), sealed


def _by_id(trajectories: Trajectories, space: SearchSpace) -> tuple[list[int], list[int]]:
    """Rows for validation and test: as listed, or drawn from what is not listed."""
    split = space.split
    rows = {
        key: _rows(trajectories, ids, key)
        for key in ("validation", "test")
        if isinstance(ids := getattr(split, key), tuple)
    }
    listed = {row for own in rows.values() for row in own}
    free = [row for row in range(len(trajectories)) if row not in listed]
    drawn = [free[place] for place in np.random.default_rng(split.seed).permutation(len(free))]
    for key in ("test", "validation"):
        fraction = getattr(split, key)
        if isinstance(fraction, float):
            count = max(1, round(fraction * len(trajectories)))
            rows[key], drawn = sorted(drawn[:count]), drawn[count:]
    return rows.get("validation", []), rows.get("test", [])


def _rows(trajectories: Trajectories, ids: Sequence[str], key: str) -> list[int]:
    for name in ids:
        if name not in trajectories.ids:
            known = ", ".join(trajectories.ids[:10]) + (", ..." if len(trajectories) > 10 else "")
            found = f"found '{name}'{did_you_mean(name, trajectories.ids)}"
            raise DataError(f"split.{key}: expected ids of trajectories ({known}), {found}")
    return [row for row, name in enumerate(trajectories.ids) if name in ids]


def _by_region(trajectories: Trajectories, space: SearchSpace) -> tuple[list[int], list[int]]:
    """Rows for validation and test by a condition on the first observation; what is in both regions is test."""
    split = space.split
    test = _holding(trajectories, space, split.test_where, "test_where")
    validation = _holding(trajectories, space, split.validation_where, "validation_where")
    return [row for row in validation if row not in test], test


def _holding(trajectories: Trajectories, space: SearchSpace, text: str | None, key: str) -> list[int]:
    if text is None:
        return []
    condition = parse_condition(text)
    values = dict(zip(space.state_names, trajectories.states[:, 0].T, strict=True))
    values |= dict(zip(space.input_names, trajectories.inputs[:, 0].T, strict=True))
    for name in sorted(condition.names):
        _refuse_unseen(trajectories, values[name], f"split.{key}: expected a first observation of '{name}'")
    return np.flatnonzero(np.broadcast_to(condition.holds(values), (len(trajectories),))).tolist()


def _refuse_unseen(trajectories: Trajectories, values: Floats, expected: str) -> None:
    missing = np.flatnonzero(np.isnan(values))
    if missing.size:
        raise DataError(f"{expected} in every trajectory, found none in '{trajectories.ids[missing[0]]}'")


def _check_held_out(part: Part, space: SearchSpace, name: str) -> None:
    """There is something to score, and rollouts have something to start from."""
    _check_lengths(part, space, name)
    counted = [space.state_names.index(state) for state in space.objective.states or space.observed_names]
    if not (over(part.scored, part.trajectories.states) & part.trajectories.observed[..., counted]).any():
        states = ", ".join(space.state_names[column] for column in counted)
        raise DataError(f"split: expected observations of {states} to score in the {name} data, found none")
    if part.start == "continue" or space.is_static:
        return
    seen: Bools = np.asarray(np.any(over(part.given, part.trajectories.states) & part.trajectories.observed, axis=1))
    for column, state in enumerate(space.states):
        if state.observed and isinstance(state.initial, str):
            everywhere = np.asarray(seen[..., column].reshape(len(seen), -1).all(1))
            _check_start(part, everywhere, state.name, name, space)


def _check_lengths(part: Part, space: SearchSpace, name: str) -> None:
    short = np.flatnonzero(~np.any(part.scored, axis=1))
    if short.size:
        label, length = part.trajectories.ids[short[0]], int(part.trajectories.lengths[short[0]])
        raise DataError(
            f"split.warmup: expected trajectories longer than {space.split.warmup} samples in the {name} data, "
            f"found {length} in '{label}'"
        )


def _check_start(part: Part, seen: Bools, state: str, name: str, space: SearchSpace) -> None:
    if not seen.all():
        label = part.trajectories.ids[int(np.argmax(~seen))]
        remedy = 'Give the predictor more samples: start = "warmup" with a larger warmup.'
        if space.is_field:
            remedy = "It must be there at every point of the grid: leave out what comes before, or split by time."
        raise DataError(
            f"split.start: expected an observation of '{state}' where each rollout of the {name} data starts, "
            f"found none in '{label}'",
            remedy,
        )
