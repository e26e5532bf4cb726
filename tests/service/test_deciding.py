from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from served import RUN, NoSearch, Served, edited_source

from archsearch.service.launching import Launcher
from archsearch.service.requests import GoOn
from archsearch.settings import Budget
from archsearch.study.control import read_control
from archsearch.study.lock import LOCK, run_lock
from archsearch.study.reader import RunReader
from archsearch.study.store import Study

PLACE = f"/runs/{RUN}"


def reader_of(served: Served) -> RunReader:
    """The run as the disk has it."""
    return RunReader(Study.open(served.runs_dir / RUN))


def test_approve_and_reject_are_on_disk_at_once_with_name_and_reason(served: Served) -> None:
    browser = served.browser()
    told = browser.post(f"{PLACE}/queue/6/decide", data=served.form(answer="approve"))
    assert "Number 6 is approved" in told.text
    assert "number 7" in told.text  # the next one
    browser.post(f"{PLACE}/queue/7/decide", data=served.form(answer="reject", reason="lynx do not graze"))
    known = reader_of(served).proposals
    assert known[6].decision is not None
    assert (known[6].decision.approved, known[6].decision.by) == (True, "Ada")
    assert known[7].decision is not None
    assert (known[7].decision.approved, known[7].decision.reason) == (False, "lynx do not graze")
    assert "lynx do not graze" in browser.get(PLACE).text


def test_the_second_to_decide_is_told_who_was_first(served: Served) -> None:
    first, second = served.browser(), served.browser()
    first.post(f"{PLACE}/queue/6/decide", data=served.form(answer="reject"))
    answer = second.post(f"{PLACE}/queue/6/decide", data=served.form(answer="approve"))
    assert answer.status_code == 409
    assert "decided already" in answer.text
    assert "refused by Ada" in answer.text


def test_all_like_this_lets_the_kind_pass(served: Served) -> None:
    served.browser().post(f"{PLACE}/queue/8/decide", data=served.form(answer="like"))
    reader = reader_of(served)
    assert reader.wishes[-1].wish.kind == "allow"
    assert 8 not in [item.number for item in reader.waiting()]


def test_an_edit_with_faults_comes_back_with_all_of_them_and_one_without_becomes_a_child(served: Served) -> None:
    browser = served.browser()
    source = reader_of(served).proposals[6].candidate.source
    broken = source.replace("mortality = Param(0.8", "import os\n    mortality = Parm(0.8")
    answer = browser.post(f"{PLACE}/queue/6/edit", data=served.form(source=broken))
    assert answer.status_code == 422
    assert answer.text.count("<li>line ") >= 2
    assert "Parm(0.8" in answer.text
    assert reader_of(served).proposals[6].decision is None
    done = browser.post(f"{PLACE}/queue/6/edit", data=served.form(source=edited_source(source), reason="slower"))
    assert "Your version is number 9" in done.text
    known = reader_of(served).proposals
    assert known[9].candidate.author == "Ada"
    assert known[9].candidate.parents == (known[6].candidate.id,)
    assert known[9].decision is not None
    assert known[9].decision.approved


def test_lines_of_a_browser_do_not_change_a_source(served: Served) -> None:
    source = reader_of(served).proposals[6].candidate.source
    same = source.replace("\n", "\r\n")
    answer = served.browser().post(f"{PLACE}/queue/6/edit", data=served.form(source=same))
    assert "Nothing was changed" in answer.text


