"""The best model against the baselines, with the uncertainty of each comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from archsearch.candidate.outcome import Evaluation, Score
from archsearch.problem.problem import Part, Problem
from archsearch.problem.trajectories import Floats, over
from archsearch.report.leaderboard import BASELINES, baselines_of
from archsearch.report.wording import MUCH, percent

if TYPE_CHECKING:
    from archsearch.study.store import Study

LEAST_UNITS = 5
"""With fewer trajectories, or sampling times, than this a bootstrap interval would be a fiction."""
RESAMPLES = 4000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """The best model against one baseline.

    Attributes:
        baseline: `physics`, `net` or `physics_plus_net`.
        name: how the baseline is called.
        number: its number in the run.
        error: its nrmse on the validation data.
        reduction: by what fraction the best has less error (negative: more).
        interval: 95 % interval of the reduction over what was resampled; None with too little of it.
        resampled: held-out trajectories, or sampling times where those are too few.
    """

    baseline: str
    name: str
    number: int
    error: float
    reduction: float
    interval: Interval | None
    resampled: Literal["trajectories", "times"] = "trajectories"

    @property
    def told_apart(self) -> bool | None:
        """Whether the interval leaves no doubt about which has less error; None without one."""
        return None if self.interval is None else self.interval[0] > 0 or self.interval[1] < 0

    @property
    def ahead(self) -> bool | None:
        """Whether the best has less error beyond chance; None without an interval."""
        return None if self.interval is None else self.interval[0] > 0

    @property
    def change(self) -> str:
        """How much lower or higher the error of the best is: `21 % lower`, `140 times lower`."""
        if MUCH < self.reduction < 1:
            return f"{float(f'{1 / (1 - self.reduction):.2g}'):,.0f} times lower"
        return f"{percent(abs(self.reduction))} {'lower' if self.reduction >= 0 else 'higher'}"

    @property
    def told(self) -> str:
        """Whether it is lower beyond chance, in words."""
        return {True: "yes", False: "cannot be told", None: "not known"}[self.told_apart]


def comparisons_of(study: Study, problem: Problem, best: Evaluation) -> tuple[Comparison, ...]:
    """The best against every baseline that was scored and is not the best itself."""
    generator = np.random.default_rng(study.settings.seed)
    sizes = scored_sizes(problem.validation)
    found = []
    for key, other in baselines_of(study).items():
        if other.validation is None or best.validation is None or other.number == best.number:
            continue
        reduction = 1 - best.error / other.error if np.isfinite(other.error) else 1.0
        interval = bootstrap(best.validation.per_trajectory, other.validation.per_trajectory, sizes, generator)
        about = (key, BASELINES[key], other.number, other.error, reduction)
        if interval is None and len(sizes) < LEAST_UNITS:
            found.append(Comparison(*about, over_times(best.validation, other.validation, generator), "times"))
        else:
            found.append(Comparison(*about, interval))
    return tuple(found)


def bootstrap(
    best: dict[str, float], other: dict[str, float], sizes: dict[str, int], generator: np.random.Generator
) -> Interval | None:
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
    squares = np.array([[best[name] ** 2 * sizes[name], other[name] ** 2 * sizes[name]] for name in names])
    return _resampled(squares, np.array([sizes[name] for name in names], dtype=float), generator)


def over_times(best: Score, other: Score, generator: np.random.Generator) -> Interval | None:
    """The same over sampling times, as scores of few trajectories hold them.

    Errors at neighbouring times go together, so such an interval is too narrow rather than too wide.
    """
    if best.counts != other.counts or len(best.squares) != len(other.squares):
        return None
    squares = np.array([best.squares, other.squares], dtype=float).T
    return _resampled(squares, np.array(best.counts, dtype=float), generator)


def _resampled(squares: Floats, counts: Floats, generator: np.random.Generator) -> Interval | None:
    """The interval from sums of squares (units, 2) and numbers of observations (units,)."""
    units = len(squares)
    if units < LEAST_UNITS or not np.all(np.isfinite(squares)):
        return None
    draws = generator.integers(units, size=(RESAMPLES, units))
    errors = np.sqrt(squares[draws].sum(1) / counts[draws].sum(1)[:, None])
    low, high = np.percentile(1 - errors[:, 0] / np.maximum(errors[:, 1], 1e-300), [2.5, 97.5])
    return float(low), float(high)


def scored_sizes(part: Part) -> dict[str, int]:
    """How many observations each trajectory of a part is scored on, by its id."""
    observed = part.trajectories.observed
    counted = (over(part.scored, observed) & observed).reshape(len(observed), -1).sum(1)
    return {name: int(count) for name, count in zip(part.trajectories.ids, counted, strict=True)}
