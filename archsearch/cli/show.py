"""`archsearch show`: the leaderboard of a run, or one of its candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from archsearch.cli.options import RUNS, Json, Run, RunsDir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archsearch.candidate.outcome import Evaluation
    from archsearch.study.proposals import Proposal
    from archsearch.study.store import Study

Which = Annotated[
    str | None,
    typer.Argument(metavar="CANDIDATE", help="Its number, or the beginning of its id. Default: all of them."),
]


def show(run: Run, candidate: Which = None, runs_dir: RunsDir = RUNS, json: Json = False) -> None:
    """Show the leaderboard of a run, or one of its candidates with its source."""
    from archsearch.study.lookup import find_run
    from archsearch.study.store import Study

    study = Study.open(find_run(run, runs_dir))
    if candidate is None:
        _show_run(study, json)
        return
    proposals, evaluated = study.proposals(), {item.number for item in study.evaluations()}
    if candidate.isdecimal() and int(candidate) in proposals and int(candidate) not in evaluated:
        _show_proposal(proposals, int(candidate), json)
    else:
        _show_candidate(study, proposals, study.resolve(candidate), json)


def _show_run(study: Study, json: bool) -> None:
    """All evaluations, best first."""
    from archsearch.cli.output import console, print_json
    from archsearch.cli.tables import leaderboard_table
    from archsearch.report.walls import about_walls

    if json:
        print_json({"run": study.id, "candidates": study.ranked()})
        return
    evaluations = study.evaluations()
    console().print(leaderboard_table(study, top=None))
    typer.echo(f"\n{len(evaluations)} of {study.record.trials(len(evaluations))} evaluated")
    for sentence in about_walls(evaluations):
        typer.echo(f"\n{sentence}")
    typer.echo(f"\nOne of them: archsearch show {study.id} NUMBER · all figures: archsearch report {study.id}")


def _show_candidate(study: Study, proposals: Mapping[int, Proposal], evaluation: Evaluation, json: bool) -> None:
    """One evaluation with where it comes from and its source."""
    from archsearch.cli.output import console, print_json
    from archsearch.cli.tables import candidate_tables, origin
    from archsearch.report.bans import marks_of

    proposal, source = proposals[evaluation.number], study.source(evaluation.number)
    if json:
        print_json({**evaluation.model_dump(mode="json"), "source": source, **_decided(proposal)})
        return
    out = console()
    mark = marks_of(study, numbers=frozenset({evaluation.number})).get(evaluation.number, "")
    for part in (origin(proposal, _numbers(proposals), mark), *candidate_tables(evaluation)):
        out.print(part)
        out.print()
    typer.echo(source.rstrip())


def _show_proposal(proposals: Mapping[int, Proposal], number: int, json: bool) -> None:
    """A proposal that was not evaluated: it waits, or was refused."""
    from archsearch.cli.output import console, print_json
    from archsearch.cli.tables import origin

    proposal = proposals[number]
    candidate = proposal.candidate
    if json:
        about = {"number": number, "candidate": candidate.id, "author": candidate.author, "claim": candidate.claim}
        rest = {"parents": list(candidate.parents), "source": candidate.source}
        print_json({**about, **rest, **_decided(proposal)})
        return
    console().print(origin(proposal, _numbers(proposals)))
    typer.echo(f"not evaluated\n\n{candidate.source.rstrip()}")


def _numbers(proposals: Mapping[int, Proposal]) -> dict[str, int]:
    """Id -> number."""
    return {item.candidate.id: number for number, item in proposals.items()}


def _decided(proposal: Proposal) -> dict[str, object]:
    """What `--json` says of a proposal beside its evaluation."""
    decision = proposal.decision.model_dump(mode="json") if proposal.decision is not None else None
    return {"rationale": proposal.candidate.rationale, "decision": decision}
