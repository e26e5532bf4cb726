"""A prediction is asked for again with less: what it may not depend on must not change it.

A rollout may depend on the fitted model, on what is seen of its own trajectory, and on inputs up to the moment that is
predicted. So a second process is asked for all of the trajectories, each cut before its end at a time drawn by chance,
and where there are several a third one for half of them, uncut: the end of one may be the start of another. Both are
asked in another order, by other names, with another seed and without what the fit left of trajectories that are not
asked for. Where they predict they must agree with the first. A candidate that looks at future inputs, at other
trajectories or at the clock of chance then fails; one that knows which of them it is asked for gains nothing by it,
because what it does with all must be what it can do with less.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from archsearch.problem.problem import Part, Problem
from archsearch.problem.trajectories import Bools, Floats, over

Ends = np.ndarray[tuple[int], np.dtype[np.int64]]

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
    ends: Ends

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


def reduced(part: Part, generator: np.random.Generator) -> list[Reduced]:
    """A part with less of it, in each way in which a prediction is asked for again."""
    many = len(part.trajectories)
    shortened = _reduced(part, _drawn(many, many, generator), _ends(part, generator))
    if many == 1:
        return [shortened]
    return [shortened, _reduced(part, _drawn((many + 1) // 2, many, generator), part.trajectories.lengths)]


def _reduced(part: Part, rows: list[int], ends: Ends) -> Reduced:
    """Some trajectories by other names, with as many samples of each as there are ends (N,)."""
    some = part.trajectories.take(rows)
    cut = replace(some, ids=tuple(map(str, range(len(rows))))).until(ends[rows])
    width = cut.times.shape[1]
    given, scored = (where[rows, :width] & cut.valid for where in (part.given, part.scored))
    return Reduced(replace(part, trajectories=cut, given=given, scored=scored), rows, some.ids, ends[rows])


def _drawn(count: int, many: int, generator: np.random.Generator) -> list[int]:
    return [int(row) for row in generator.permutation(many)[:count]]


def _ends(part: Part, generator: np.random.Generator) -> Ends:
    """(N,): where trajectories are cut, behind their middle and what is given, and always before the last that counts.

    A trajectory of which only one sample counts, right behind what is given, cannot be cut: nothing would be left.
    """
    lengths = part.trajectories.lengths
    last = _last(np.asarray(_counted(part).reshape(*part.scored.shape, -1).any(-1)))
    seen = _last(part.given)
    seen = np.where(seen + 1 < lengths, seen, -1)  # of the training part all is given, which nobody is shown
    earliest = np.maximum(seen + 2, np.minimum((lengths + 1) // 2, last))
    return np.where(earliest <= last, generator.integers(earliest, np.maximum(earliest, last) + 1), lengths)


def _last(where: Bools) -> Ends:
    """(N,): the last sample of each row where it holds; -1 if there is none."""
    found: Ends = np.where(where, np.arange(where.shape[1]), -1).max(1)
    return found


def chance(problem: Problem, program: str, seed: int) -> np.random.Generator:
    """Draws what is left out: the same in every search of one seed, from data of which a candidate sees only a part.

    From the program without its remarks: a comment is no other draw.
    """
    drawn = hashlib.sha256(f"{problem.fingerprint}|{program}|{seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(drawn[:16], "big"))


def _counted(part: Part) -> Bools:
    observed = part.trajectories.observed
    counted: Bools = over(part.scored, observed) & observed
    return counted


def _rms(values: Floats, where: Bools) -> float:
    """NaN if there is nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.square(values[where]).mean())) if where.any() else float("nan")
