"""A prediction is asked for twice, the second time with less: what it may not depend on must not change it.

A rollout may depend on the fitted model, on what is seen of its own trajectory, and on inputs up to the moment that is
predicted. So a second process is asked for some of the trajectories, in another order and by other names, all but one
cut at a time drawn by chance, with another seed and without what the fit left of trajectories that are not asked for.
Where both predict they must agree. A candidate that looks at other trajectories, at future inputs or at the clock of
chance then fails; one that knows which of the two it is asked for gains nothing by it, because what it does with all
must be what it can do with less.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from archsearch.problem.problem import Part, Problem
from archsearch.problem.trajectories import Bools, Floats, over

OF_ERROR = 0.01
"""Disagreement that is let pass, as a fraction of the error that is scored: it cannot change a ranking by more. An
adaptive solver takes other steps for other trajectories beside one, and chaos makes rounding as large as this."""
OF_SPREAD = 1e-6
"""The same for a model without error, as a fraction of the spread of the training data: the solver's tolerance."""


@dataclass(frozen=True)
class Reduced:
    """A part of the data with less of it.

    Attributes:
        part: some of the trajectories, cut.
        rows: (R,), where they stand in the whole.
        known: their names there; a name may say more of a trajectory than a model may use.
        ends: (R,), how many samples of each are left.
    """

    part: Part
    rows: list[int]
    known: tuple[str, ...]
    ends: np.ndarray[tuple[int], np.dtype[np.int64]]

    @property
    def names(self) -> dict[str, str]:
        """What the trajectories are called in the part, by their names in the whole."""
        return dict(zip(self.known, self.part.trajectories.ids, strict=True))

    def disagreement(self, problem: Problem, whole: Part, predicted: Floats, again: Floats) -> str | None:
        """What differs, in words; None if both predictions agree.

        Args:
            problem: gives the scales and names.
            whole: the part that was predicted at first.
            predicted: (N, T, ..., n), that prediction.
            again: (R, S, ..., n), the prediction with less.
        """
        width = again.shape[1]
        first = predicted[self.rows, :width]
        inside = over(np.arange(width)[None, :] < self.ends[:, None], first) & np.isfinite(first)
        with np.errstate(over="ignore", invalid="ignore"):
            difference = np.where(inside, again - first, 0.0)
        for j, name in enumerate(problem.space.state_names):
            error = _rms(predicted[..., j] - whole.trajectories.states[..., j], _counted(whole)[..., j])
            if not np.isfinite(error):
                continue  # nothing of it is scored: it is hidden, or diverged, which is a failure of its own
            allowed = max(OF_ERROR * error, OF_SPREAD * float(problem.scales[j]))
            found = _rms(difference[..., j], inside[..., j])
            if not found <= allowed:  # not finite counts as a difference too
                return f"{name} differs by {found:.3g}, at most {allowed:.3g} may be rounding"
        return None


def reduced(part: Part, generator: np.random.Generator) -> Reduced:
    """Half of the trajectories in another order, cut somewhere behind its middle and behind what is given.

    The first of several is not cut, so that its end is seen without the others, too.
    """
    many = len(part.trajectories)
    rows = [int(row) for row in generator.permutation(many)[: (many + 1) // 2]]
    lengths = part.trajectories.lengths[rows]
    seen = np.where(part.given[rows], np.arange(part.given.shape[1]) + 2, 0).max(1)
    whole_is_given = seen > lengths
    earliest = np.minimum(np.maximum(np.where(whole_is_given, 0, seen), (lengths + 1) // 2), lengths)
    ends = generator.integers(earliest, lengths + 1)
    if len(rows) > 1:
        ends[0] = lengths[0]
    some = part.trajectories.take(rows)
    cut = replace(some, ids=tuple(map(str, range(len(rows))))).until(ends)
    width = cut.times.shape[1]
    inside = cut.valid
    less = replace(
        part, trajectories=cut, given=part.given[rows, :width] & inside, scored=part.scored[rows, :width] & inside
    )
    return Reduced(less, rows, some.ids, ends)


def chance(problem: Problem, candidate_id: str, seed: int) -> np.random.Generator:
    """Draws what is left out: the same in every search of one seed, from data of which a candidate sees only a part."""
    drawn = hashlib.sha256(f"{problem.fingerprint}|{candidate_id}|{seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(drawn[:16], "big"))


def _counted(part: Part) -> Bools:
    observed = part.trajectories.observed
    counted: Bools = over(part.scored, observed) & observed
    return counted


def _rms(values: Floats, where: Bools) -> float:
    """NaN if there is nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.square(values[where]).mean())) if where.any() else float("nan")
