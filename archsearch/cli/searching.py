"""What `run` and `resume` share: put the parts of a search together, show it, and say what came of it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from archsearch.cli.output import console, print_json
from archsearch.cli.progress import progress
from archsearch.cli.tables import leaderboard_table
from archsearch.errors import NothingFoundError

if TYPE_CHECKING:
    from archsearch.problem.problem import Problem
    from archsearch.sandbox.sandbox import Sandbox
    from archsearch.search import Summary
    from archsearch.settings import RunSettings
    from archsearch.study.store import Study


def search(
    study: Study,
    problem: Problem,
    settings: RunSettings,
    sandbox: Sandbox,
    json: bool,
    recorded: bool = False,
    wait: bool | None = None,
) -> None:
    """Searches until the budget is spent, and tells of it on standard output.

    Args:
        study: the run.
        problem: what is asked.
        settings: how to search; budget and workers may differ from those of the run.
        sandbox: where candidates run; all workers share it.
        json: print one document instead.
        recorded: the settings come from a run folder rather than from the person who typed the command.
        wait: whether to wait for a person when only one can go on; None: in a terminal.
    """
    in_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not json
    try:
        with _kill_as_interrupt():
            summary = _search(study, problem, settings, sandbox, json, recorded, in_terminal if wait is None else wait)
    except KeyboardInterrupt:
        typer.echo(f"\ninterrupted; go on with: archsearch resume {study.folder}", err=True)
        raise typer.Exit(130) from None
    if json:
        print_json(_document(study, summary))
    else:
        _tell(study, problem, summary)
    if summary.reason == "stopped":
        raise typer.Exit(130)
    if summary.best is None:
        why = f"none of the {summary.evaluated} candidates that were evaluated fits"
        raise NothingFoundError(f"{study.id}: {why}.", f"`archsearch show {study.id}` says why, one by one.")


@contextmanager
def _kill_as_interrupt() -> Iterator[None]:
    """`kill`, as batch systems use it, does what Ctrl-C does: what is finished is recorded; how to go on is told."""
    if threading.current_thread() is not threading.main_thread():  # the one that signals reach
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _search(
    study: Study, problem: Problem, settings: RunSettings, sandbox: Sandbox, quiet: bool, recorded: bool, wait: bool
) -> Summary:
    """The search itself."""
    from archsearch.cli.proposing import proposing
    from archsearch.evaluation import Evaluator
    from archsearch.executors.local import LocalExecutor
    from archsearch.search import run_search

    evaluator = Evaluator(problem, settings, sandbox)
    with (
        progress(study, problem, settings, quiet) as view,
        proposing(study, problem, settings, sandbox.tier, recorded, view.tell) as who,
    ):
        view.cost = who.cost
        return run_search(
            problem,
            study,
            who.proposer,
            lambda: LocalExecutor(lambda: evaluator, settings.workers),
            settings,
            view,
            who.gate,
            wait,
        )


def _document(study: Study, summary: Summary) -> dict[str, object]:
    """The JSON document of `run` and `resume`; its keys are stable."""
    return {
        "run": study.id,
        "best": summary.best,
        "baselines": summary.baselines,
        "evaluated": summary.evaluated,
        "failed": summary.failed,
        "waiting": summary.waiting,
        "seconds": summary.seconds,
    }


STOPPED = {
    "trials": "the trials are spent",
    "minutes": "the minutes are spent",
    "exhausted": "there is nothing new to propose",
    "review": "only a person can go on",
    "stopped": "stopped by a person",
    "interrupted": "interrupted",
}


def _tell(study: Study, problem: Problem, summary: Summary) -> None:
    """Leaderboard, verdict, where the files are, and what to do next."""
    from archsearch.report.verdict import judge

    out = console()
    out.print(f"\n{summary.evaluated} evaluated, {summary.failed} failed; {STOPPED[summary.reason]}.\n")
    out.print(leaderboard_table(study))
    out.print(f"\n{judge(study, problem).text}\n")
    commands = _next_commands(str(study.folder), problem) if summary.best is not None else {}
    commands = _open_commands(str(study.folder), summary) | commands
    if not commands:
        return
    width = max(len(command) for command in commands)
    out.print(f"The run is in {study.folder}. Next:", soft_wrap=True)
    for command, what in commands.items():
        out.print(f"  {command:<{width}}  {what}", soft_wrap=True)


def _open_commands(run: str, summary: Summary) -> dict[str, str]:
    """What a person may do about a search that is not over."""
    commands = {}
    if summary.waiting:
        these = "proposal that waits" if summary.waiting == 1 else f"{summary.waiting} proposals that wait"
        commands[f"archsearch review {run}"] = f"decide on the {these}"
    if summary.reason in ("review", "stopped") or summary.waiting:
        commands[f"archsearch resume {run}"] = "go on with the search"
    return commands


def _next_commands(run: str, problem: Problem) -> dict[str, str]:
    """What a person may want to do with a finished run, and what it is good for."""
    commands = {
        f"archsearch report {run}": "figures, equations and parameters as one HTML page",
        f"archsearch show {run} NUMBER": "one candidate with its source",
        f"archsearch export {run}": "the best model as one Python file",
    }
    if problem.test is not None:
        commands[f"archsearch score {run} --on test"] = "the error of the best on the sealed test data"
    return commands
