from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from search_fakes import SPACE, failed, fitted, write_space

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Score
from archsearch.errors import NothingFoundError, RequestError, RunError
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.proposers.baselines import baseline_candidates
from archsearch.settings import RunSettings
from archsearch.study.lookup import find_run, list_runs, new_run_folder
from archsearch.study.store import Study

ERRORS = (0.5, 0.3, math.nan, 0.30004, 0.2)


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return load_problem(str(write_space(tmp_path_factory.mktemp("spaces") / "two_species")))


@pytest.fixture(scope="module")
def template(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with five candidates, the third of which failed; the first is the physics as given."""
    folder = tmp_path_factory.mktemp("runs") / "20261121T101500Z-two_species-k3f9"
    study = Study.create(folder, problem, RunSettings(seed=7), str(problem.folder))
    physics = baseline_candidates(problem.space)["physics"]
    others = [Candidate(f"x = {number}\n", "ann", f"claim {number}", (physics.id,)) for number in range(1, 5)]
    with study.writing(problem) as writer:
        for number, (candidate, error) in enumerate(zip((physics, *others), ERRORS, strict=True)):
            writer.propose(number, candidate, seconds=number)
            outcome = failed(candidate, number) if math.isnan(error) else fitted(candidate, number, error)
            writer.record(number, outcome, seconds=number + 0.5)
    return folder


@pytest.fixture
def run(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / template.name))


@pytest.fixture
def study(run: Path) -> Study:
    return Study.open(run)


def test_a_run_remembers_what_it_was_made_with(study: Study, problem: Problem) -> None:
    record = study.record
    assert study.id == "20261121T101500Z-two_species-k3f9"
    assert (study.settings, study.space_request) == (RunSettings(seed=7), str(problem.folder))
    assert record.problem.fingerprint == problem.fingerprint
    assert record.seeds["search"] == 7
    assert {"torch", "numpy", "optuna"} <= record.packages.keys()
    assert (record.version, record.problem.name) == (1, "two_species")


def test_a_run_needs_nothing_of_where_its_space_came_from(problem: Problem, tmp_path: Path) -> None:
    elsewhere = write_space(tmp_path / "elsewhere")
    study = Study.create(tmp_path / "run", load_problem(str(elsewhere)), RunSettings(), str(elsewhere))
    shutil.rmtree(elsewhere)
    loaded = Study.open(study.folder).problem()
    assert loaded.name == "elsewhere"
    assert loaded.space == problem.space
    np.testing.assert_array_equal(loaded.train.trajectories.states, problem.train.trajectories.states)


def test_data_in_another_folder_come_along(tmp_path: Path) -> None:
    folder = write_space(tmp_path / "space")
    (tmp_path / "data").mkdir()
    (folder / "data.csv").rename(tmp_path / "data" / "years.csv")
    text = SPACE.replace('file = "data.csv"', 'file = "../data/years.csv"  # of last year')
    (folder / "space.toml").write_text(text)
    study = Study.create(tmp_path / "run", load_problem(str(folder)), RunSettings(), str(folder))
    shutil.rmtree(tmp_path / "data")
    assert Study.open(study.folder).problem().space.data.file == "years.csv"


def test_a_space_file_with_another_name_is_the_one_that_is_copied(tmp_path: Path) -> None:
    folder = write_space(tmp_path / "space")
    other = folder / "mine.toml"
    other.write_text(SPACE.replace("nobody ever saw", "somebody saw"))
    study = Study.create(tmp_path / "run", load_problem(str(other)), RunSettings(), str(other))
    assert study.problem().space.problem.title == "Two species that somebody saw"


def test_everything_that_was_recorded_is_read_back(study: Study) -> None:
    evaluations = study.evaluations()
    assert [item.number for item in evaluations] == [0, 1, 2, 3, 4]
    assert [item.status for item in evaluations] == ["ok", "ok", "failed", "ok", "ok"]
    assert study.source(1) == "x = 1\n"
    assert study.candidate(3) == Candidate("x = 3\n", "ann", "claim 3", (evaluations[0].candidate,))
    assert study.weights(4) == f"weights of {evaluations[4].candidate}".encode()
    np.testing.assert_array_equal(study.predictions(1)["validation.states"], np.full((1, 3, 2), 0.3))
    assert study.log(2) == "step 1\nstep 2\n"
    assert {name: item.number for name, item in study.baselines().items()} == {"physics": 0}


def test_ranked_by_error_then_by_who_came_first_with_failures_last(study: Study) -> None:
    assert [item.number for item in study.ranked()] == [4, 1, 3, 0, 2]


def test_a_failure_has_no_weights_and_says_why(study: Study) -> None:
    for read in (study.weights, study.predictions):
        with pytest.raises(RequestError, match="it failed"):
            read(2)
    with pytest.raises(RequestError, match="number 99"):
        study.source(99)


def test_candidates_are_found_by_number_id_and_its_start(study: Study) -> None:
    key = study.evaluations()[3].candidate
    assert study.resolve(None).number == 4
    assert study.resolve("3").number == study.resolve("0003").number == 3
    assert study.resolve(key).number == study.resolve(key[:8].upper()).number == 3
    with pytest.raises(RequestError, match="no candidate"):
        study.resolve("zzz")
    with pytest.raises(RequestError, match="Did you mean"):
        study.resolve(key[:11] + "x")


def test_without_one_that_fits_there_is_no_best(problem: Problem, tmp_path: Path) -> None:
    study = Study.create(tmp_path / "run", problem, RunSettings(), str(problem.folder))
    with pytest.raises(NothingFoundError, match="none was evaluated yet"):
        study.resolve(None)


def test_the_first_test_score_stands(study: Study) -> None:
    key = study.evaluations()[1].candidate
    first, second = (Score(nrmse=error, rmse={}, per_trajectory={}, trajectories=1, diverged=0) for error in (0.4, 0.1))
    assert study.test_scores() == {}
    assert study.record_test_score(key, first, "landlock+seccomp") == first
    assert study.record_test_score(key, second, "none") == first
    again = Study.open(study.folder)
    assert again.test_scores() == {key: first}
    assert again.sealed_scores()[key].sandbox == "landlock+seccomp"


def test_a_test_score_from_before_its_walls_were_written_down_stays_readable(study: Study) -> None:
    first = study.evaluations()[1]
    score = Score(nrmse=0.4, rmse={}, per_trajectory={}, trajectories=1, diverged=0)
    study.record_test_score(first.candidate, score, "seccomp")
    (written,) = study.folder.glob("candidates/*/test.json")
    old = {key: value for key, value in json.loads(written.read_text()).items() if key != "sandbox"}
    written.write_text(json.dumps(old))
    again = Study.open(study.folder)
    assert again.test_scores() == {first.candidate: score}
    assert again.sealed_scores()[first.candidate].sandbox == ""


def test_sanity_is_kept_in_the_record(study: Study) -> None:
    study.record_sanity({"no_change": 1.5})
    assert Study.open(study.folder).sanity == {"no_change": 1.5}


def test_reading_while_somebody_writes_sees_only_what_is_whole(study: Study) -> None:
    candidates = study.folder / "candidates"
    shutil.copytree(next(candidates.glob("0004-*")), candidates / ".0005-abcd.partial")
    with (study.folder / "proposals.jsonl").open("a") as file:
        file.write('{"version":1,"event":"propo')
    assert len(study.evaluations()) == len(study.proposals()) == 5


def test_a_run_begins_in_an_empty_folder_or_where_one_was_stopped_while_it_began(
    problem: Problem, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    (folder / "space").mkdir(parents=True)
    (folder / "space" / "space.toml").write_text("half of it")
    (folder / ".run.json.partial").write_text("{")
    Study.create(folder, problem, RunSettings(), str(problem.folder))
    assert Study.open(folder).problem().name == "two_species"
    with pytest.raises(RunError, match="holds a run already"):
        Study.create(folder, problem, RunSettings(), str(problem.folder))


@pytest.mark.parametrize("content", ["thesis.tex", "run"])
def test_a_run_never_begins_among_other_things(problem: Problem, tmp_path: Path, content: str) -> None:
    (tmp_path / content).write_text("years of work")
    with pytest.raises(RunError, match=content):
        Study.create(tmp_path, problem, RunSettings(), str(problem.folder))
    with pytest.raises(RunError, match="cannot be made a run folder"):
        Study.create(tmp_path / content, problem, RunSettings(), str(problem.folder))


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        path = next(iter(run.glob(name)))
        path.write_text(change(path.read_text()))

    return damage


def remove(name: str) -> Callable[[Path], None]:
    return lambda run: next(iter(run.glob(name))).unlink()


DAMAGES = {
    "record missing": (remove("run.json"), "has no run.json"),
    "record empty": (edit("run.json", lambda text: ""), "expected JSON"),
    "record cut": (edit("run.json", lambda text: text[:100]), "expected JSON"),
    "record is a list": (edit("run.json", lambda text: "[]"), "expected a JSON object, found list"),
    "record of the future": (
        edit("run.json", lambda text: text.replace('"version": 1', '"version": 7', 1)),
        "expected record version 1, found 7",
    ),
    "record without version": (
        edit("run.json", lambda text: text.replace('"version": 1,', "", 1)),
        "expected record version 1, found none",
    ),
    "record with a stranger": (
        edit("run.json", lambda text: text.replace('"created"', '"kreated"')),
        "kreated|created",
    ),
    "record with nonsense": (edit("run.json", lambda text: text.replace('"seed": 7', '"seed": "x"')), "settings.seed"),
    "evaluation missing": (remove("candidates/0001-*/evaluation.json"), "No such file"),
    "evaluation cut": (edit("candidates/0001-*/evaluation.json", lambda text: text[:-30]), "expected JSON"),
    "evaluation of the future": (
        edit("candidates/0001-*/evaluation.json", lambda text: text.replace('"version": 1', '"version": 2', 1)),
        "found 2",
    ),
    "evaluation of another": (
        edit("candidates/0001-*/evaluation.json", lambda text: text.replace('"number": 1', '"number": 3')),
        "another candidate",
    ),
    "evaluation with nonsense": (
        edit("candidates/0001-*/evaluation.json", lambda text: text.replace('"ok"', '"fine"')),
        "status",
    ),
    "proposal line damaged": (
        edit("proposals.jsonl", lambda text: text.replace('"proposed"', '"prop', 1)),
        "line 1: expected JSON",
    ),
    "proposal line strange": (
        edit("proposals.jsonl", lambda text: text.replace('"proposed"', '"promised"', 1)),
        "line 1: damaged",
    ),
    "proposal source edited": (
        edit("proposals.jsonl", lambda text: text.replace('"x = 1', '"x = 9', 1)),
        "expected the source of candidate",
    ),
    "source missing": (remove("candidates/0001-*/candidate.py"), "No such file"),
    "source edited": (edit("candidates/0001-*/candidate.py", lambda text: "x = 11\n"), "source that was evaluated"),
    "weights missing": (remove("candidates/0001-*/weights.safetensors"), "No such file"),
    "predictions missing": (remove("candidates/0001-*/predictions.npz"), "No such file"),
    "predictions nonsense": (
        edit("candidates/0001-*/predictions.npz", lambda text: "text"),
        "damaged",
    ),
    "space edited": (edit("space/space.toml", lambda text: text + "\n# a word\n"), "expected the space and data"),
}


def binary_safe(path: Path) -> None:
    """Text edits below read files as text; predictions are not."""
    for file in path.glob("candidates/*/predictions.npz"):
        if file.parent.name.startswith("0001"):
            file.write_bytes(b"PK")


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_one_clear_error(run: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    if name == "predictions nonsense":
        binary_safe(run)
    damage(run)
    with pytest.raises(RunError, match=message) as found:
        read_all(run)
    assert found.value.remedy
    assert found.value.exit_code == 2
    assert "Error" not in found.value.message


def read_all(run: Path) -> None:
    """Read everything there is in a run."""
    study = Study.open(run)
    study.evaluations()
    study.proposals()
    study.source(1)
    study.weights(1)
    study.predictions(1)
    study.problem()


@pytest.mark.parametrize("size", [0, 10, 200, -1, -30])
def test_predictions_that_were_cut_or_pickled_are_damaged(run: Path, size: int) -> None:
    path = next(run.glob("candidates/0001-*/predictions.npz"))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RunError, match=r"predictions.npz: damaged"):
        Study.open(run).predictions(1)
    np.save(path.with_suffix(".npy"), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    path.with_suffix(".npy").rename(path)
    with pytest.raises(RunError, match=r"predictions.npz: damaged"):
        Study.open(run).predictions(1)


def test_run_ids_say_when_and_what(tmp_path: Path) -> None:
    names = {new_run_folder(tmp_path, "hare lynx!").name for _ in range(50)}
    assert len(names) == 50
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-hare_lynx-[a-z0-9]{4}", name) for name in names)


def test_runs_are_found_by_folder_id_start_and_last(run: Path, problem: Problem, tmp_path: Path) -> None:
    newest = Study.create(tmp_path / "a-run-of-mine", problem, RunSettings(), str(problem.folder)).folder
    (tmp_path / "notes").mkdir()
    assert list_runs(tmp_path) == [run, newest]
    assert find_run("last", tmp_path) == newest
    assert find_run(run.name, tmp_path) == find_run("2026", tmp_path) == find_run(str(run), tmp_path / "no") == run
    assert list_runs(tmp_path / "no") == []


def test_a_run_that_is_not_there_is_a_clear_error(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, run.with_name(run.name[:-4] + "zzzz"))
    with pytest.raises(RequestError, match="more than one run"):
        find_run("2026", tmp_path)
    with pytest.raises(RequestError, match="Did you mean"):
        find_run(run.name[:-1] + "x", tmp_path)
    with pytest.raises(RequestError, match="found nothing"):
        find_run("no/where", tmp_path)
    with pytest.raises(RequestError, match="there is no run yet"):
        find_run("last", tmp_path / "empty")
    with pytest.raises(RunError, match=r"has no run.json"):
        find_run(str(tmp_path), tmp_path)


def test_run_record_is_plain_json(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["settings"]["budget"] == {"trials": 40, "minutes": None}
    assert set(record["baselines"]) == {"physics", "net", "physics_plus_net"}
