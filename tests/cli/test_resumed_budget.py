"""A run that is resumed with another budget says so, to the end and to whoever repeats it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import TRIALS, ask

from archsearch.cli.repeating import settings_of
from archsearch.report.asked import asked
from archsearch.report.reproduce import reproduction
from archsearch.settings import Budget
from archsearch.study.record import Hint
from archsearch.study.steering import Steering
from archsearch.study.store import Study

RUN = "first-run"


def resumed(runs: Path, *arguments: str) -> Study:
    assert ask("resume", RUN, *arguments).code == 0
    return Study.open(runs / RUN)


def listed() -> tuple[int, int]:
    (row,) = json.loads(ask("list", "--json").out)["runs"]
    return row["evaluated"], row["trials"]


def test_the_total_is_what_was_asked_for_last_and_the_first_stays_told(runs: Path) -> None:
    started = Study.open(runs / RUN).settings
    resumed(runs, "--trials", str(TRIALS + 1))
    study = resumed(runs, "--trials", str(TRIALS + 2), "--minutes", "30")
    wanted = [Budget(trials=TRIALS + 1), Budget(trials=TRIALS + 2, minutes=30)]
    assert [item.budget for item in study.record.later_budgets] == wanted
    assert study.settings == started
    assert listed() == (TRIALS + 2, TRIALS + 2)
    assert f"{TRIALS + 2} of {TRIALS + 2} evaluated" in ask("show", RUN).out

    told = dict(asked(study.problem(), study.record).settings)["budget"]
    first, *later = told.split("; ")
    assert first == f"{TRIALS} evaluations"
    assert [item.split(maxsplit=2)[2] for item in later] == [
        f"{TRIALS + 1} evaluations in all",
        f"{TRIALS + 2} evaluations, 30 minutes in all",
    ]
    (again, *_) = reproduction(study, None, has_test=False, steered=False).commands
    assert f"--trials {TRIALS + 2} --minutes 30 " in again.line
    assert ask("report", RUN).code == 0
    assert told in (runs / RUN / "report.html").read_text()


def test_a_search_that_is_resumed_without_a_number_goes_on_to_what_was_asked_for_last(runs: Path) -> None:
    study = Study.open(runs / RUN)
    study.record_budget(Budget(trials=TRIALS + 1))  # as of a search that was killed there
    assert listed() == (TRIALS, TRIALS + 1)
    assert len(resumed(runs).evaluations()) == TRIALS + 1
    assert len(Study.open(runs / RUN).record.later_budgets) == 1


def test_a_repeated_search_has_the_budget_that_was_asked_for_last(runs: Path) -> None:
    study = Study.open(runs / RUN)
    Steering(study).wish(Hint(text="try less"), "ada")  # a run without persons and LLM needs no recorded replies
    study.record_budget(Budget(trials=TRIALS + 3, minutes=2))
    repeated = settings_of(RUN, study.problem(), 1, runs)
    assert repeated.budget == Budget(trials=TRIALS + 3, minutes=2)


@pytest.mark.parametrize("asked_for", [1, TRIALS - 1])
def test_what_is_there_counts_where_less_was_asked_for_or_nothing_written_down(runs: Path, asked_for: int) -> None:
    path = runs / RUN / "run.json"
    document = json.loads(path.read_text())
    document["settings"]["budget"]["trials"] = asked_for
    del document["later_budgets"]  # as an earlier version wrote it, which went on without a note
    path.write_text(json.dumps(document))
    assert listed() == (TRIALS, TRIALS)
    study = Study.open(runs / RUN)
    (again, *_) = reproduction(study, None, has_test=False, steered=False).commands
    assert f"--trials {TRIALS} " in again.line


def test_who_writes_the_record_keeps_what_others_wrote(runs: Path) -> None:
    early, late = Study.open(runs / RUN), Study.open(runs / RUN)
    late.record_budget(Budget(trials=50))
    early.record_budget(Budget(trials=60))
    early.record_budget(Budget(trials=60))
    late.record_sanity({"no_change": 2.0})
    record = Study.open(runs / RUN).record
    assert [item.budget.trials for item in record.later_budgets] == [50, 60]
    assert record.sanity == {"no_change": 2.0}
