"""The commands do what their help says, on one small finished run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import TRIALS, ask

from archsearch.problem.loading import load_problem
from archsearch.settings import RunSettings
from archsearch.study.store import Study

SCORE = {"nrmse", "rmse", "trajectories", "diverged"}
EVALUATION = {
    "candidate",
    "author",
    "parents",
    "claim",
    "status",
    "failure",
    "validation",
    "parameters",
    "terms",
    "nets",
    "weights",
    "seconds",
}
PARAMETER = {"value", "unit", "low", "high", "identified"}


def check_evaluation(document: dict[str, Any]) -> None:
    assert document.keys() >= EVALUATION
    if document["status"] == "ok":
        assert document["failure"] is None
        assert document["validation"].keys() >= SCORE
        assert document["validation"]["rmse"].keys() == {"hare", "lynx"}
        assert all(parameter.keys() >= PARAMETER for parameter in document["parameters"].values())
    else:
        assert document["failure"].keys() == {"kind", "message", "remedy"}


def only_json(*arguments: str) -> Any:
    told = ask(*arguments, "--json")
    assert told.code == 0, told.err
    return json.loads(told.out)


def test_run_as_json_has_the_documented_keys(finished_runs: Path) -> None:
    document = json.loads((finished_runs.parent / "run.json").read_text())
    assert document.keys() == {"run", "best", "baselines", "evaluated", "failed", "waiting", "seconds"}
    assert document["run"] == "first-run"
    assert document["evaluated"] == TRIALS
    assert document["baselines"].keys() == {"physics", "net", "physics_plus_net"}
    for evaluation in (document["best"], *document["baselines"].values()):
        check_evaluation(evaluation)


def test_resume_of_a_finished_run_says_the_same_and_trains_nothing(finished_runs: Path, runs: Path) -> None:
    before = json.loads((finished_runs.parent / "run.json").read_text())
    again = only_json("resume", "last")
    assert {**again, "seconds": 0.0} == {**before, "seconds": 0.0}
    for path in (runs / "first-run").rglob("*.json"):
        assert path.read_bytes() == (finished_runs / path.relative_to(runs)).read_bytes()


def test_show_as_json_lists_every_candidate_best_first(runs: Path) -> None:
    document = only_json("show", "first-run")
    assert document.keys() == {"run", "candidates"}
    assert len(document["candidates"]) == TRIALS
    for evaluation in document["candidates"]:
        check_evaluation(evaluation)
    errors = [item["validation"]["nrmse"] for item in document["candidates"] if item["status"] == "ok"]
    assert errors == sorted(errors)


def test_show_one_as_json_has_its_source(runs: Path) -> None:
    document = only_json("show", "first", "0")
    check_evaluation(document)
    assert "class Candidate(HybridModel)" in document["source"]
    assert only_json("show", "first", document["candidate"][:6]) == document


def test_show_tells_a_person_the_same(runs: Path) -> None:
    board, one = ask("show", "last"), ask("show", "last", "0")
    assert board.code == one.code == 0
    for name in ("physics as given", "net alone", "physics + net"):
        assert name in board.out
    for word in ("mortality", "validation", "class Candidate"):
        assert word in one.out


def test_score_of_the_validation_part_is_the_one_that_ranked(runs: Path) -> None:
    score = only_json("score", "last", "0", "--on", "validation")
    assert score.keys() >= SCORE
    assert score == only_json("show", "last", "0")["validation"]
    assert "nrmse" in ask("score", "last", "0", "--on", "train").out


def test_score_of_the_test_part_is_computed_once(runs: Path) -> None:
    first = only_json("score", "last", "0")
    assert first.keys() >= SCORE
    assert first != only_json("score", "last", "0", "--on", "validation")
    for weights in (runs / "first-run" / "candidates").glob("0000-*/weights.safetensors"):
        weights.unlink()
    assert only_json("score", "last", "0") == first
    assert "on the test data" in ask("score", "last", "0").out


def test_the_best_is_scored_on_the_test_part_beside_the_baselines(runs: Path) -> None:
    told = ask("score", "last")
    assert told.code == 0, told.err
    assert told.out.count("beside it, ") in (2, 3)
    assert "beside it, net alone: nrmse" in told.out
    assert len(list((runs / "first-run" / "candidates").glob("*/test.json"))) == told.out.count("beside it, ") + 1


def test_list_as_json_and_for_people(runs: Path) -> None:
    (entry,) = only_json("list")["runs"]
    assert (entry["run"], entry["space"], entry["evaluated"]) == ("first-run", "hare_lynx", TRIALS)
    check_evaluation(entry["best"])
    assert "first-run" in ask("list").out


def test_list_of_nothing_says_how_to_start(tmp_path: Path) -> None:
    told = ask("list", "--runs-dir", tmp_path)
    assert told.code == 0
    assert "archsearch run" in told.out


def test_report_is_one_page_with_figures_on_demand(runs: Path) -> None:
    told = ask("report", "last", "-o", "out/page.html", "--figures", "out")
    assert told.code == 0, told.err
    page = Path("out/page.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html")
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page), "self-contained"
    assert Path("out/hare_lynx_fit.png").read_bytes().startswith(b"\x89PNG")
    assert ask("report", "last").code == 0
    assert (runs / "first-run" / "report.html").is_file()


def test_export_runs_alone(runs: Path, tmp_path: Path) -> None:
    told = ask("export", "last", "-o", "alone/model.py")
    assert told.code == 0, told.err
    (tmp_path / "alone" / "archsearch.py").write_text("raise ImportError('the exported file imports archsearch')")
    done = subprocess.run(
        [sys.executable, "model.py"], cwd=tmp_path / "alone", capture_output=True, text=True, check=True
    )
    assert "nrmse" in done.stdout


def test_export_as_latex(runs: Path) -> None:
    assert ask("export", "last", "--format", "latex").code == 0
    (file,) = Path().glob("hare_lynx_*.tex")
    assert r"\frac" in file.read_text() or r"\dot" in file.read_text()


def test_check_shows_a_table_and_draws_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = ask("check", "hare_lynx")
    assert told.code == 0, told.err
    for word in ("hare", "lynx", "validation", "1900", "predation"):
        assert word in told.out
    assert (tmp_path / "hare_lynx_data.png").read_bytes().startswith(b"\x89PNG")
    assert ask("check", "hare_lynx", "-o", "drawn/data.svg").code == 0
    assert "<svg" in (tmp_path / "drawn" / "data.svg").read_text()


def test_new_from_a_table_passes_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{day},{10 * 0.9**day:.4f},{2 + day:.1f}" for day in range(20)]
    (tmp_path / "their.csv").write_text("\n".join(["day,sugar,acid", *rows]))
    made = ask("new", "mine", "--data", "their.csv")
    assert made.code == 0, made.err
    assert "assumed" in made.out
    checked = ask("check", "mine")
    assert checked.code == 0, checked.err
    assert "sugar" in checked.out


def test_new_from_a_bundled_space_passes_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask("new", "mine", "--from", "hare_lynx").code == 0
    assert ask("check", "mine").code == 0


def test_spaces_lists_what_is_bundled() -> None:
    told = ask("spaces")
    assert told.code == 0, told.err
    for name in ("hare_lynx", "boarding_school_flu", "bioreactor", "pendulum"):
        assert name in told.out


def test_doctor_tells_of_this_machine(tmp_path: Path) -> None:
    told = ask("doctor", "--runs-dir", tmp_path)
    assert told.code == 0, told.out
    for word in ("torch", "gpu", "cores", "memory", "sandbox", "file locks"):
        assert word in told.out


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_kill_end_with_130_and_say_how_to_resume(tmp_path: Path, sent: signal.Signals) -> None:
    """A real interruption of a real process group, as a terminal sends it."""
    command = [sys.executable, "-m", "archsearch", "run", "hare_lynx", "--run-dir", "it", "--trials", "30"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for told in process.stdout:
            if "#0 " in told:
                break
        process.send_signal(sent)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "archsearch resume it" in err
    assert "Traceback" not in err
    assert ask("list", "--runs-dir", tmp_path).code == 0


def test_a_run_that_has_evaluated_nothing_is_not_one_in_which_nothing_fits(tmp_path: Path) -> None:
    Study.create(tmp_path / "runs" / "it", load_problem("hare_lynx"), RunSettings(), "hare_lynx")
    told = ask("list", "--runs-dir", tmp_path / "runs")
    assert "nothing yet" in told.out
    assert "nothing fits" not in told.out


def test_a_reader_that_goes_away_is_no_error(runs: Path) -> None:
    script = f"{sys.executable} -m archsearch show last 0 | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
