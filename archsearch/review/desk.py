"""The desk: where persons look at proposals and say what becomes of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.errors import RequestError
from archsearch.problem.problem import Problem
from archsearch.proposers.memory import NO_WISHES, Past, Wishes
from archsearch.proposers.obeying import known_names
from archsearch.review.card import Card, CardState, ParentRef
from archsearch.review.checking import check_cards, names_in
from archsearch.review.diff import code_diff, equation_diffs, given_source
from archsearch.review.editing import Edit, edited
from archsearch.review.forecasts import Forecasts
from archsearch.review.kinds import kind_of
from archsearch.review.nets import net_cards
from archsearch.review.novelty import news, parameter_cards
from archsearch.review.wishing import refuse_unfit
from archsearch.study.memory import EVER
from archsearch.study.proposals import Proposal
from archsearch.study.reader import RunReader
from archsearch.study.record import Allow, Decision, Wish, WishedLine
from archsearch.study.steering import AlreadyDecidedError, Steering
from archsearch.study.store import Study
from archsearch.study.wishes import wishes_at

GIVEN = "the physics as given"


class Desk:
    """Makes the cards of a run and takes decisions; any number of threads may share one.

    Opening reads the run once; afterwards only what is new is read.

    Args:
        study: the run.
        problem: what is asked.

    Attributes:
        reader: the run in memory, brought up to date with each card.
    """

    def __init__(self, study: Study, problem: Problem) -> None:
        self.study = study
        self.problem = problem
        self.reader = RunReader(study)
        self._steering = Steering(study)
        self._given = given_source(problem.space)
        self._forecasts = Forecasts()
        self._numbers: dict[str, int] = {}
        self._lock = threading.RLock()
        self.refresh()

    def refresh(self) -> bool:
        """Take into account what is new in the run; whether there was anything."""
        with self._lock:
            changed = self.reader.refresh()
            for number, proposal in self.reader.proposals.items():
                self._numbers.setdefault(proposal.candidate.id, number)
            self._forecasts.follow(self.reader)
        return changed

    def waiting(self) -> list[int]:
        """The numbers of the proposals that nobody has decided about, in order."""
        with self._lock:
            self.refresh()
            return [proposal.number for proposal in self.reader.waiting()]

    @property
    def names(self) -> tuple[str, ...]:
        """What may be banned or pinned."""
        return known_names(self.problem.space)

    def wishes(self) -> Wishes:
        """What is wanted now, what was taken back left out."""
        with self._lock:
            self.reader.refresh()
            return wishes_at(self.reader.wishes, EVER)

    def card(self, number: int) -> Card:
        """The card of a proposal.

        Raises:
            RequestError: there is none of that number.
        """
        with self._lock:
            self.refresh()
            return self._card(self._proposal(number))

    def parent_of(self, number: int) -> Evaluation | None:
        """The evaluation of the candidate that a proposal is compared with, if it has one: its fit can be shown."""
        with self._lock:
            parents = self._parents(self._proposal(number).candidate)
            compared = parents[0] if parents else self._numbers.get(self.study.record.baselines.get("physics", ""))
            return None if compared is None else self.reader.evaluations.get(compared)

    # ---- decisions --------------------------------------------------------------------------------------------------

    def decide(self, number: int, *, approved: bool, by: str, reason: str = "") -> Proposal:
        """Approve or refuse a proposal.

        Raises:
            RequestError: there is no such proposal.
            AlreadyDecidedError: somebody else was faster.
        """
        return self._steering.decide(number, Decision(approved=approved, by=by, reason=reason))

    def checked(self, number: int, source: str, by: str) -> Edit:
        """A person's version of a proposal and all that is wrong with it; nothing is decided.

        Raises:
            RequestError: there is no such proposal.
            AlreadyDecidedError: it is decided.
        """
        with self._lock:
            self.refresh()
            proposal = self._proposal(number)
            if proposal.decision is not None:
                raise AlreadyDecidedError(proposal)
            return edited(proposal.candidate, source, self.problem.space, by, self._tried())

    def edit(self, number: int, source: str, by: str, reason: str = "") -> tuple[Edit, int | None]:
        """Put a person's version in the place of a proposal; nothing happens if anything is wrong with it.

        Returns:
            What was found, and the number of the child if it is good.

        Raises:
            RequestError: there is no such proposal, or the same was proposed before.
            AlreadyDecidedError: somebody else was faster.
        """
        found = self.checked(number, source, by)
        if found.candidate is None:
            return found, None
        return found, self._steering.replace(number, found.candidate, by, reason)

    def wish(self, wish: Wish, by: str) -> WishedLine:
        """Say what is wanted of the proposals to come.

        Raises:
            RequestError: a ban or a pin that cannot be honoured, the release of what is free, or a preference between
            candidates without results.
        """
        self.refresh()
        refuse_unfit(wish, self.problem.space, self.wishes())
        return self._steering.wish(wish, by)

    def approve_like(self, number: int, by: str, reason: str = "") -> list[int]:
        """Approve a proposal and all that wait of its kind, and let that kind pass from now on.

        Returns:
            The numbers that were approved now; what others decided meanwhile stays as it is.

        Raises:
            AlreadyDecidedError: somebody else decided on this one.
        """
        kind = kind_of(self._proposal(number).candidate)
        self.decide(number, approved=True, by=by, reason=reason)
        self._steering.wish(Allow(like=kind), by)
        done = [number]
        for proposal in self._steering.waiting():
            if kind_of(proposal.candidate) == kind:
                try:
                    self.decide(proposal.number, approved=True, by=by, reason=f"like number {number}: {kind}")
                except AlreadyDecidedError:
                    continue
                done.append(proposal.number)
        return done

    # ---- what a card is made of -------------------------------------------------------------------------------------

    def _card(self, proposal: Proposal) -> Card:
        candidate, space = proposal.candidate, self.problem.space
        source, number = candidate.source, proposal.number
        parents = self._parents(candidate)
        before = self.reader.source(parents[0]) if parents else self._given
        compared = f"number {parents[0]}" if parents else GIVEN if before else "nothing"
        evaluation = self.reader.evaluations.get(number)
        diffs, nets = equation_diffs(source, before, space), net_cards(source, before, space)
        return Card(
            number=number,
            candidate=candidate.id,
            author=candidate.author,
            kind=kind_of(candidate),
            proposed_at=proposal.proposed_at,
            state=_state(proposal, evaluation),
            decision=proposal.decision,
            claim=candidate.claim,
            hypothesis=candidate.rationale,
            parents=tuple(self._reference(parent) for parent in parents),
            compared_with=compared,
            new=news(source, before, diffs, nets),
            equations=diffs,
            parameters=parameter_cards(source, before, space),
            nets=nets,
            checks=check_cards(source, space, self._wishes_for(candidate)),
            names=names_in(source, space),
            predicted=self._forecasts.error(number, source, self._compared_error(number)),
            predicted_note=self._forecasts.note(number, source),
            track_record=self._forecasts.track_record,
            seconds=self._forecasts.seconds(number, source),
            error=evaluation.validation.nrmse if evaluation is not None and evaluation.validation else None,
            source=source,
            code_diff=code_diff(source, before, (compared, f"number {number}")),
        )

    def _wishes_for(self, candidate: Candidate) -> Wishes:
        """What counts for a candidate: nothing for the baselines, which every run has."""
        return NO_WISHES if candidate.id in self.study.record.baselines.values() else self.wishes()

    def _compared_error(self, number: int) -> float | None:
        parent = self.parent_of(number)
        return None if parent is None or parent.validation is None or parent.number == number else parent.error

    def _parents(self, candidate: Candidate) -> list[int]:
        """The numbers of the parents that this run knows."""
        return [self._numbers[parent] for parent in candidate.parents if parent in self._numbers]

    def _reference(self, number: int) -> ParentRef:
        candidate, evaluation = self._proposal(number).candidate, self.reader.evaluations.get(number)
        error = evaluation.validation.nrmse if evaluation is not None and evaluation.validation else None
        return ParentRef(number=number, candidate=candidate.id, claim=candidate.claim, error=error)

    def _proposal(self, number: int) -> Proposal:
        found = self.reader.proposals.get(number)
        if found is None:
            raise RequestError(
                f"{self.study.id}: has no proposal {number}.", "`archsearch review RUN` shows what waits."
            )
        return found

    def _tried(self) -> Sequence[Past]:
        """What an edit may be the same as: all that was evaluated, or will be, or waits."""
        return [Past(item.number, item.candidate) for item in self.reader.proposals.values() if not self._is_out(item)]

    def _is_out(self, proposal: Proposal) -> bool:
        """Whether it was refused, so that nobody knows what would have come of it."""
        return _state(proposal, self.reader.evaluations.get(proposal.number)) == "refused"


def _state(proposal: Proposal, evaluation: Evaluation | None) -> CardState:
    if evaluation is not None:
        return "evaluated"
    if proposal.decision is None:
        return "waiting"
    return "approved" if proposal.decision.approved else "refused"
