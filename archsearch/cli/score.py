"""`archsearch score`: the error of one candidate on one part of the data."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from archsearch.cli.options import RUNS, AcceptUnsandboxed, Candidate, Json, Run, RunsDir
from archsearch.cli.output import visible

if TYPE_CHECKING:
    from archsearch.candidate.outcome import Evaluation, Score
    from archsearch.study.store import Study

PartOption = Annotated[Literal["test", "validation", "train"], typer.Option("--on", help="The part of the data.")]


def score(
    run: Run,
    candidate: Candidate = None,
    on: PartOption = "test",
    runs_dir: RunsDir = RUNS,
    i_accept_unsandboxed: AcceptUnsandboxed = False,
    json: Json = False,
) -> None:
    """Score a candidate on the sealed test data, or say how it scored on the others.

    A test score is computed once and kept: test data that were looked at often rank as well. Without CANDIDATE the
    best is scored, and the baselines beside it.
    """
    from archsearch.cli.output import print_json
    from archsearch.report.leaderboard import four
    from archsearch.report.walls import MEANING, NONE
    from archsearch.study.lookup import find_run
    from archsearch.study.store import Study

    study = Study.open(find_run(run, runs_dir))
    evaluation = study.resolve(candidate)
    found = _test_score(study, evaluation, i_accept_unsandboxed) if on == "test" else _kept(evaluation, on)
    beside = _baselines(study, evaluation, i_accept_unsandboxed) if on == "test" and candidate is None else {}
    if json:
        print_json(found)
    else:
        _tell(found, evaluation, on, study)
        if on == "test" and study.sealed_scores()[evaluation.candidate].sandbox == NONE:
            typer.echo(f"  predicted without walls (--i-accept-unsandboxed): {MEANING}")
        for name, other in beside.items():
            typer.echo(f"  beside it, {name}: nrmse {four(other.nrmse)}")


def _baselines(study: Study, best: Evaluation, accept: bool) -> dict[str, Score]:
    """The test scores of the baselines by their names, so that the report can compare."""
    from archsearch.errors import NothingFoundError
    from archsearch.report.leaderboard import BASELINES, baselines_of

    others = {key: item for key, item in baselines_of(study).items() if item.number != best.number}
    found: dict[str, Score] = {}
    for key, item in others.items():
        with suppress(NothingFoundError):  # a baseline that cannot be rolled out there has no score to stand beside
            found |= {BASELINES[key]: _test_score(study, item, accept)} if item.validation is not None else {}
    return found


def _test_score(study: Study, evaluation: Evaluation, accept: bool) -> Score:
    """The score on the test data, which is computed once."""
    from archsearch.evaluation import Evaluator, candidate_sandbox

    known = study.test_scores().get(evaluation.candidate)
    if known is not None:
        return known
    source, weights = study.source(evaluation.number), study.weights(evaluation.number)
    problem = study.problem()
    with candidate_sandbox(study.settings.limits, accept) as sandbox:
        found = Evaluator(problem, study.settings, sandbox).score(source, weights, "test")
        return study.record_test_score(evaluation.candidate, found, sandbox.tier.value)


def _kept(evaluation: Evaluation, on: str) -> Score:
    """A score that every evaluation has."""
    from archsearch.errors import NothingFoundError

    found = evaluation.validation if on == "validation" else evaluation.train
    if found is None:
        told = evaluation.failure.message if evaluation.failure is not None else "it was not evaluated to the end"
        raise NothingFoundError(f"Number {evaluation.number} has no score: {told}", "Choose another candidate.")
    return found


def _tell(found: Score, evaluation: Evaluation, on: str, study: Study) -> None:
    """The score in words, each state in its unit."""
    from archsearch.report.leaderboard import four

    units = {state.name: state.unit for state in study.problem().space.states}
    typer.echo(f"number {evaluation.number} ({visible(evaluation.claim) or evaluation.candidate}) on the {on} data:")
    typer.echo(f"  nrmse {four(found.nrmse)}; {found.diverged} of {found.trajectories} rollouts diverged")
    for name, error in found.rmse.items():
        typer.echo(f"  rmse of {name}: {four(error)} {units[name]}")
    for name, worst in found.constraints.items():
        typer.echo(f"  {name}: {'holds everywhere' if worst == 0 else f'violated by up to {four(worst)}'}")
