"""What a run remembers, for proposers that look back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from archsearch.errors import RequestError
from archsearch.problem.space import SearchSpace
from archsearch.problem.trajectories import Floats
from archsearch.proposers.memory import Memory, Past, Wishes
from archsearch.proposers.replies import AUTHOR, faults
from archsearch.study.proposals import Gate, LogTail, Proposal
from archsearch.study.reader import RunReader
from archsearch.study.record import Decision
from archsearch.study.store import Study
from archsearch.study.wishes import wishes_at
from archsearch.study.writer import PROPOSALS

TRAINED = "train."
EVER = 2**31
"""A number that no proposal has: what counts now."""


class StudyMemory(Memory):
    """Looks things up in the run folder.

    Args:
        study: the run.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._tail = LogTail(study.folder / PROPOSALS)
        self._told: dict[int, tuple[Proposal, Past]] = {}

    def before(self, number: int) -> tuple[Past, ...]:
        """All proposals with smaller numbers, in order."""
        self._reader.refresh()
        known = self._reader.proposals
        return tuple(self._tell(known[place]) for place in sorted(known) if place < number)

    @cached_property
    def _reader(self) -> RunReader:
        """Reads the run once, and then what is added: a search asks for what was before at each of its proposals."""
        return RunReader(self._study)

    def _tell(self, proposal: Proposal) -> Past:
        """What is told of a proposal, made anew when something was decided about it."""
        known, told = self._told.get(proposal.number, (None, None))
        if known is not proposal or told is None:
            told = _past(proposal)
            self._told[proposal.number] = proposal, told
        return told

    def trained(self, number: int) -> Mapping[str, Floats]:
        """Predictions for the training data; those for held-out data stay where they are."""
        try:
            found = self._study.predictions(number)
        except RequestError:  # it failed
            return {}
        return {name.removeprefix(TRAINED): array for name, array in found.items() if name.startswith(TRAINED)}

    def wishes(self, number: int) -> Wishes:
        """What persons had wanted when this proposal was made."""
        self._tail.read()
        return wishes_at(self._tail.log.wishes, number)

    def unwanted(self, number: int) -> tuple[Past, ...]:
        """Those with smaller numbers that a person refused, and did not put a version of their own in the place of."""
        self._tail.read()
        known = [item for item in self._tail.log.proposals.values() if item.number < number]
        edited = {parent for item in known if item.candidate.is_by_person for parent in item.candidate.parents}
        refused = (item for item in known if _is_refused_by_person(item) and item.candidate.id not in edited)
        return tuple(_past(item) for item in sorted(refused, key=lambda item: item.number))


def refusing(memory: Memory, space: SearchSpace, gate: Gate) -> Gate:
    """A gate that lets nothing of an LLM through to another gate that cannot be trained, or was tried before.

    Args:
        memory: of the run.
        space: what candidates are for.
        gate: decides on the rest.
    """

    def decide(proposal: Proposal) -> Decision | None:
        candidate = proposal.candidate
        if candidate.author == AUTHOR:
            others = [item for item in memory.before(EVER) if item.candidate.id != candidate.id]
            found = faults(candidate, space, others)
            if found:
                return Decision(approved=False, by="check", reason=" ".join(found))
        return gate(proposal)

    return decide


def _is_refused_by_person(proposal: Proposal) -> bool:
    decision = proposal.decision
    return decision is not None and not decision.approved and decision.is_by_person


def _past(proposal: Proposal) -> Past:
    decision = proposal.decision
    if decision is None or decision.approved:
        return Past(proposal.number, proposal.candidate, waits=decision is None)
    if not _is_refused_by_person(proposal):
        return Past(proposal.number, proposal.candidate, decision.reason)
    why = f": {decision.reason}" if decision.reason else ""
    return Past(proposal.number, proposal.candidate, f"the scientist refused it{why}")
