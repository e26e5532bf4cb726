"""`archsearch resume`: go on with a search that was stopped, or give it more to do."""

from __future__ import annotations

from typing import Annotated

import typer

from archsearch.cli.options import (
    REVIEW,
    RUNS,
    AcceptUnsandboxed,
    Approve,
    Json,
    ReviewMode,
    Run,
    RunsDir,
    Wait,
    checked_policies,
)
from archsearch.cli.run import MOST_MINUTES

AS_BEFORE, AS_LAST = "as the run was started", "as asked for last"
Trials = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Evaluations in all, earlier ones too.", show_default=AS_LAST)
]
Minutes = Annotated[
    float | None,
    typer.Option(metavar="M", min=0.001, max=MOST_MINUTES, help="Time in all, earlier time too.", show_default=AS_LAST),
]
Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=256, help="Evaluations at the same time.", show_default=AS_BEFORE)
]


def resume(
    run: Run,
    trials: Trials = None,
    minutes: Minutes = None,
    workers: Workers = None,
    review: Annotated[ReviewMode | None, typer.Option(help=REVIEW, show_default=AS_BEFORE)] = None,
    approve: Approve = None,
    wait: Wait = None,
    runs_dir: RunsDir = RUNS,
    i_accept_unsandboxed: AcceptUnsandboxed = False,
    json: Json = False,
) -> None:
    """Go on with a search that was stopped, however it was stopped; the result is the same."""
    from archsearch.cli.asked import tell_what_is_asked
    from archsearch.cli.searching import search
    from archsearch.evaluation import candidate_sandbox
    from archsearch.study.lookup import find_run
    from archsearch.study.store import Study

    study = Study.open(find_run(run, runs_dir))
    problem, settings = study.problem(), study.settings
    budget = study.record.budget.model_copy(update=_given(trials=trials, minutes=minutes))
    policies = checked_policies(approve) if approve else None
    own = _given(budget=budget, workers=workers, review=review, approve=policies)
    settings = settings.model_copy(update=own)
    with candidate_sandbox(settings.limits, i_accept_unsandboxed) as sandbox:
        if not json:
            tell_what_is_asked(problem, study, sandbox.tier)
        search(study, problem, settings, sandbox, json, recorded=True, wait=wait)


def _given(**options: object) -> dict[str, object]:
    """The options that were typed."""
    return {name: value for name, value in options.items() if value is not None}
