"""What is wrong with the split of a space file."""

from __future__ import annotations

import math
from collections.abc import Iterator

from archsearch.problem.check_terms import condition_findings
from archsearch.problem.findings import show
from archsearch.problem.naming import Known
from archsearch.problem.space import SearchSpace, SplitTable

KEYS = {
    "trajectory": ("validation", "test"),
    "time": ("validation_from", "test_from", "test"),
    "region": ("validation_where", "test_where"),
}
"""The keys that each kind of split reads."""


def findings(space: SearchSpace, known: Known) -> list[str]:
    """Everything that is wrong with the split, as far as it shows without the data."""
    split = space.split
    found = [*_foreign(split), *_starts(split), *_fractions(split), *_ids(split), *_times(split)]
    return [f"split{finding}" for finding in [*found, *_regions(split, known)]]


def _given(split: SplitTable) -> list[str]:
    return [key for keys in KEYS.values() for key in keys if getattr(split, key) is not None]


def _foreign(split: SplitTable) -> Iterator[str]:
    """Keys that another kind of split reads would be passed over in silence."""
    for key in dict.fromkeys(_given(split)):
        if key not in KEYS[split.by]:
            others = " or ".join(f'by = "{by}"' for by, keys in KEYS.items() if key in keys)
            stated = f'found it with by = "{split.by}"' + ("" if "by" in split.model_fields_set else " (the default)")
            yield f".{key}: expected {others}, {stated}"


def _starts(split: SplitTable) -> Iterator[str]:
    if split.start == "continue" and split.by != "time":
        yield f'.start: expected first or warmup with by = "{split.by}", found \'continue\', which needs by = "time"'
    if "warmup" in split.model_fields_set and split.start != "warmup":
        yield f'.warmup: expected start = "warmup" beside it, found start = {show(split.start or "none")}'


def _fractions(split: SplitTable) -> Iterator[str]:
    """Fractions lie between 0 and 1, and leave something to train on."""
    fractions = {key: value for key in ("validation", "test") if isinstance(value := getattr(split, key), float)}
    for key, value in fractions.items():
        if not (math.isfinite(value) and 0 < value < 1):
            yield f".{key}: expected a fraction between 0 and 1, found {value:g}"
    if sum(fractions.values()) >= 1 and all(0 < value < 1 for value in fractions.values()):
        yield f".validation: expected validation + test below 1, found {sum(fractions.values()):g}"
    if split.by == "time" and "test" in fractions:
        yield f'.test: expected a list of trajectory ids with by = "time", found {fractions["test"]:g}; see test_from'


def _ids(split: SplitTable) -> Iterator[str]:
    lists = {key: value for key in ("validation", "test") if isinstance(value := getattr(split, key), tuple)}
    for key, ids in lists.items():
        if not ids:
            yield f".{key}: expected at least one trajectory id, found an empty list"
        for repeated in sorted({name for name in ids if ids.count(name) > 1}):
            yield f".{key}: expected each id once, found '{repeated}' {ids.count(repeated)} times"
    both = sorted(set(lists.get("validation", ())) & set(lists.get("test", ())))
    if both:
        yield f".test: expected ids that are not in validation, found {', '.join(map(repr, both))} in both"


def _times(split: SplitTable) -> Iterator[str]:
    first, second = split.validation_from, split.test_from
    for key, value in (("validation_from", first), ("test_from", second)):
        if value is not None and not math.isfinite(value):
            yield f".{key}: expected a finite time, found {value}"
    if second is not None and first is None and split.by == "time":
        yield f".validation_from: expected a time before test_from = {second:g}, found none"
    if first is not None and second is not None and not first < second:
        yield f".test_from: expected a time after validation_from = {first:g}, found {second:g}"
    if second is not None and split.test is not None and split.by == "time":
        yield ".test: expected either test_from or a list of ids, found both"


def _regions(split: SplitTable, known: Known) -> Iterator[str]:
    if split.by == "region" and split.validation_where is None:
        yield ".validation_where: expected a condition such as volume > 800, found none"
    for key in ("validation_where", "test_where"):
        text = getattr(split, key)
        if text is not None:
            yield from (f".{key}: {wrong}" for wrong in condition_findings(text, known))
