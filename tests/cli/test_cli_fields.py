"""A problem on a grid through the command line: checked, searched, reported, scored, exported."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from command_line import ask


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short search of the bundled space: the baselines and one more."""
    folder = tmp_path_factory.mktemp("fields") / "run"
    told = ask("run", "fitzhugh_nagumo", "--trials", "4", "--run-dir", folder, "--json")
    assert told.code == 0, told.err
    (folder.parent / "run.json").write_text(told.out)
    return folder


def test_check_tells_the_grid_and_draws_the_films(tmp_path: Path) -> None:
    picture = tmp_path / "films.png"
    told = ask("check", "fitzhugh_nagumo", "-o", picture)
    assert told.code == 0, told.err
    lines = [line.split() for line in told.out.splitlines()]
    assert ["axis", "unit", "points", "spacing", "boundary"] in lines
    assert ["y", "1", "16", "0.125", "periodic"] in lines
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_search_finds_a_net_beside_diffusion_and_the_diffusivities(run: Path) -> None:
    told = json.loads((run.parent / "run.json").read_text())
    assert told["failed"] == 0
    errors = {name: item["validation"]["nrmse"] for name, item in told["baselines"].items()}
    assert errors["physics_plus_net"] < 0.2 * errors["net"] < 0.2 * errors["physics"]
    best = told["best"]["parameters"]
    assert best["D_u"]["value"] == pytest.approx(1e-3, rel=0.03)
    assert best["D_v"]["value"] == pytest.approx(5e-3, rel=0.03)
    assert best["D_u"]["identified"]


def test_a_run_is_reported_scored_and_exported(run: Path, tmp_path: Path) -> None:
    page, file = tmp_path / "report.html", tmp_path / "films.py"
    told = ask("report", run, "-o", page)
    assert told.code == 0, told.err
    assert "A held-out trajectory as it was observed" in page.read_text()
    assert page.stat().st_size < 4_000_000
    scored = ask("score", run, "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["nrmse"] < 0.05
    assert ask("export", run, "-o", file).code == 0
    model = runpy.run_path(str(file))
    assert list(model["GRID"]) == ["y", "x"]
    case = model["TRAINING"]["1"]
    assert model["simulate"](case["times"], case["initial"])["v"].shape == (16, 16, 16)
    assert ask("export", run, "--format", "latex", "-o", tmp_path / "films.tex").code == 0
    assert r"\nabla^2" in (tmp_path / "films.tex").read_text()
