"""What the evaluated candidates of a run let one expect of the next: its error, its seconds, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from archsearch.candidate.outcome import Evaluation
from archsearch.review.card import Forecast
from archsearch.review.features import features_of
from archsearch.review.prediction import LEAST, SHARE, Expected, Prediction
from archsearch.review.wording import four, listed
from archsearch.study.reader import RunReader

FAILED_NEARBY = 8
"""The nearest evaluated candidates among which failures are counted."""


class Forecasts:
    """Learns from the evaluations of a run as they come."""

    def __init__(self) -> None:
        self._errors, self._seconds = Prediction(), Prediction()
        self._known: set[int] = set()
        self._failed: set[int] = set()

    def knows(self, number: int) -> bool:
        """Whether the evaluation of this candidate was taken into account."""
        return number in self._known

    def follow(self, reader: RunReader) -> None:
        """Take into account what is new in a run."""
        new = [item for item in reader.evaluations.values() if not self.knows(item.number)]
        self.learn(new, {item.number: reader.source(item.number) for item in new})

    def learn(self, evaluations: Iterable[Evaluation], sources: Mapping[int, str]) -> None:
        """Take evaluations into account that are new, in the order of their numbers."""
        new = sorted((item for item in evaluations if item.number not in self._known), key=lambda item: item.number)
        self._known |= {item.number for item in new}
        self._failed |= {item.number for item in new if item.validation is None}
        scored = [item for item in new if item.validation is not None and 0 < item.error < math.inf]
        timed = [item for item in new if item.seconds > 0]
        for prediction, items, values in (
            (self._errors, scored, [item.error for item in scored]),
            (self._seconds, timed, [item.seconds for item in timed]),
        ):
            numbers = [item.number for item in items]
            prediction.learn(numbers, [features_of(sources[number]) for number in numbers], values)

    def error(self, number: int, source: str, parent: float | None) -> Forecast | None:
        """The validation nrmse that is, or before its evaluation was, expected; None if there is too little to say.

        Args:
            number: of the candidate.
            source: the candidate.
            parent: the error of what it is compared with, if that is known.
        """
        features = features_of(source)
        expected = self._errors.expect(features, number)
        if expected is None:
            return None
        nearest = self._errors.nearest(features, number=number)
        against = f" {_chance(expected, parent)}" if parent is not None and parent > 0 else ""
        return _forecast(expected, nearest, f"nrmse {_told(expected)}.{against} {_basis(expected, nearest)}")

    def seconds(self, number: int, source: str) -> Forecast | None:
        """How long its evaluation is, or before it was, expected to take; None if there is too little to say."""
        features = features_of(source)
        expected = self._seconds.expect(features, number)
        if expected is None:
            return None
        nearest = self._seconds.nearest(features, number=number)
        return _forecast(expected, nearest, f"{_told(expected, ' s')}. {_basis(expected, nearest)}")

    def note(self, number: int, source: str) -> str:
        """What there is to say besides: too few results, failures nearby."""
        features = features_of(source)
        if self._errors.expect(features, number) is None:
            return f"Too few results to say what its error will be: it takes {LEAST}."
        near = self._seconds.nearest(features, FAILED_NEARBY, number)
        failed = sum(item in self._failed for item in near)
        return f"Of the {len(near)} candidates that are most alike, {failed} failed." if failed else ""

    @property
    def track_record(self) -> str:
        """How many results lay in the interval that was forecast for them."""
        held = self._errors.held
        if not held:
            return "No forecast was put to the test yet."
        verb = "result lay" if sum(held) == 1 else "results lay"
        return f"{sum(held)} of {len(held)} {verb} in the interval that was forecast; {SHARE:.0%} should."


def _forecast(expected: Expected, nearest: tuple[int, ...], text: str) -> Forecast:
    low, high = expected.interval
    return Forecast(value=math.exp(expected.middle), low=low, high=high, neighbours=nearest, text=text)


def _told(expected: Expected, unit: str = "") -> str:
    low, high = expected.interval
    return f"{_two(math.exp(expected.middle))}{unit}, with {SHARE:.0%} chance {_two(low)} to {_two(high)}{unit}"


def _chance(expected: Expected, parent: float) -> str:
    return f"Better than the {four(parent)} that it is compared with: {expected.below(parent):.0%} chance."


def _basis(expected: Expected, nearest: tuple[int, ...]) -> str:
    return f"From {expected.rests_on} results; nearest: {listed([f'no. {number}' for number in nearest])}."


def _two(value: float) -> str:
    """Two significant digits, as much as a forecast is worth; never in powers of ten below a million."""
    if not 1e-4 < value < 1e6:
        return f"{value:.1e}"
    digits = max(0, 1 - math.floor(math.log10(value)))
    return f"{round(value, 1 - math.floor(math.log10(value))):.{digits}f}"
