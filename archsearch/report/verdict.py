"""The verdict: was it worth it to join a net with the physics, or to correct the physics?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from archsearch.candidate.outcome import Evaluation
from archsearch.problem.problem import Part, Problem
from archsearch.problem.trajectories import over
from archsearch.report.leaderboard import BASELINES, baselines_of, four
from archsearch.report.references import about_references
from archsearch.report.sealed import RIVALS, about_test, sealed_scores
from archsearch.report.walls import about_walls

if TYPE_CHECKING:
    from archsearch.study.store import Study

LEAST_TRAJECTORIES = 5
"""Below this many held-out trajectories a bootstrap interval would be a fiction."""
RESAMPLES = 4000
MUCH = 0.95
"""Beyond this reduction of the error a factor says more than per cent."""

Answer = Literal["yes", "no", "undecided", "nothing"]


@dataclass(frozen=True)
class Comparison:
    """The best model against one baseline.

    Attributes:
        baseline: `physics`, `net` or `physics_plus_net`.
        name: how the baseline is called.
        number: its number in the run.
        error: its nrmse on the validation data.
        reduction: by what fraction the best has less error (negative: more).
        interval: 95 % interval of the reduction over resampled trajectories; None with too few of them.
    """

    baseline: str
    name: str
    number: int
    error: float
    reduction: float
    interval: tuple[float, float] | None


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
    comparisons = _comparisons(study, problem, best)
    test = sealed_scores(study, best)
    overtaken_by = test.overtaken_by if test is not None else ()
    answer = _answer(best, kind, comparisons, overtaken_by)
    sentences = (
        _numbers(best, comparisons),
        *_choice(study, best),
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


def bootstrap(
    best: dict[str, float], other: dict[str, float], sizes: dict[str, int], generator: np.random.Generator
) -> tuple[float, float] | None:
    """A 95 % interval of the reduction of the error, over trajectories drawn with replacement, in pairs.

    Args:
        best: nrmse of each trajectory under the best model.
        other: the same under the baseline.
        sizes: how many observations each trajectory is scored on.
        generator: where the draws come from.

    Returns:
        The 2.5 and 97.5 percentiles; None with fewer than five trajectories or where one of them diverged.

    The percentile bootstrap of Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    names = [name for name in sizes if name in best and name in other]
    squares = np.array([[best[name] ** 2, other[name] ** 2] for name in names])
    if len(names) < LEAST_TRAJECTORIES or not np.all(np.isfinite(squares)):
        return None
    weights = np.array([sizes[name] for name in names], dtype=float)
    draws = generator.integers(len(names), size=(RESAMPLES, len(names)))
    errors = np.sqrt((squares[draws] * weights[draws, None]).sum(1) / weights[draws].sum(1)[:, None])
    low, high = np.percentile(1 - errors[:, 0] / np.maximum(errors[:, 1], 1e-300), [2.5, 97.5])
    return float(low), float(high)


def scored_sizes(part: Part) -> dict[str, int]:
    """How many observations each trajectory of a part is scored on, by its id."""
    observed = part.trajectories.observed
    counted = (over(part.scored, observed) & observed).reshape(len(observed), -1).sum(1)
    return {name: int(count) for name, count in zip(part.trajectories.ids, counted, strict=True)}


def _comparisons(study: Study, problem: Problem, best: Evaluation) -> tuple[Comparison, ...]:
    """The best against every baseline that was scored and is not the best itself."""
    generator = np.random.default_rng(study.settings.seed)
    sizes = scored_sizes(problem.validation)
    found = []
    for key, other in baselines_of(study).items():
        if other.validation is None or best.validation is None or other.number == best.number:
            continue
        interval = bootstrap(best.validation.per_trajectory, other.validation.per_trajectory, sizes, generator)
        reduction = 1 - best.error / other.error if np.isfinite(other.error) else 1.0
        found.append(Comparison(key, BASELINES[key], other.number, other.error, reduction, interval))
    return tuple(found)


def _answer(best: Evaluation, kind: str, comparisons: tuple[Comparison, ...], overtaken_by: tuple[str, ...]) -> Answer:
    """Yes only if a joint model beats the physics and the net, as far as intervals and test data tell."""
    rivals = [item for item in comparisons if item.baseline in RIVALS]
    if kind in ("the physics as given", "a net alone") or any(four(r.error) == four(best.error) for r in rivals):
        return "no"
    if overtaken_by or any(item.interval is not None and item.interval[0] <= 0 for item in rivals):
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
    if answer == "undecided":
        return f"The best model found is {kind}, ahead of {rivals}, but by less than chance can explain."
    return f"{kind[0].upper()}{kind[1:]} predicts the held-out data better than {rivals}."


def _numbers(best: Evaluation, comparisons: tuple[Comparison, ...]) -> str:
    """The errors side by side."""
    others = [f"{four(item.error)} for the {item.name} ({_change(item)})" for item in comparisons]
    beside = f", beside {_listed(others)}" if others else ""
    return f"On the held-out data number {best.number} has an error (nrmse) of {four(best.error)}{beside}."


def _change(item: Comparison) -> str:
    """How much lower or higher the error of the best is than that of a baseline."""
    if MUCH < item.reduction < 1:
        return f"{float(f'{1 / (1 - item.reduction):.2g}'):,.0f} times lower"
    return f"{percent(abs(item.reduction))} {'lower' if item.reduction >= 0 else 'higher'}"


def percent(fraction: float) -> str:
    """A fraction in per cent, without decimals unless it is close to 0 or to 1; the space does not break."""
    if 0.999 < fraction < 1:
        return "more than 99.9\u00a0%"
    return f"{fraction * 100:.{0 if 0.01 <= abs(fraction) <= 0.99 else 1}f}\u00a0%"


def _listed(parts: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _spread(problem: Problem, comparisons: tuple[Comparison, ...]) -> list[str]:
    """What is known of the uncertainty of the comparison."""
    number = len(problem.validation.trajectories)
    if number < LEAST_TRAJECTORIES:
        noun = "One held-out trajectory gives" if number == 1 else f"{number} held-out trajectories give"
        return [f"{noun} no confidence interval, so how far this carries to other data is not known."]
    parts = [
        f"{percent(item.interval[0])} to {percent(item.interval[1])} against the {item.name}"
        for item in comparisons
        if item.interval is not None
    ]
    if not parts:
        return ["No confidence interval is given, because some rollouts diverged."]
    return [f"95\u00a0% intervals of the reduction, over the {number} held-out trajectories: {_listed(parts)}."]


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
    found.append("Each candidate was trained once, so the spread over random seeds is not known.")
    broken = [name for name, limit in best.limits.items() if limit.kept is False]
    if broken:
        found.append(f"Its rollouts break the {'limit' if len(broken) == 1 else 'limits'} {_listed(broken)}.")
    vague = [name for name, parameter in best.parameters.items() if parameter.identified is False]
    if vague:
        verb = "is" if len(vague) == 1 else "are"
        found.append(f"The data do not determine {_listed(vague)}, which {verb} not to be read as measured.")
    hidden = [name for name, state in best.hidden_states.items() if state.identified is False]
    if hidden:
        what = "hidden state" if len(hidden) == 1 else "hidden states"
        found.append(f"The data do not determine the {what} {_listed(hidden)}: other courses fit as well.")
    return found
