"""What persons decided and wanted, in the order in which they did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsearch.candidate.outcome import Evaluation
from archsearch.report.leaderboard import four
from archsearch.study.proposals import Proposal
from archsearch.study.record import NOBODY, Allow, Ban, Decision, Hint, Pin, Preference, Release, Wish, WishedLine
from archsearch.study.steering import Steering

if TYPE_CHECKING:
    from archsearch.study.store import Study


@dataclass(frozen=True)
class Act:
    """One thing that a person did to a search.

    Attributes:
        at: UTC time, ISO 8601; empty if it is not known.
        by: the person.
        what: in words: `approved number 7`, `banned predation`.
        about: the claim of the candidate that it is about; empty otherwise.
        why: the person's reason, or the text of a hint.
        outcome: what came of it: the error of what was approved; empty otherwise.
    """

    at: str
    by: str
    what: str
    about: str
    why: str
    outcome: str

    @property
    def when(self) -> str:
        """`2026-11-22 05:26`, a dash if it is not known."""
        return self.at[:16].replace("T", " ") or "-"


def acts(
    proposals: Mapping[int, Proposal], wishes: Sequence[WishedLine], evaluations: Sequence[Evaluation]
) -> tuple[Act, ...]:
    """All that persons decided and wished, in the order of time."""
    evaluated = {item.number: item for item in evaluations}
    decided = [_decided(item, evaluated.get(item.number)) for item in proposals.values() if is_by_person(item.decision)]
    return tuple(sorted([*decided, *map(_wished, wishes)], key=lambda act: act.at))


def acts_of(study: Study) -> tuple[Act, ...]:
    """All that persons did to a run."""
    return acts(study.proposals(), Steering(study).wishes(), study.evaluations())


def is_by_person(decision: Decision | None) -> bool:
    """Whether a person decided, and no policy."""
    return decision is not None and decision.is_by_person


def told(decision: Decision | None) -> str:
    """A decision in one line; who decided, what, and why."""
    if decision is None:
        return "not decided yet"
    if decision.by == NOBODY:
        return decision.reason or "nobody decided"
    why = f": {decision.reason}" if decision.reason else ""
    return f"{'approved' if decision.approved else 'refused'} by {decision.by}{why}"


def _decided(proposal: Proposal, evaluation: Evaluation | None) -> Act:
    decision = proposal.decision
    assert decision is not None
    candidate = proposal.candidate
    verb = "approved" if decision.approved else "refused"
    own = f", {candidate.author}'s own" if candidate.author == decision.by else ""
    return Act(
        at=proposal.decided_at,
        by=decision.by,
        what=f"{verb} number {proposal.number}{own}",
        about=candidate.claim,
        why=decision.reason,
        outcome=_outcome(evaluation) if decision.approved else "",
    )


def _outcome(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "not evaluated yet"
    return f"error {four(evaluation.error)}" if evaluation.validation is not None else "failed"


def _wished(line: WishedLine) -> Act:
    what, why = _words(line.wish)
    return Act(line.at, line.by, what, "", why, f"from number {line.number} on")


def _words(wish: Wish) -> tuple[str, str]:
    """What was wished, and why."""
    match wish:
        case Hint(text=text):
            return "gave a hint", text
        case Ban(name=name):
            return f"banned {name}", ""
        case Pin(name=name):
            return f"pinned {name}", ""
        case Release(name=name):
            return f"released {name}", ""
        case Preference(better=better, worse=worse, reason=reason):
            return f"preferred number {better} to number {worse}", reason
        case Allow(like=like):
            return f"allowed all like: {like}", ""


def refused_authors(proposals: Mapping[int, Proposal]) -> Iterator[str]:
    """The author of every proposal that was refused."""
    for item in proposals.values():
        if item.decision is not None and not item.decision.approved:
            yield item.candidate.author
