"""What is said of the time left is arithmetic, and a terminal shows what plain lines say."""

from __future__ import annotations

import json

import pytest

from archsearch.candidate.outcome import Evaluation, Failure, Score
from archsearch.cli.output import console, plain_table, print_json
from archsearch.cli.plain import line
from archsearch.cli.tally import Tally, clock
from archsearch.settings import Budget


def evaluated(number: int, nrmse: float | None) -> Evaluation:
    failure = (
        Failure(kind="time", message="It took more than 3 s.", remedy="Make it smaller.") if nrmse is None else None
    )
    score = None
    if nrmse is not None:
        score = Score(nrmse=nrmse, rmse={"x": nrmse}, per_trajectory={"1": nrmse}, trajectories=1, diverged=0)
    return Evaluation(
        number=number,
        candidate=f"c{number}",
        author="grammar",
        claim="A claim.",
        status="failed" if failure else "ok",
        failure=failure,
        validation=score,
        seconds=1.25,
    )


def test_the_time_left_follows_the_pace_of_this_session() -> None:
    tally = Tally(Budget(trials=10), [evaluated(0, 0.5), evaluated(1, 0.4)], started=100.0)
    assert tally.seconds_left(100.0) is None
    tally.count(evaluated(2, 0.6))
    tally.count(evaluated(3, None))
    assert tally.seconds_left(120.0) == pytest.approx(10.0 * 6)
    assert tally.sentence(120.0) == "4 of 10 evaluated · 1 failed · least error 0.4 · about 1:00 left"


def test_the_minutes_left_count_where_they_are_fewer() -> None:
    tally = Tally(Budget(trials=1000, minutes=1.0), [], started=0.0)
    assert tally.seconds_left(15.0) == pytest.approx(45.0)
    tally.count(evaluated(0, 1.0))
    assert tally.seconds_left(15.0) == pytest.approx(45.0)
    assert tally.seconds_left(90.0) == 0.0
    resumed = Tally(Budget(trials=1000, minutes=1.0), [evaluated(0, 1.0)], started=0.0, used=20.0)
    assert resumed.seconds_left(15.0) == pytest.approx(25.0)


@pytest.mark.parametrize(("seconds", "told"), [(0.2, "0:00"), (59.6, "1:00"), (187, "3:07"), (7500, "2 h 05")])
def test_clock(seconds: float, told: str) -> None:
    assert clock(seconds) == told


def test_a_line_has_number_author_error_seconds_time_left_and_claim() -> None:
    tally = Tally(Budget(trials=10), [], started=0.0)
    tally.count(evaluated(7, 0.123456))
    told = "1/10 #7 grammar nrmse 0.1235 1.2 s least 0.1235 0:45 left A claim."
    assert line(evaluated(7, 0.123456), tally, now=5.0).split() == told.split()


def test_the_line_of_a_failure_says_why() -> None:
    told = line(evaluated(7, None), Tally(Budget(trials=10), [], started=0.0), now=5.0)
    assert "failed (time): It took more than 3 s. [A claim.]" in told


def test_a_document_has_null_where_a_number_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"best": evaluated(1, float("inf")), "list": [evaluated(2, float("nan"))], "seconds": float("inf")})
    document = json.loads(capsys.readouterr().out)
    assert document["best"]["validation"]["nrmse"] is None
    assert document["list"][0]["validation"]["nrmse"] is None
    assert document["seconds"] is None


def test_names_in_brackets_are_not_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = plain_table("model")
    table.add_row("[bold]a[/bold] [x]")
    console().print(table)
    assert "[bold]a[/bold] [x]" in capsys.readouterr().out
