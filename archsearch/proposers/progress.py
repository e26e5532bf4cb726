"""What an LLM is told of the search so far: what was tried, what came of it, what a person wants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from archsearch.candidate.outcome import Evaluation, Failure, FittedParameter, FittedTerm
from archsearch.candidate.ranking import best, rank, size
from archsearch.plain_text import one_line
from archsearch.problem.trajectories import Floats
from archsearch.proposers.measured import Measured, rms
from archsearch.proposers.memory import Memory, Past, Wishes
from archsearch.proposers.prompts import prompt
from archsearch.proposers.trends import autocorrelation, correlations, four, listed, told

SHOWN = 4
"""Candidates that are told in full."""
MOST_LINES = 12
"""Of each list of candidates, refusals and failures."""
LONGEST_FAILURE = 2000
"""Letters of why one candidate failed or was refused."""
MOST_TRAJECTORIES = 8
LAWS_FIRST = 3
"""So many models without nets, besides the physics as given, are tried before nets are asked for."""
BETTER = 0.95
"""A net has found something if the error with it is below this share of that of every law."""

Stage = Literal["laws", "nets", "distil"]


@dataclass(frozen=True)
class Telling:
    """Tells of a search up to a proposal.

    Attributes:
        measured: the training data.
        memory: of the run.
    """

    measured: Measured
    memory: Memory
    _residuals_told: dict[int, str] = field(default_factory=dict, init=False, compare=False)
    """Of candidates that were told of before: parents return in every round."""

    def prompt(self, history: Sequence[Evaluation], number: int, count: int, tool_calls: int) -> str:
        """The volatile part of a question.

        Args:
            history: the evaluations that may be used.
            number: of the first proposal that is asked for.
            count: how many proposals are asked for.
            tool_calls: how many tools may be called before the reply.
        """
        past, ranked = self.memory.before(number), rank(history)
        fitting = [item for item in ranked if item.validation is not None]
        full = in_full(fitting)
        places = {item.number: place for place, item in enumerate(ranked, 1)}
        evaluated = {item.number for item in history}
        failed = [item for item in ranked if item.failure is not None]
        return prompt(
            "progress",
            evaluated=len(ranked),
            failed=len(failed),
            best=[self._candidate(item, places[item.number], past) for item in full],
            others=[_line(item) for item in fitting if item not in full][:MOST_LINES],
            failures=[_failure(item) for item in sorted(failed, key=lambda item: -item.number)][:MOST_LINES],
            refused=[_refused(item) for item in past if item.refusal][-MOST_LINES:],
            waiting=[_waiting(item) for item in past if item.number not in evaluated and not item.refusal],
            stage=stage(fitting),
            count=count,
            tool_calls=tool_calls,
            wishes=_wishes(self.memory.wishes(number), past),
        )

    def _candidate(self, item: Evaluation, place: int, past: Sequence[Past]) -> str:
        """One candidate in full."""
        known = {entry.number: entry.candidate for entry in past}
        numbers = {entry.candidate.id: entry.number for entry in reversed(past)}
        parents = [str(numbers[parent]) for parent in item.parents if parent in numbers]
        candidate, score = known.get(item.number), item.validation
        return prompt(
            "candidate",
            number=item.number,
            rank=place,
            claim=item.claim,
            rationale=candidate.rationale if candidate is not None else "",
            error=four(item.error),
            train_error=four(item.train.nrmse if item.train is not None else None),
            size=size(item),
            author=item.author,
            parents=f", made from {listed(parents)}" if parents else "",
            states=listed([f"{name} {four(value)}" for name, value in (score.rmse if score else {}).items()]),
            trajectories=_per_trajectory(score.per_trajectory if score else {}),
            parameters=listed([parameter_line(name, value) for name, value in item.parameters.items()]),
            terms=listed([_term(name, term) for name, term in item.terms.items()]),
            nets=listed([_net(item, name) for name in item.nets]),
            residuals=self._residuals(item.number),
            genes=listed([f"{name}={value}" for name, value in (item.genome or {}).items()]),
            source=candidate.source.strip() if candidate is not None else "# its source is not at hand",
        ).strip()

    def _residuals(self, number: int) -> str:
        """Autocorrelation of the training residuals of each state, and what they go with."""
        if number in self._residuals_told:
            return self._residuals_told[number]
        predicted = self.memory.trained(number).get("states")
        observed = self.measured.trajectories.states
        if predicted is None or predicted.shape != observed.shape:
            return "not known"
        lines = [self._residual(j, observed - predicted) for j in self._observed()]
        return self._residuals_told.setdefault(number, "; ".join(lines) or "none")

    def _observed(self) -> list[int]:
        return [j for j, state in enumerate(self.measured.space.states) if state.observed]

    def _residual(self, j: int, residuals: Floats) -> str:
        valid = self.measured.valid
        memory = autocorrelation(residuals[..., j], valid)
        found = correlations(residuals[..., j][valid], self.measured.variables())
        name = self.measured.space.state_names[j]
        return f"{name}: rms {four(rms(residuals[..., j]))}, autocorrelation {four(memory)}, goes with {told(found)}"


def in_full(fitting: Sequence[Evaluation]) -> list[Evaluation]:
    """The candidates that are told in full, as parents: by score and by novelty.

    The one of least error, the one to believe in, and then the best of those that have other terms or nets than all
    chosen before: ten variants of one idea would hide the other ideas.
    """
    chosen: list[Evaluation] = []
    simplest = best(fitting)
    for item in [*fitting[:1], *([simplest] if simplest is not None else []), *fitting]:
        fresh = all(_architecture(item) != _architecture(other) for other in chosen)
        if item not in chosen and len(chosen) < SHOWN and (fresh or item is simplest):
            chosen.append(item)
    return chosen


def stage(fitting: Sequence[Evaluation]) -> Stage:
    """White box first: laws, then nets where laws are exhausted, then laws for what the nets have found.

    A net in every equation at once, as a baseline has it, has found nothing that could be named.
    """
    white = [item for item in fitting if not item.nets]
    gray = [item for item in fitting if _is_hybrid(item)]
    if len(white) <= LAWS_FIRST:
        return "laws"
    best_white = min(item.error for item in white)
    return "distil" if any(item.error < BETTER * best_white for item in gray) else "nets"


def _is_hybrid(item: Evaluation) -> bool:
    """Whether it has nets in places of their own among terms."""
    kept = any(term.status != "dropped" for term in item.terms.values())
    return bool(item.nets) and kept and not (item.genome or {}).get("everywhere")


def _architecture(item: Evaluation) -> frozenset[str]:
    terms = {f"{name} {term.status} {term.by}" for name, term in item.terms.items() if term.status != "given"}
    return frozenset(terms | {f"{net.role} {net.inputs}" for net in item.nets.values()} | set(item.parameters))


def _line(item: Evaluation) -> str:
    return f"{item.number}: error {four(item.error)}, {size(item)} fitted numbers: {item.claim}"


def _failure(item: Evaluation) -> str:
    failure = item.failure
    assert failure is not None
    return f"{item.number}: {item.claim} ({told_failure(failure)})"


def told_failure(failure: Failure) -> str:
    """A failure in one line; its sentence may be the candidate's own."""
    return f"{failure.kind}: {one_line(failure.message, LONGEST_FAILURE)} {failure.remedy}"


