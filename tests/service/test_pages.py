from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from report_runs import invented_run
from served import HOSTILE, RUN, NoSearch, Served

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, Failure
from archsearch.evaluation import Outcome
from archsearch.service import looking
from archsearch.service.charts import error_over_size, error_over_time, sparkline
from archsearch.service.equations import typeset
from archsearch.service.launching import Launcher
from archsearch.service.open_runs import OpenRuns
from archsearch.service.requests import Start
from archsearch.service.timeline import Timeline

PLACE = f"/runs/{RUN}"


def test_the_page_of_runs_tells_of_each_and_of_damaged_ones(served: Served) -> None:
    (served.runs_dir / "broken").mkdir()
    (served.runs_dir / "broken" / "run.json").write_text("{")
    text = served.browser().get("/").text
    assert RUN in text
    assert "0.3456" in text
    assert "6 of 40" in text
    assert "broken" in text
    assert "damaged" in text


def test_the_page_of_a_run_shows_leaderboard_charts_lineage_and_failures(reading: Served) -> None:
    text = reading.browser().get(PLACE).text
    assert "3 proposals wait" in text
    assert "the rollout of &lt;1&gt; was not finite" in text
    assert text.count('<svg viewBox="0 0 520') == 2
    assert "Pareto front" in text
    tree = text[text.index('class="tree"') :]
    assert f"{PLACE}/candidates/3" in tree
    assert f"{PLACE}/queue/6" in tree


def test_a_candidate_is_shown_with_all_that_is_known_of_it(reading: Served) -> None:
    text = reading.browser().get(f"{PLACE}/candidates/3").text
    for said in ("0.3456", "0.4080 to 0.4562", "2.345", "25 %", "profit = Net(", "It printed nothing", "data-tex="):
        assert said in text.replace("\u00a0", " "), said
    assert text.count("what the candidate's own process says") == 3, "of nets, parameters and terms"
    for name in ("fit", "residuals", "nets"):
        picture = reading.browser().get(f"{PLACE}/candidates/3/{name}.svg?narrow=1")
        assert picture.status_code == 200
        assert picture.text.startswith("<svg ")
        assert "prefers-color-scheme:dark" in picture.text
    failed = reading.browser().get(f"{PLACE}/candidates/5").text
    assert "It failed: diverged" in failed
    assert reading.browser().get(f"{PLACE}/candidates/77").status_code == 404
    assert reading.browser().get(f"{PLACE}/candidates/0/nets.svg").status_code == 404


def test_the_card_shows_the_difference_to_its_parent(reading: Served) -> None:
    text = reading.browser().get(f"{PLACE}/queue/6").text
    for said in ("Made from", f"{PLACE}/candidates/3", 'class="added', 'class="removed', "Approve all like this"):
        assert said in text, said
    assert f"{PLACE}/candidates/3/fit.svg" in text


def test_every_field_has_a_label_and_every_key_is_used_once(reading: Served) -> None:
    for path in ("/start", PLACE, f"{PLACE}/queue", f"{PLACE}/candidates/3"):
        text = reading.browser().get(path).text
        fields = re.findall(r"<(?:input|select|textarea)(?![^>]*hidden)[^>]*>", text)
        for field in fields:
            name = re.search(r'id="([^"]+)"', field)
            assert (name and f'for="{name.group(1)}"' in text) or 'name="trials"' in field, (path, field)
        keys = re.findall(r'accesskey="(.)"', text)
        assert len(set(keys)) == len(keys), (path, keys)
        ids = re.findall(r' id="([^"]+)"', text)
        assert len(set(ids)) == len(ids), (path, ids)
        assert 'class="skip" href="#main"' in text


def test_what_candidates_and_persons_write_is_text_and_nothing_else(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    study = invented_run(runs / RUN)
    source = study.source(0).replace('"""', f'"""{HOSTILE.replace(chr(34), "")} ', 1)
    with study.writing(study.problem()) as writer:
        hostile = Candidate(source, HOSTILE, HOSTILE, rationale=HOSTILE)
        writer.propose(6, hostile, 1.0)
        failure = Failure(kind="crash", message=HOSTILE, remedy=HOSTILE)
        writer.record(6, Outcome(Evaluation.of(hostile, 6, failure), b"", {}, HOSTILE), 1.0)
        writer.propose(7, Candidate(source + "# more\n", HOSTILE, HOSTILE, rationale=HOSTILE), 1.0)
    served = Served(runs, NoSearch(runs))
    browser = served.browser()
    browser.post(f"{PLACE}/wish", data=served.form(kind="hint", text=HOSTILE))
    browser.post(f"{PLACE}/queue/7/decide", data=served.form(answer="reject", reason=HOSTILE))
    for path in ("/", PLACE, f"{PLACE}/live", f"{PLACE}/candidates/6", f"{PLACE}/queue/7", f"{PLACE}/queue/6"):
        text = browser.get(path).text
        assert "<img src=x" not in text, path
        assert "&lt;img src=x" in text or path == "/"


def test_a_sentence_in_an_address_gets_onto_no_page(reading: Served) -> None:
    assert "your money" not in reading.browser().get(f"{PLACE}?done=your+money").text
    assert "Number 4 is approved" in reading.browser().get(f"{PLACE}?done=approved&about=4").text


def test_a_search_is_started_as_a_process_of_its_own(served: Served) -> None:
    fields = served.form(
        space="hare_lynx", trials=7, minutes="2.5", workers=1, seed=3, review="each", approve="white-box"
    )
    answer = served.browser().post("/start", data=fields)
    assert isinstance(served.launcher, NoSearch)
    (asked,) = served.launcher.asked
    assert asked[:2] == ["run", "hare_lynx"]
    told = " ".join(asked)
    for part in (
        "--trials 7",
        "--minutes 2.5",
        "--workers 1",
        "--seed 3",
        "--review each",
        "--approve white-box",
        "--wait",
    ):
        assert part in told
    assert answer.url.path.startswith("/runs/2")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"space": "hare_lynks"}, "did you mean"),
        ({"space": "/etc"}, "no search space"),
        ({"space": "../.."}, "no search space"),
        ({"space": "hare_lynx", "trials": "many"}, "trials: input should be a valid integer"),
        ({"space": "hare_lynx", "approve": "--replay"}, "approve"),
        ({"space": "hare_lynx", "trials": "0", "workers": "x"}, "workers"),
    ],
)
def test_a_wrong_start_comes_back_with_what_was_typed(served: Served, fields: dict[str, str], said: str) -> None:
    answer = served.browser().post("/start", data=served.form(**fields))
    assert answer.status_code == 422
    assert said in answer.text
    assert isinstance(served.launcher, NoSearch)
    assert served.launcher.asked == []


