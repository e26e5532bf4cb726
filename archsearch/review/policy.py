"""Which proposals need a person, and what happens to the others."""

from __future__ import annotations

import getpass
import os

from archsearch.candidate.net_declarations import declared_nets
from archsearch.problem.space import SearchSpace
from archsearch.proposers.obeying import violations
from archsearch.review.forecasts import Forecasts
from archsearch.review.kinds import kind_of
from archsearch.search import approve_all
from archsearch.settings import RunSettings
from archsearch.study.memory import EVER, StudyMemory
from archsearch.study.proposals import Gate, Proposal, read_log
from archsearch.study.reader import RunReader
from archsearch.study.record import Decision
from archsearch.study.store import Study
from archsearch.study.wishes import allowed
from archsearch.study.writer import PROPOSALS

PERSON = "ARCHSEARCH_PERSON"


def who() -> str:
    """The name of the person that decides: what ARCHSEARCH_PERSON says, or the login name."""
    named = os.environ.get(PERSON, "").strip()
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        return "a person"


def policy_gate(study: Study, space: SearchSpace, settings: RunSettings) -> Gate:
    """The gate of a run: what no person needs to see passes, what is banned does not, the rest waits.

    Args:
        study: the run.
        space: what candidates are for.
        settings: whose `review` and `approve` count.
    """
    baselines = frozenset(study.record.baselines.values())
    memory = StudyMemory(study)
    reviewed = approve_all if settings.review == "never" else _review_gate(study, settings)

    def decide(proposal: Proposal) -> Decision | None:
        if proposal.candidate.id in baselines:
            return Decision(approved=True, by="policy", reason="a baseline, which every run has")
        broken = violations(proposal.candidate.source, space, memory.wishes(EVER))
        if broken:
            return Decision(approved=False, by="wishes", reason=f"It {' and '.join(broken)}.")
        return reviewed(proposal)

    return decide


def _review_gate(study: Study, settings: RunSettings) -> Gate:
    """Lets pass what needs no person in a run that is reviewed."""
    reader, forecasts = RunReader(study), Forecasts()

    def decide(proposal: Proposal) -> Decision | None:
        reader.refresh()
        forecasts.follow(reader)
        kind = kind_of(proposal.candidate)
        if kind in allowed(reader.wishes):
            return Decision(approved=True, by="policy", reason=f"like others that were approved: {kind}")
        for name in settings.approve:
            if _passes(name, proposal, forecasts):
                return Decision(approved=True, by="policy", reason=f"--approve {name}")
        return None

    return decide


def was_reviewed(study: Study) -> bool:
    """Whether a person had a say in what a run tried."""
    log = read_log(study.folder / PROPOSALS)
    return (
        study.settings.review != "never"
        or bool(log.wishes)
        or any(item.candidate.is_by_person for item in log.proposals.values())
    )


def recorded_gate(study: Study) -> Gate:
    """A gate that decides as was decided in another run; what was left open there, it leaves open."""
    proposals = study.proposals()

    def decide(proposal: Proposal) -> Decision | None:
        known = proposals.get(proposal.number)
        return known.decision if known is not None else None

    return decide


def _passes(policy: str, proposal: Proposal, forecasts: Forecasts) -> bool:
    """Whether a policy of `RunSettings.approve` lets a proposal pass."""
    candidate = proposal.candidate
    if policy == "white-box":
        return not declared_nets(candidate.source)
    if policy.startswith("cheap:"):
        expected = forecasts.seconds(proposal.number, candidate.source)
        return expected is not None and expected.value <= float(policy.removeprefix("cheap:").removesuffix("s"))
    return candidate.author == policy