def _refused(item: Past) -> str:
    return f"{item.number}: {item.candidate.claim}: {one_line(item.refusal, LONGEST_FAILURE)}"


def _waiting(item: Past) -> str:
    return f"{item.number}: {item.candidate.claim}"


def _per_trajectory(errors: Mapping[str, float]) -> str:
    """The worst first; a name of a trajectory says which experiment is not understood."""
    worst = sorted(errors.items(), key=lambda item: -item[1])
    more = f", and {len(worst) - MOST_TRAJECTORIES} more" if len(worst) > MOST_TRAJECTORIES else ""
    return listed([f"{name} {four(value)}" for name, value in worst[:MOST_TRAJECTORIES]]) + more


def parameter_line(name: str, value: FittedParameter) -> str:
    """A fitted value; the reference of the space is for people, and no proposer sees it."""
    error = f" +- {four(value.std_error)}" if value.std_error is not None else ""
    known = {True: "", False: ", not identified", None: ""}[value.identified]
    bounds = [bound for bound in (value.low, value.high) if bound is not None]
    at_bound = ", at its bound" if any(np.isclose(value.value, bound, rtol=1e-3, atol=0) for bound in bounds) else ""
    return f"{name} = {four(value.value)}{error} {value.unit}{known}{at_bound}"


def _term(name: str, term: FittedTerm) -> str:
    by = f" by {term.by}" if term.by else ""
    worth = f" {four(term.ablated_nrmse)}" if term.ablated_nrmse is not None else ""
    return f"{name} ({term.status}{by}){worth}"


def _net(item: Evaluation, name: str) -> str:
    net = item.nets[name]
    share = f", {four(net.share)} of the dynamics" if net.share is not None else ""
    return f"{name} (role {net.role}, sees {' and '.join(net.inputs)}, {net.weights} weights{share})"


def _with_claim(number: int, claims: Mapping[int, str]) -> str:
    """A number with what that candidate says of itself, in quotation marks that it cannot close."""
    claim = claims.get(number, "")
    return f"{number} (which claims {json.dumps(claim, ensure_ascii=False)})" if claim else str(number)


def _wishes(wishes: Wishes, past: Sequence[Past]) -> list[str]:
    """What a person wants, each in a line; what binds every proposal last."""
    lines = [f"Hint: {text}" for text in wishes.hints]
    claims = {item.number: item.candidate.claim for item in past}
    for better, worse, reason in wishes.reasoned():
        told = f"Number {_with_claim(better, claims)} is preferred to number {_with_claim(worse, claims)}"
        lines.append(told + (f", because: {reason}" if reason else ""))
    lines += [f"Banned, never use it: {name}" for name in wishes.bans]
    return lines + [f"Pinned, always keep it: {name}" for name in wishes.pins]
