"""The verdict: was it worth it to join a net with the physics, or to correct the physics?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from archsearch.candidate.outcome import Evaluation
from archsearch.candidate.ranking import size
from archsearch.problem.problem import Problem
from archsearch.report.comparison import LEAST_UNITS, Comparison, comparisons_of
from archsearch.report.leaderboard import baselines_of, four
from archsearch.report.references import about_references
from archsearch.report.sealed import RIVALS, about_test, sealed_scores
from archsearch.report.seeds import TRAINED_ONCE
from archsearch.report.walls import about_walls
from archsearch.report.wording import listed, percent

if TYPE_CHECKING:
    from archsearch.study.store import Study

Answer = Literal["yes", "no", "undecided", "nothing"]


@dataclass(frozen=True)
class Verdict:
    """What a run found, in words that its numbers bear out.

    Attributes:
        answer: whether the best model is better than both the physics as given and a net alone.
        headline: the answer in one sentence.
        sentences: the numbers and the reservations.
        comparisons: the best against each baseline.
    """

    answer: Answer
    headline: str
    sentences: tuple[str, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def text(self) -> str:
        """All of it as one paragraph."""
        return " ".join((self.headline, *self.sentences))


def judge(study: Study, problem: Problem) -> Verdict:
    """The verdict over a run."""
    best = study.best()
    if best is None:
        headline = f"Nothing fits: none of the {len(study.evaluations())} candidates could be scored."
        return Verdict("nothing", headline, ("What went wrong with each is listed below.",), ())
    kind = kind_of(best, baselines_of(study))
    comparisons = comparisons_of(study, problem, best)
    test = sealed_scores(study, best)
    overtaken_by = test.overtaken_by if test is not None else ()
    answer = _answer(best, kind, comparisons, overtaken_by)
    sentences = (
        _numbers(best, comparisons),
        *_choice(study, best),
        *about_nets(study.ranked(), best),
        *_spread(problem, comparisons),
        *_sanity(study, best),
        *about_test(test, problem.test is not None),
        *about_references(best),
        *_reservations(study, best),
        *about_walls(study.evaluations()),
    )
    return Verdict(answer, _headline(answer, kind, comparisons, overtaken_by), sentences, comparisons)


def kind_of(evaluation: Evaluation, baselines: dict[str, Evaluation]) -> str:
    """What sort of model it is: `a hybrid model`, `corrected physics`, `the physics as given`, `a net alone`, ..."""
    same = {key for key, other in baselines.items() if other.number == evaluation.number}
    if "physics" in same:
        return "the physics as given"
    if "net" in same:
        return "a net alone"
    used = [term for term in evaluation.terms.values() if term.status != "dropped"]
    if evaluation.nets:
        return "a hybrid model" if used else "a net alone"
    return "a model of library terms" if all(term.status == "added" for term in used) else "corrected physics"


def _answer(best: Evaluation, kind: str, comparisons: tuple[Comparison, ...], overtaken_by: tuple[str, ...]) -> Answer:
    """Yes only if a joint model beats the physics and the net, as far as intervals and test data tell."""
    rivals = [item for item in comparisons if item.baseline in RIVALS]
    if kind in ("the physics as given", "a net alone") or any(four(r.error) == four(best.error) for r in rivals):
        return "no"
    if overtaken_by or any(item.ahead is False for item in rivals):
        return "undecided"
    return "yes"


def _choice(study: Study, best: Evaluation) -> tuple[str, ...]:
    """Why the best is not the one with the smallest error, where it is not."""
    first = study.ranked()[0]
    if first.number == best.number or first.validation is None:
        return ()
    return (
        f"Number {first.number} has the smallest error, {four(first.error)}; number {best.number} is the simplest "
        "model that the held-out data cannot tell from it (within one standard error of their difference).",
    )


def about_nets(ranked: Sequence[Evaluation], best: Evaluation) -> list[str]:
    """Whether a net beside the physics was needed: the best beside the best of the other sort, with or without."""
    scored = [item for item in ranked if item.validation is not None]
    others = [item for item in scored if (_is_joint(item) if not best.nets else not item.nets)]
    if not others:
        return []
    other = others[0]
    error = f"number {other.number}, has {four(other.error)}"
    if best.nets:
        return [f"The best model without a net, {error}."]
    if other.error >= best.error:
        return [f"It needs no net: the best model that joins one with the physics, {error}."]
    more = f"with {size(other)} fitted numbers in the place of {size(best)}"
    return [f"That it needs a net is not shown: the best model that joins one with the physics, {error}, {more}."]


def _is_joint(item: Evaluation) -> bool:
    return bool(item.nets) and any(term.status != "dropped" for term in item.terms.values())


def _headline(answer: Answer, kind: str, comparisons: tuple[Comparison, ...], overtaken_by: tuple[str, ...]) -> str:
    """The answer in one sentence."""
    rivals = " and ".join(f"the {item.name}" for item in comparisons if item.baseline in RIVALS)
    if answer == "no" and not any(item.baseline == "physics" for item in comparisons) and kind == "a net alone":
        return "No physics was given, or none that fits, so there was nothing to join: the best model is a net alone."
    if answer == "no":
        return f"Joining did not pay: {kind} is as good as anything found."
    if not rivals:
        return f"The best model found is {kind}; no baseline could be scored beside it."
    if overtaken_by:
        better = " and ".join(overtaken_by)
        return f"{kind[0].upper()}{kind[1:]} is ahead where models were chosen, but {better} on the sealed test data."
    tied = [f"the {item.name}" for item in comparisons if item.baseline in RIVALS and item.ahead is False]
    clear = [f"the {item.name}" for item in comparisons if item.baseline in RIVALS and item.ahead is not False]
    if answer == "undecided" and clear:
        rest = " and ".join(tied)
        return f"{kind[0].upper()}{kind[1:]} is better than {' and '.join(clear)}, but cannot be told from {rest}."
    if answer == "undecided":
        return f"The best model found is {kind}, ahead of {rivals}, but by less than chance can explain."
    return f"{kind[0].upper()}{kind[1:]} predicts the held-out data better than {rivals}."


def _numbers(best: Evaluation, comparisons: tuple[Comparison, ...]) -> str:
    """The errors side by side."""
    others = [f"{four(item.error)} for the {item.name} ({item.change})" for item in comparisons]
    beside = f", beside {listed(others)}" if others else ""
    return f"On the held-out data number {best.number} has an error (nrmse) of {four(best.error)}{beside}."


def _spread(problem: Problem, comparisons: tuple[Comparison, ...]) -> list[str]:
    """What is known of the uncertainty of the comparison."""
    number = len(problem.validation.trajectories)
    parts = [
        f"{percent(item.interval[0])} to {percent(item.interval[1])} against the {item.name}"
        for item in comparisons
        if item.interval is not None
    ]
    few = number < LEAST_UNITS
    if not few and not parts:
        return ["No confidence interval is given, because some rollouts diverged."]
    over = "held-out sampling times" if few else f"{number} held-out trajectories"
    told = [f"95\u00a0% intervals of the reduction, over the {over}: {listed(parts)}."] if parts else []
    return told + ([_carries(number, "none over trajectories" if parts else "no confidence interval")] if few else [])


def _carries(number: int, what: str) -> str:
    """What few trajectories do not tell."""
    gives = "One held-out trajectory gives" if number == 1 else f"{number} held-out trajectories give"
    return f"{gives} {what}, so how far this carries to other data is not known."


def _sanity(study: Study, best: Evaluation) -> list[str]:
    """How the best stands beside a prediction of no change, and whether any of its rollouts diverged."""
    still = study.sanity.get("no_change")
    found = []
    if still is not None and best.error < still:
        found.append(f"Predicting no change at all gives {four(still)}.")
    elif still is not None:
        found.append(f"Yet that is no better than predicting no change at all, which gives {four(still)}.")
    if best.validation is not None and best.validation.diverged:
        found.append(f"{best.validation.diverged} of its {best.validation.trajectories} rollouts diverged.")
    return found


def _reservations(study: Study, best: Evaluation) -> list[str]:
    """What a careful reader would ask: chosen among how many, trained how often, which parameters mean something."""
    scored = sum(evaluation.validation is not None for evaluation in study.evaluations())
    found = [f"It is the best of {scored} on the very data that ranked them, so this error is on the optimistic side."]
    found.append(TRAINED_ONCE)
    broken = [name for name, limit in best.limits.items() if limit.kept is False]
    if broken:
        found.append(f"Its rollouts break the {'limit' if len(broken) == 1 else 'limits'} {listed(broken)}.")
    vague = [name for name, parameter in best.parameters.items() if parameter.identified is False]
    if vague:
        verb = "is" if len(vague) == 1 else "are"
        found.append(f"The data do not determine {listed(vague)}, which {verb} not to be read as measured.")
    hidden = [name for name, state in best.hidden_states.items() if state.identified is False]
    if hidden:
        what = "hidden state" if len(hidden) == 1 else "hidden states"
        found.append(f"The data do not determine the {what} {listed(hidden)}: other courses fit as well.")
    return found
