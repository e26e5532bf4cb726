"""Where the best model fails: states, trajectories, times, and patterns in what it leaves over."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from archsearch.candidate.outcome import Evaluation
from archsearch.problem.problem import Problem
from archsearch.problem.trajectories import Floats, over
from archsearch.report.drawing import Model
from archsearch.report.leaderboard import four
from archsearch.report.wording import counted, listed

CLOSE_TO_NOISE = 1.25
"""Up to so many times the declared noise an error may be noise alone: few observations scatter by that much."""
MUCH_WORSE = 1.5
"""A trajectory, a state or a stretch of time is named if its error is so many times that of the rest."""
FOLLOWS = 0.3
"""Residuals whose correlation with the one before exceeds this, and chance, are called a pattern."""
LEAST_SAMPLES = 6
NEGLIGIBLE = 1e-3
"""A fit with an error below this share of the spread of the data leaves nothing over that a pattern could matter in."""
TINY = "What is left over in the fitted data is less than 0.1\u00a0% of their spread."


def weaknesses(problem: Problem, model: Model, best: Evaluation) -> tuple[str, ...]:
    """Where the best model fails, in sentences; the last words of it are never missing."""
    found = (
        *_noise(problem, best),
        *_trajectories(best),
        *_growth(problem, model),
        *(_patterns(problem, model) if _matters(best) else [TINY]),
        *_broken(best),
    )
    return found or ("Nothing stands out: no state, trajectory or time is much worse than the others.",)


def _noise(problem: Problem, best: Evaluation) -> Iterator[str]:
    """How the error of each state stands beside the noise that was declared for it."""
    if best.validation is None:
        return
    declared = {s.name: s.noise for s in problem.space.states if s.noise is not None and s.scale == "linear"}
    ratios = {
        name: best.validation.rmse[name] / noise for name, noise in declared.items() if name in best.validation.rmse
    }
    above = {name: ratio for name, ratio in ratios.items() if not ratio <= CLOSE_TO_NOISE}
    if above:
        told = listed([f"{name} ({four(float(f'{ratio:.2g}'))} times)" for name, ratio in above.items()])
        yield f"Held-out errors exceed the declared noise in {told}."
    within = [name for name in ratios if name not in above]
    if within:
        yield f"Held-out errors of {listed(within)} are no larger than the declared noise allows."


def _trajectories(best: Evaluation) -> Iterator[str]:
    """The worst trajectory, where it is much worse than the typical one."""
    errors = dict(best.validation.per_trajectory) if best.validation is not None else {}
    if len(errors) < 2:
        return
    worst = max(errors, key=lambda name: errors[name])
    middle = float(np.median([error for name, error in errors.items() if name != worst]))
    if errors[worst] > MUCH_WORSE * middle:
        beside = f"nrmse {four(errors[worst])}, the median of the others is {four(middle)}"
        yield f"Trajectory {worst} is the worst: {beside}."


def _growth(problem: Problem, model: Model) -> Iterator[str]:
    """Whether the error grows from the first third of the held-out time to the last."""
    if problem.space.is_static:
        return
    times, errors = squares_over_time(problem, model, "validation")
    if len(np.unique(times)) < LEAST_SAMPLES:
        return
    begin, end = np.quantile(times, [1 / 3, 2 / 3])
    early, late = (float(np.sqrt(errors[chosen].mean())) for chosen in (times <= begin, times >= end))
    unit = problem.space.problem.time_unit
    when = f"after {end:.3g}" + ("" if unit == "1" else f" {unit}")
    if late > MUCH_WORSE * early:
        yield f"The error grows along the rollout: {four(late)} {when}, {four(early)} in the first third."


def squares_over_time(problem: Problem, model: Model, part: str) -> tuple[Floats, Floats]:
    """Times (K,) and squared errors (K,), each state divided by its scale, over what is scored and predicted."""
    chosen = problem.validation if part == "validation" else problem.train
    data = chosen.trajectories
    errors = (model.predictions[f"{part}.states"] - data.states) / problem.scales
    names = set(problem.space.objective.states or problem.space.observed_names)
    counts = np.array([name in names for name in problem.space.state_names])
    used = over(chosen.scored, errors) & data.observed & counts & np.isfinite(errors)
    times = np.broadcast_to(over(data.times, errors), errors.shape)
    return times[used], np.square(errors[used])


def _patterns(problem: Problem, model: Model) -> Iterator[str]:
    """States whose residuals follow one another in the fitted data: physics that is still missing."""
    if problem.space.is_static:
        return
    data = problem.train.trajectories
    used = over(problem.train.scored, data.states) & data.observed
    residuals = np.where(used, model.predictions["train.states"] - data.states, np.nan)
    columns = {name: column for column, name in enumerate(problem.space.state_names)}
    found = {name: _following(residuals[..., columns[name]]) for name in problem.space.observed_names}
    told = [f"{name} ({value:.2f})" for name, value in found.items() if value is not None and value > FOLLOWS]
    if told:
        why = "neighbouring residuals correlate, so something is missing"
        yield f"What is left over follows a pattern in {listed(told)}: {why}."
    elif any(value is not None for value in found.values()):
        yield "What is left over in the fitted data looks like noise: neighbouring residuals do not correlate."


def _matters(best: Evaluation) -> bool:
    """Whether the best model leaves enough over to look for a pattern in it."""
    return best.train is None or best.train.nrmse >= NEGLIGIBLE


def _following(residuals: Floats) -> float | None:
    """Correlation of residuals (N, T, ...) with those one sample before; None with too few, 0 if chance explains it."""
    first, second = residuals[:, :-1], residuals[:, 1:]
    pairs = np.isfinite(first) & np.isfinite(second)
    size = float(np.sqrt(np.square(first[pairs]).sum() * np.square(second[pairs]).sum()))
    if pairs.sum() < LEAST_SAMPLES or size == 0.0:
        return None
    value = float((first[pairs] * second[pairs]).sum()) / size
    return value if value > 2 / np.sqrt(pairs.sum()) else 0.0


def _broken(best: Evaluation) -> Iterator[str]:
    score = best.validation
    if score is not None and score.diverged:
        yield f"{score.diverged} of its {counted(score.trajectories, 'rollout')} diverged."
    broken = [name for name, value in score.constraints.items() if value > 0] if score is not None else []
    limits = [name for name, limit in best.limits.items() if limit.kept is False]
    if broken:
        yield f"It violates {listed(broken)} somewhere along the held-out rollouts."
    if limits:
        yield f"It breaks its own limit {listed(limits)}."
