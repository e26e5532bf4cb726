from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from exported_candidates import run_alone

from archsearch.candidate.baselines import physics_as_given
from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.render import render
from archsearch.evaluation import Evaluator
from archsearch.export.latex import export_latex
from archsearch.export.python import export_python
from archsearch.problem.loading import load_problem
from archsearch.settings import FitSettings, RunSettings
from archsearch.study.store import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A run with two candidates that were really fitted, if briefly."""
    problem = load_problem("hare_lynx")
    settings = RunSettings(fit=FitSettings(matching_steps=20, rollout_steps=5))
    given = physics_as_given(problem.space)
    assert given is not None
    genomes = [given, Genome(slots={"profit": NetGene("replace", ("hare", "lynx"), (4,))})]
    found = Study.create(tmp_path_factory.mktemp("runs") / "a-run", problem, settings, "hare_lynx")
    with closing(Evaluator(problem, settings)) as evaluator, found.writing(problem) as writer:
        for number, genome in enumerate(genomes):
            candidate = Candidate(render(genome, problem.space), "grammar")
            writer.propose(number, candidate, 0.0)
            writer.record(number, evaluator.evaluate(candidate, number), 0.0)
    return found


def test_what_a_run_exports_reproduces_what_it_stored(study: Study, tmp_path: Path) -> None:
    problem = study.problem()
    paths = [tmp_path / f"model_{evaluation.number}.py" for evaluation in study.evaluations()]
    for evaluation, path in zip(study.evaluations(), paths, strict=True):
        assert evaluation.failure is None
        export_python(study, problem, evaluation, path)
    alone = run_alone(paths)
    for evaluation, path in zip(study.evaluations(), paths, strict=True):
        (states,) = alone[str(path)]["states"].values()
        stored = study.predictions(evaluation.number)["train.states"][0]
        np.testing.assert_allclose(np.stack([states["hare"], states["lynx"]], -1), stored, rtol=1e-6)


def test_a_run_exports_latex(study: Study, tmp_path: Path) -> None:
    target = tmp_path / "model.tex"
    export_latex(study, study.problem(), study.resolve("1"), target)
    assert r"\mathrm{NN}_{\mathrm{profit}}" in target.read_text()
