"""The family tree of a run that may still be searched."""

from __future__ import annotations

from archsearch.candidate.outcome import Evaluation
from archsearch.report.leaderboard import four
from archsearch.report.lineage import Entry, Lineage, lineage
from archsearch.service.open_runs import OpenRun
from archsearch.study.proposals import Proposal


def family_of(run: OpenRun) -> Lineage:
    """Which candidate was made from which; whoever asks holds the lock of the run."""
    reader, best = run.reader, run.reader.best()
    ranks = {item.number: place for place, item in enumerate(reader.ranked())}
    entries = [
        Entry(
            number=number,
            candidate=proposal.candidate,
            error=_standing(proposal, reader.evaluations.get(number)),
            rank=ranks.get(number, len(ranks)),
            by_person=proposal.candidate.is_by_person,
        )
        for number, proposal in sorted(reader.proposals.items())
    ]
    return lineage(entries, best.number if best is not None else None)


def _standing(proposal: Proposal, evaluation: Evaluation | None) -> str:
    """What became of a proposal so far, in a word."""
    if evaluation is not None:
        return four(evaluation.error) if evaluation.validation is not None else "failed"
    if proposal.decision is None:
        return "waits"
    return "not evaluated yet" if proposal.decision.approved else "refused"