def test_a_search_that_fails_to_begin_shows_what_it_said(tmp_path: Path) -> None:
    complaint = "import sys; print('error: no walls <here>'); sys.exit(3)"
    launcher = Launcher(tmp_path, (sys.executable, "-c", complaint))
    served = Served(tmp_path, launcher)
    run = launcher.start(Start(space="hare_lynx"))
    launcher._processes[run].wait()
    text = served.browser().get(f"/runs/{run}").text
    assert "did not begin (exit code 3)" in text
    runs = served.browser().get("/").text
    assert "It did not begin." in runs
    assert f'href="/runs/{run}"' in runs
    assert "error: no walls &lt;here&gt;" in text


def test_a_search_outlives_the_server_that_started_it(tmp_path: Path) -> None:
    done = tmp_path / "done"
    program = f"import os, time, pathlib; time.sleep(1); pathlib.Path({str(done)!r}).write_text(str(os.getsid(0)))"
    code = (
        "from pathlib import Path; from archsearch.service.launching import Launcher; import sys;"
        f"from archsearch.service.requests import GoOn; r = Path({str(tmp_path)!r});"
        f"Launcher(r, (sys.executable, '-c', {program!r})).go_on(r / 'a-run', GoOn())"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert not done.exists()
    for _ in range(100):
        if done.exists() and done.read_text():
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert done.read_text().isdecimal()


def test_the_export_runs_and_the_report_is_one_file(reading: Served, tmp_path: Path) -> None:
    browser = reading.browser()
    export = browser.get(f"{PLACE}/export/3/python")
    assert export.headers["content-disposition"] == 'attachment; filename="hare_lynx_0003.py"'
    ast.parse(export.text)
    assert browser.get(f"{PLACE}/export/3/latex").text.startswith("\\documentclass") or "\\frac" in export.text
    assert browser.get(f"{PLACE}/export/5/python").status_code in (400, 404)
    assert browser.get(f"{PLACE}/export/3/exe").status_code == 422
    report = browser.get(f"{PLACE}/report")
    assert report.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in report.headers["content-security-policy"]


def test_formulas_are_text_for_any_reader_and_no_markup() -> None:
    assert "<math" in typeset(r"\frac{a}{b}")
    for latex in (r"\frac{a", "<script>", '"><b>', "x" * 5000, r"\href{javascript:alert(1)}{x}"):
        shown = typeset(latex)
        assert "<script>" not in shown
        assert "<b>" not in shown
        assert "<a " not in shown


def test_charts_are_empty_or_finite_whatever_the_errors(reading: Served) -> None:
    run = reading.app._app.state.service.runs.get(RUN)  # type: ignore[attr-defined]
    looking.candidate_view(run, 0)
    evaluations, points = run.reader.evaluations, run.timeline.points
    chart = error_over_time(evaluations, points, run.baselines())
    assert chart is not None
    assert [mark.number for mark in chart.marks] == [0, 1, 2, 3, 4]
    front = error_over_size(evaluations, run.baselines())
    assert front is not None
    assert front.line.startswith("M")
    assert error_over_size({5: evaluations[5]}, {}) is None
    alone = error_over_size({0: evaluations[0]}, {})
    assert alone is not None
    assert "nan" not in alone.line
    assert sparkline([1.0]) == ""
    assert sparkline([1.0, float("inf"), 0.1, -1.0]).startswith("M")


def test_a_timeline_reads_on_from_where_it_was_and_starts_anew_when_the_file_shrank(served: Served) -> None:
    folder = served.runs_dir / RUN
    timeline = Timeline(folder)
    timeline.refresh()
    assert len(timeline.points) == 6
    assert timeline.failed == 1
    assert timeline.least is not None
    assert timeline.least.number == 3
    with (folder / "proposals.jsonl").open("ab") as file:
        file.write(b'{"event":"evaluated","number":6,"seconds":9.0,"nrmse":0.1')
    timeline.refresh()
    assert len(timeline.points) == 6
    with (folder / "proposals.jsonl").open("ab") as file:
        file.write(b"}\n")
    timeline.refresh()
    assert timeline.least.number == 6
    (folder / "proposals.jsonl").write_bytes(b"")
    timeline.refresh()
    assert timeline.points == {}


def test_runs_beyond_those_kept_in_memory_are_opened_again(served: Served) -> None:
    runs = OpenRuns(served.runs_dir)
    assert runs.get(RUN) is runs.get(RUN)
