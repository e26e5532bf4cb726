"""Forecasts: honest intervals, a track record of what was really forecast, and silence where little is known."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from review_runs import BY_HAND, HUNTING, SATURATED

from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.render import render
from archsearch.problem.loading import load_problem
from archsearch.review.features import features_of
from archsearch.review.forecasts import Forecasts
from archsearch.review.prediction import LEAST, SHARE, Prediction

Features = Mapping[str, float]
WORLDS, RESULTS = 12, 60


def world(seed: int, count: int = RESULTS) -> tuple[list[Features], list[float]]:
    """Candidates of ten yes-or-no choices, and errors that add up from their effects, interactions and noise."""
    generator = np.random.default_rng(seed)
    effects, pairs = generator.normal(0, 0.3, 10), generator.normal(0, 0.1, (10, 10))
    chosen = generator.random((count, 10)) < 0.4
    logs = chosen @ effects + ((chosen @ pairs) * chosen).sum(1) + generator.normal(0, 0.05, count) - 1.0
    features = [{f"choice {place}": 1.0 for place in np.flatnonzero(row)} for row in chosen]
    return features, list(np.exp(logs))


def learned(seed: int, count: int = RESULTS) -> Prediction:
    prediction = Prediction()
    prediction.learn(list(range(count)), *world(seed, count))
    return prediction


def test_intervals_hold_about_as_many_results_as_they_say() -> None:
    held = [held for seed in range(WORLDS) for held in learned(seed).held]
    assert len(held) == WORLDS * (RESULTS - LEAST)
    assert SHARE - 0.08 < np.mean(held) < SHARE + 0.12


def test_forecasts_are_sharper_than_the_spread_of_all_results() -> None:
    features, values = world(3)
    prediction = learned(3)
    expected = [prediction.expect(item, number) for number, item in enumerate(features)]
    widths = [math.log(item.interval[1] / item.interval[0]) for item in expected[RESULTS // 2 :] if item is not None]
    plain = np.quantile(np.log(values), [0.5 - SHARE / 2, 0.5 + SHARE / 2])
    assert np.median(widths) < 0.75 * (plain[1] - plain[0])


def test_the_forecast_on_record_is_the_one_that_was_made_before_the_result_was_known() -> None:
    features, values = world(1, 20)
    growing = Prediction()
    for number in range(20):
        before = growing.expect(features[number])
        growing.learn([number], [features[number]], [values[number]])
        on_record = growing.expect(features[number], number)
        assert (before is None) == (on_record is None) == (number < LEAST)
        if before is not None and on_record is not None:
            assert on_record.interval == pytest.approx(before.interval, rel=1e-9)


def test_one_by_one_or_all_at_once_gives_the_same() -> None:
    features, values = world(2, 30)
    growing = Prediction()
    for place in range(0, 30, 7):
        numbers = list(range(place, min(place + 7, 30)))
        growing.learn(numbers, [features[number] for number in numbers], [values[number] for number in numbers])
    at_once = learned(2, 30)
    assert growing.held == at_once.held
    one, other = growing.expect({"new": 1.0}), at_once.expect({"new": 1.0})
    assert one is not None
    assert other is not None
    assert one.interval == pytest.approx(other.interval, rel=1e-9)


def test_what_was_never_seen_is_forecast_with_a_wider_interval() -> None:
    prediction = learned(4)
    known, new = (
        prediction.expect(world(4)[0][0]),
        prediction.expect({f"unheard of {place}": 1.0 for place in range(9)}),
    )
    assert known is not None
    assert new is not None
    assert new.scale > 2 * known.scale


def test_with_too_few_results_nothing_is_said() -> None:
    features, values = world(0, LEAST)
    prediction = Prediction()
    prediction.learn([0, 1, 2], features[:3], values[:3])
    assert LEAST == 4
    assert prediction.expect(features[3]) is None
    assert Forecasts().error(0, BY_HAND, None) is None
    assert Forecasts().track_record == "No forecast was put to the test yet."


def test_a_thousand_results_are_learned_in_seconds_and_the_next_forecast_takes_milliseconds() -> None:
    from time import process_time

    features, values = world(5, 1000)
    start = process_time()
    prediction = Prediction()
    prediction.learn(list(range(1000)), features, values)
    middle = process_time()
    prediction.expect(features[0])
    assert middle - start < 4.0
    assert process_time() - middle < 0.05


def test_features_tell_alike_from_unlike_whoever_wrote_the_source() -> None:
    space = load_problem("hare_lynx").space
    given = features_of(render(Genome(), space))

    def apart(source: str) -> float:
        other = features_of(source)
        return sum((given | other)[name] for name in given.keys() ^ other.keys())

    smaller = Genome(slots={"hunting": NetGene("scale", ("hare", "lynx"), (4,))})
    one, two = render(HUNTING, space), render(smaller, space)
    shuffled = BY_HAND.replace("x.hare * self.growth_rate", "self.growth_rate * x.hare")
    assert apart(render(Genome(), space)) == 0
    assert apart(render(SATURATED, space)) > 0
    assert features_of(BY_HAND) == features_of(shuffled)
    assert len(features_of(one).keys() ^ features_of(two).keys()) == 2
    assert features_of("this is not Python (") == {}
