"""`--replay RUN`: the settings of a search that is repeated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from archsearch.errors import RequestError

if TYPE_CHECKING:
    from archsearch.problem.problem import Problem
    from archsearch.settings import RunSettings

OWN = ("space", "workers", "run_dir", "json", "replay", "i_accept_unsandboxed")
"""What the person who repeats a search may choose: none of it changes which way the search goes."""


def refuse_other_settings(context: typer.Context) -> None:
    """Refuse flags that a repeated search takes from the run that it repeats."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in OWN and _was_typed(context, name):
            flag = f"--{name.replace('_', '-')}"
            raise RequestError(f"{flag}: a repeated search has the settings of the run.", f"Leave out {flag}.")


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def settings_of(run: str, problem: Problem, workers: int, runs_dir: Path) -> RunSettings:
    """The settings of a run, to be repeated with its recorded replies.

    Raises:
        RequestError: there is no such run, it asked neither an LLM nor a person, or it was about another problem.
    """
    from archsearch.cli.proposing import uses_llm
    from archsearch.review.policy import was_reviewed
    from archsearch.study.lookup import find_run
    from archsearch.study.store import Study

    study = Study.open(find_run(run, runs_dir))
    if not uses_llm(study.settings) and not was_reviewed(study):
        raise RequestError(
            f"--replay {run}: that run asked no LLM and no person.", "Search with --proposer grammar and its seed."
        )
    if not _same(study.problem(), problem):
        raise RequestError(f"--replay {run}: that run is about another problem.", f"It was: {study.space_request}.")
    record = study.record
    budget = record.budget.model_copy(update={"trials": record.trials(len(study.evaluations()))})
    changed = {"budget": budget, "workers": workers, "replay": str(study.folder.resolve())}
    return study.settings.model_copy(update=changed)


def _same(one: Problem, other: Problem) -> bool:
    """Whether two problems are alike, wherever their data lie."""
    import numpy as np

    spaces = one.space.model_copy(update={"data": other.space.data}) == other.space
    parts = ((one.train, other.train), (one.validation, other.validation))
    return spaces and all(
        np.array_equal(a.trajectories.states, b.trajectories.states, equal_nan=True) for a, b in parts
    )
