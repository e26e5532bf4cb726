"""`archsearch review`: decide on the proposals of a run that wait for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsearch.cli.options import RUNS, Json, Run, RunsDir
from archsearch.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from archsearch.cli.reviewing import Ask
    from archsearch.problem.problem import Problem
    from archsearch.review.desk import Desk
    from archsearch.study.store import Study

Number = Annotated[
    int | None, typer.Argument(metavar="NUMBER", min=0, help="One proposal. Default: all that wait, one by one.")
]
Approve = Annotated[bool, typer.Option("--approve", help="Approve NUMBER.")]
Reject = Annotated[str | None, typer.Option("--reject", metavar="WHY", help="Reject NUMBER for this reason.")]
EditFile = Annotated[
    Path | None,
    typer.Option(
        "--edit", metavar="FILE", help="Train this source in the place of NUMBER.", exists=True, dir_okay=False
    ),
]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason for --approve or --edit.")]


def review(
    run: Run,
    number: Number = None,
    approve: Approve = False,
    reject: Reject = None,
    edit: EditFile = None,
    why: Why = "",
    runs_dir: RunsDir = RUNS,
    json: Json = False,
) -> None:
    """Decide on the proposals that wait, in a dialogue or by options; also while the run is searched."""
    wanted = sum((approve, reject is not None, edit is not None))
    if wanted > 1:
        raise RequestError("Expected one of --approve, --reject and --edit, found several.", "Give one decision.")
    if wanted and number is None:
        raise RequestError("A decision needs the NUMBER of a proposal.", f"`archsearch review {run}` shows what waits.")
    from archsearch.cli.output import console
    from archsearch.study.lookup import find_run
    from archsearch.study.store import Study

    study = Study.open(find_run(run, runs_dir))
    problem = study.problem()
    if number is not None and wanted:
        _decide(study, problem, number, reject, edit, why, json)
    elif json or number is not None:
        _show(study, problem, number, json)
    else:
        review_session(study, problem, console())


def review_session(study: Study, problem: Problem, console: Console, ask: Ask | None = None) -> None:
    """Goes through the waiting proposals with a person; leaves when nothing waits, on q, and at the end of input.

    Args:
        study: the run, which may be searched meanwhile.
        problem: what is asked.
        console: where cards are printed.
        ask: asks a question and returns the line that was typed, None at the end of input (default: the terminal).
    """
    from archsearch.cli.reviewing import Review
    from archsearch.review.desk import Desk
    from archsearch.review.policy import who

    Review(Desk(study, problem), console, ask or typed_line, who()).run()


def typed_line(question: str) -> str | None:
    """What a person types after a question; None at the end of input, and when they interrupt."""
    try:
        return input(question)
    except (EOFError, KeyboardInterrupt):
        typer.echo()
        return None


def _decide(
    study: Study, problem: Problem, number: int, reject: str | None, edit: Path | None, why: str, json: bool
) -> None:
    """One decision, without a dialogue."""
    from archsearch.cli.output import print_json
    from archsearch.review.desk import Desk
    from archsearch.review.policy import who

    desk, by, child = Desk(study, problem), who(), None
    if edit is not None:
        child = _replace(desk, number, edit, by, why)
        told = f"Number {number} is replaced by yours, number {child}, which is approved."
    elif reject is not None:
        if not reject.strip():
            raise RequestError("--reject: expected a reason, found none.", "Proposers are told it: say what is wrong.")
        desk.decide(number, approved=False, by=by, reason=reject.strip())
        told = f"Number {number} is rejected: {reject.strip()}"
    else:
        desk.decide(number, approved=True, by=by, reason=why)
        against = " ".join(check.sentence for check in desk.card(number).checks if not check.passed)
        told = f"Number {number} is approved" + (f", against what stands: {against}" if against else ".")
    if json:
        print_json({"run": study.id, "number": number, "decision": desk.card(number).decision, "child": child})
    else:
        typer.echo(told)


def _replace(desk: Desk, number: int, file: Path, by: str, why: str) -> int:
    """Puts the source in a file in the place of a proposal; all that is wrong with it in one error."""
    found, child = desk.edit(number, file.read_text(encoding="utf-8", errors="replace"), by, why)
    if child is None:
        lines = "\n".join(f"  - {finding}" for finding in found.findings)
        raise RequestError(f"{file}: {len(found.findings)} to mend; nothing is decided.\n{lines}")
    return child


def _show(study: Study, problem: Problem, number: int | None, json: bool) -> None:
    """The cards that wait, or one card, without a question."""
    from archsearch.cli.output import console, print_json
    from archsearch.cli.reviewing import Review
    from archsearch.review.desk import Desk
    from archsearch.review.policy import who

    desk = Desk(study, problem)
    if number is None:
        print_json({"run": study.id, "waiting": [desk.card(waiting) for waiting in desk.waiting()]})
    elif json:
        print_json(desk.card(number))
    else:
        Review(desk, console(), typed_line, who()).show(number)
