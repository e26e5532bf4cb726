"""`archsearch run`: a new search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from archsearch.cli.options import (
    REVIEW,
    RUNS,
    AcceptUnsandboxed,
    Approve,
    Json,
    LlmBaseUrl,
    LlmModel,
    ReviewMode,
    Space,
    Wait,
    checked_policies,
)
from archsearch.errors import MachineError
from archsearch.settings import Budget, RunSettings

DEFAULT = RunSettings()
MOST_MINUTES = 525_600.0  # a year

Trials = Annotated[int, typer.Option(metavar="N", min=1, help="Stop after this many evaluations.")]
Minutes = Annotated[
    float | None,
    typer.Option(metavar="M", min=0.001, max=MOST_MINUTES, help="Stop after this time.", show_default="no limit"),
]
ProposerName = Annotated[
    Literal["auto", "grammar", "llm", "both"],
    typer.Option(help="Who proposes; `auto` takes both if an LLM is named, else the grammar."),
]
Replay = Annotated[
    str | None, typer.Option(metavar="RUN", help="Repeat this run with its recorded replies; nothing is sent.")
]
ShowPrompt = Annotated[
    bool, typer.Option("--show-prompt", help="Print the first question to an LLM; send and search nothing.")
]
Anonymise = Annotated[bool, typer.Option("--anonymise", help="Tell the LLM other names than those of the problem.")]
Workers = Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Evaluations at the same time; one core each.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where candidates are trained.")]
Seed = Annotated[int, typer.Option(metavar="S", min=0, help="The same seed gives the same search.")]
RunDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The very folder of the run.", show_default="a new one under runs/")
]


def run(
    context: typer.Context,
    space: Space,
    trials: Trials = DEFAULT.budget.trials,
    minutes: Minutes = DEFAULT.budget.minutes,
    proposer: ProposerName = DEFAULT.proposer,
    llm_model: LlmModel = None,
    llm_base_url: LlmBaseUrl = None,
    anonymise: Anonymise = DEFAULT.anonymise,
    replay: Replay = None,
    show_prompt: ShowPrompt = False,
    review: Annotated[ReviewMode, typer.Option(help=REVIEW)] = DEFAULT.review,
    approve: Approve = None,
    wait: Wait = None,
    workers: Workers = DEFAULT.workers,
    device: Device = DEFAULT.fit.device,
    seed: Seed = DEFAULT.seed,
    run_dir: RunDir = None,
    i_accept_unsandboxed: AcceptUnsandboxed = False,
    json: Json = False,
) -> None:
    """Search for the best hybrid model of a space, from its data."""
    settings = RunSettings(
        proposer=proposer,
        anonymise=anonymise,
        review=review,
        approve=checked_policies(approve or []),
        workers=workers,
        seed=seed,
        budget=Budget(trials=trials, minutes=minutes),
        fit=DEFAULT.fit.model_copy(update={"device": device}),
    )
    from archsearch.cli.asked import tell_what_is_asked
    from archsearch.cli.proposing import chosen, first_prompt
    from archsearch.cli.repeating import refuse_other_settings, settings_of
    from archsearch.cli.searching import search
    from archsearch.evaluation import candidate_sandbox
    from archsearch.problem.loading import load_problem
    from archsearch.study.lookup import new_run_folder
    from archsearch.study.store import Study

    _require(device)
    problem = load_problem(space)
    if show_prompt:
        typer.echo(first_prompt(problem, settings))
        return
    if replay is not None:
        refuse_other_settings(context)
        settings = settings_of(replay, problem, workers, RUNS)
    else:
        settings = chosen(settings, llm_model, llm_base_url)
    with candidate_sandbox(settings.limits, i_accept_unsandboxed) as sandbox:
        folder = run_dir or new_run_folder(RUNS, problem.name)
        study = Study.create(folder, problem, settings, space, sandbox.tier.value)
        if not json:
            tell_what_is_asked(problem, study, sandbox.tier)
        search(study, problem, settings, sandbox, json, recorded=replay is not None, wait=wait)


def _require(device: str) -> None:
    """Refuses a device that this machine does not have, before anything is written."""
    if device != "cuda":
        return
    import torch

    if not torch.cuda.is_available():
        raise MachineError("--device cuda: PyTorch finds no GPU here.", "Use --device cpu. See `archsearch doctor`.")