def test_wishes_are_noted_marked_and_taken_back(served: Served) -> None:
    browser = served.browser()
    wish = f"{PLACE}/wish"
    browser.post(wish, data=served.form(kind="hint", text="lynx starve slowly"))
    browser.post(wish, data=served.form(kind="ban", name="profit"))
    browser.post(wish, data=served.form(kind="preference", better=3, worse=2, reason="simpler"))
    page = browser.get(PLACE).text
    assert "lynx starve slowly" in page
    assert "number 3 rather than 2: simpler" in page
    assert "banned by Ada" in page
    assert "It keeps its place" in browser.get(f"{PLACE}/candidates/3").text
    browser.post(wish, data=served.form(kind="release", name="profit"))
    assert "It keeps its place" not in browser.get(f"{PLACE}/candidates/3").text
    assert [line.wish.kind for line in reader_of(served).wishes] == ["hint", "ban", "preference", "release"]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "ban", "name": "profitt"},
        {"kind": "pin", "name": ""},
        {"kind": "hint"},
        {"kind": "hint", "text": "x" * 2001},
        {"kind": "preference", "better": 3, "worse": 3},
        {"kind": "preference", "better": 3, "worse": 777},
        {"kind": "release", "name": "profit"},
        {"kind": "nothing"},
        {"kind": "ban", "name": "profit", "more": "1"},
    ],
)
def test_a_wrong_wish_is_refused_in_words_and_changes_nothing(served: Served, fields: dict[str, object]) -> None:
    answer = served.browser().post(f"{PLACE}/wish", data=served.form(**fields))
    assert answer.status_code in (400, 422)
    assert 'role="alert"' in answer.text
    assert reader_of(served).wishes == []


def test_pause_stop_and_resume(served: Served) -> None:
    browser, folder = served.browser(), served.runs_dir / RUN
    assert browser.post(f"{PLACE}/control", data=served.form(control="pause")).status_code == 409
    with run_lock(folder / LOCK):
        assert "pauses" in browser.post(f"{PLACE}/control", data=served.form(control="pause")).text
        assert read_control(folder) == "pause"
        assert ">Go on<" in browser.get(PLACE).text
        browser.post(f"{PLACE}/control", data=served.form(control="stop"))
        assert read_control(folder) == "stop"
        assert browser.post(f"{PLACE}/resume", data=served.form(trials=50)).status_code == 409
    browser.post(f"{PLACE}/resume", data=served.form(trials=50))
    assert isinstance(served.launcher, NoSearch)
    assert served.launcher.asked == [["resume", str(folder), "--wait", "--trials", "50"]]
    assert read_control(folder) == "run"


def test_the_total_is_what_was_asked_for_whoever_serves_it(made_runs: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(made_runs, tmp_path / "runs"))
    launcher = Launcher(runs, (sys.executable, "-c", "import time; time.sleep(60)"))
    served = Served(runs, launcher)
    browser, program = served.browser(), served.program()

    def totals() -> tuple[int, int]:
        (line,) = program.get("/api/runs").json()["runs"]
        view = program.get(f"/api/runs/{RUN}").json()
        assert f"6 of {view['trials']}" in browser.get("/").text
        assert f"</b> of {view['trials']} evaluated" in browser.get(PLACE).text
        return line["trials"], view["trials"]

    assert totals() == (40, 40)
    assert browser.post(f"{PLACE}/resume", data=served.form(trials=50)).status_code == 200
    assert totals() == (50, 50)  # said before it is written down
    launcher._processes[RUN].kill()
    launcher._processes[RUN].wait()
    assert totals() == (40, 40)  # it came to nothing
    for trials in (45, 60):
        Study.open(runs / RUN).record_budget(Budget(trials=trials, minutes=trials / 2))  # as a search does, elsewhere
        assert totals() == (trials, trials)
        assert program.get(f"/api/runs/{RUN}").json()["minutes"] == trials / 2
    served = Served(runs, NoSearch(runs))
    assert served.program().get(f"/api/runs/{RUN}").json()["trials"] == 60


def test_resuming_needs_no_numbers(served: Served) -> None:
    served.browser().post(f"{PLACE}/resume", data=served.form())
    assert isinstance(served.launcher, NoSearch)
    assert served.launcher.asked == [["resume", str(served.runs_dir / RUN), "--wait"]]
    assert GoOn().trials is None
