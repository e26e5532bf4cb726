"""Tables of a run and of a candidate for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from archsearch.cli.output import plain_table, visible
from archsearch.report.leaderboard import HEADINGS, LEGEND, aligned, cells, four, rows_of
from archsearch.report.parameters import interval_text
from archsearch.report.persons import told
from archsearch.report.references import off_by
from archsearch.report.walls import NONE

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from archsearch.candidate.outcome import Evaluation
    from archsearch.study.proposals import Proposal
    from archsearch.study.store import Study

IDENTIFIED = {True: "yes", False: "no", None: "not known"}
KEPT = {True: "yes", False: "BROKEN", None: "not known"}
CLAIMED = (
    "Names, units, bounds, intervals, identified, shares, and the errors without a term are what its own process says."
)
NUMERIC = ("rank", "no.", "weights", "parameters", "seconds")


def leaderboard_table(study: Study, top: int | None = 15, brief: bool = False) -> Table:
    """The leaderboard: the best, and the baselines wherever they stand; if brief, one line each."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, caption=None if brief else LEGEND, caption_justify="left")
    for heading in HEADINGS:
        table.add_column(
            heading, justify="right" if heading in NUMERIC else "left", no_wrap=brief or heading in NUMERIC
        )
    for row in rows_of(study, top):
        style = "bold" if row.chosen else "dim" if row.rank is None else "cyan" if row.baseline else None
        table.add_row(*map(visible, cells(row)), style=style)
    return table


def candidate_tables(evaluation: Evaluation) -> Iterator[RenderableType]:
    """What there is to say of one candidate, piece by piece."""
    if evaluation.sandbox == NONE:
        yield "ran without walls (--i-accept-unsandboxed)"
    if evaluation.failure is not None:
        failure = evaluation.failure
        yield f"failed ({failure.kind}): {failure.message}\n  {failure.remedy}"
    if evaluation.validation is not None:
        yield _scores(evaluation)
    if evaluation.parameters:
        yield _parameters(evaluation)
    if evaluation.hidden_states:
        yield _hidden_states(evaluation)
    if evaluation.limits:
        yield _limits(evaluation)
    if evaluation.terms:
        yield _terms(evaluation)
    if evaluation.nets:
        yield _nets(evaluation)
    if evaluation.status == "ok":
        yield CLAIMED


def origin(proposal: Proposal, known: Mapping[str, int], mark: str = "") -> str:
    """Where a candidate comes from and what was decided about it, a line each.

    Args:
        proposal: of the candidate.
        known: id -> number of the proposals of the run, so that parents have theirs.
        mark: what stands against it, see `report.bans`.
    """
    candidate = proposal.candidate
    parents = [f"number {known[parent]}" if parent in known else parent for parent in candidate.parents]
    lines = [
        f"number {proposal.number}, candidate {candidate.id}",
        f"author: {candidate.author}",
        f"made from: {', '.join(parents) or 'nothing else'}",
        f"claim: {candidate.claim}" if candidate.claim else "",
        f"rationale: {candidate.rationale}" if candidate.rationale else "",
        f"decision: {told(proposal.decision)}",
        mark,
    ]
    return visible("\n".join(line for line in lines if line))


def _scores(evaluation: Evaluation) -> Table:
    states = tuple(evaluation.validation.rmse) if evaluation.validation is not None else ()
    table = plain_table("scored on", "nrmse", *(f"rmse {name}" for name in states), "diverged")
    for name, score in (("validation", evaluation.validation), ("train", evaluation.train)):
        if score is not None:
            diverged = f"{score.diverged} of {score.trajectories}"
            table.add_row(name, four(score.nrmse), *(four(score.rmse.get(state)) for state in states), diverged)
    return table


def _parameters(evaluation: Evaluation) -> Table:
    compared = any(fitted.reference is not None for fitted in evaluation.parameters.values())
    more = ("reference", "off by") if compared else ()
    table = plain_table("parameter", "value", "95 % interval", "unit", "bounds", "identified", *more)
    for name, fitted in evaluation.parameters.items():
        bounds = f"{_bound(fitted.low)} to {_bound(fitted.high)}"
        identified = IDENTIFIED[fitted.identified]
        beside = (four(fitted.reference), off_by(fitted) or "-") if compared else ()
        table.add_row(name, aligned(fitted.value), interval_text(fitted), fitted.unit, bounds, identified, *beside)
    return table


def _hidden_states(evaluation: Evaluation) -> Table:
    table = plain_table("hidden state", "± std. error", "spread", "unit", "identified")
    for name, fitted in evaluation.hidden_states.items():
        spread = four(fitted.spread)
        table.add_row(visible(name), four(fitted.std_error), spread, fitted.unit, IDENTIFIED[fitted.identified])
    return table


def _limits(evaluation: Evaluation) -> Table:
    table = plain_table("limit", "least margin on train", "on validation", "kept, so its process says")
    for name, limit in evaluation.limits.items():
        table.add_row(visible(name), four(limit.train), four(limit.validation), KEPT[limit.kept])
    return table


def _bound(value: float | None) -> str:
    return "anything" if value is None else four(value)


def _terms(evaluation: Evaluation) -> Table:
    table = plain_table("term", "became", "train nrmse without it")
    for name, term in evaluation.terms.items():
        table.add_row(name, f"{term.status} by {term.by}" if term.by else term.status, four(term.ablated_nrmse))
    return table


def _nets(evaluation: Evaluation) -> Table:
    table = plain_table("net", "role", "sees", "hidden", "weights", "share of the dynamics")
    for name, net in evaluation.nets.items():
        share = "-" if net.share is None else f"{net.share:.1%}"
        size = " x ".join(str(width) for width in net.hidden)
        table.add_row(name, net.role, ", ".join(net.inputs), size, str(net.weights), share)
    return table
