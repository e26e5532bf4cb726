"""What to expect of a candidate before it is trained, from those that were evaluated: an interval, and how sure it is.

A Gaussian process on the logarithm of the error (or of the seconds), with a covariance that falls off with what two
candidates do not share. Its scale is unknown and integrated out, so that forecasts are Student's t, and wide while
little is known. One Cholesky factor in the order of evaluation holds every forecast as it stood before its result was
known: row i of the factor conditions on the rows before it. So the track record is that of real forecasts.

Reference:
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, alg. 2.1; the prequential principle of Dawid
    (1984), J. R. Stat. Soc. A 147: judge forecasts by what came after them. The scale with its conjugate prior as in
    O'Hagan (1994), Kendall's Advanced Theory of Statistics 2B, sec. 9.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from archsearch.problem.trajectories import Floats

LENGTHS = (1.5, 6.0)
"""Distances over which candidates resemble each other; whichever forecast best so far is used."""
NOISES = (0.02, 0.3)
"""The variance that no resemblance explains, as a share of that which it can."""
CONSTANT = 25.0
"""The variance of the common level: it is found from the data."""
SHARE = 0.8
"""Of results that an interval should hold."""
LEAST = 4
"""Results without which nothing is said: the baselines and one more."""
NEAREST = 3
DEGREES, SPREAD = 6.0, 0.7
"""A guess at the scale, worth six results: candidates of a run differ by a factor of about two."""


@dataclass(frozen=True)
class Expected:
    """A forecast of a positive number, on its logarithmic scale: Student's t.

    Attributes:
        middle: the median.
        scale: of the distribution.
        degrees: of freedom.
        rests_on: how many results.
    """

    middle: float
    scale: float
    degrees: float
    rests_on: int

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the central interval that should hold `SHARE` of the results, in natural units."""
        half = self.scale * _quantile(0.5 + SHARE / 2, self.degrees)
        return math.exp(self.middle - half), math.exp(self.middle + half)

    def below(self, value: float) -> float:
        """The chance of a result below this."""
        from scipy.special import stdtr

        return float(stdtr(self.degrees, (math.log(value) - self.middle) / self.scale))


class Prediction:
    """Learns from results one by one, and remembers how good its forecasts were.

    Attributes:
        numbers: the candidates that it learned from, in order.
        held: for each of them that was forecast, whether the result lay in the interval.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.held: list[bool] = []
        self._features: list[Mapping[str, float]] = []
        self._known: dict[str, int] = {}
        self._logs = np.zeros(0)
        self._matrix = np.zeros((0, 0))
        self._weights = np.zeros(0)
        self._models = [_Model(length, noise) for length in LENGTHS for noise in NOISES]

    def learn(self, numbers: Sequence[int], features: Sequence[Mapping[str, float]], values: Sequence[float]) -> None:
        """Take results into account, in the order in which they came; values are positive."""
        if not numbers:
            return
        for item in features:
            for name, weight in item.items():
                if name not in self._known:
                    self._known[name] = len(self._known)
                    self._weights = np.append(self._weights, weight)
        before = len(self.numbers)
        self.numbers += numbers
        self._features += features
        self._matrix = np.stack([self._row(item) for item in self._features])
        self._logs = np.append(self._logs, np.log(values))
        distances = _distances(self._matrix[before:], self._matrix, self._weights)
        for model in self._models:
            model.extend(distances, self._logs[before:])
        self.held += [self._forecast_held(place) for place in range(max(before, LEAST), len(self.numbers))]

    def expect(self, features: Mapping[str, float], number: int | None = None) -> Expected | None:
        """What to expect of a candidate; of one that is known, what was before it was; None if too little is known."""
        place = self._place(number)
        if place < LEAST:
            return None
        if place < len(self.numbers):
            return self._best(place).forecast(place)
        return self._best(place).expect(self._distances_to(features))

    def nearest(
        self, features: Mapping[str, float], count: int = NEAREST, number: int | None = None
    ) -> tuple[int, ...]:
        """The numbers of the candidates that share most with this one, nearest first; of a known one, earlier ones."""
        place = self._place(number)
        if not place:
            return ()
        order = np.argsort(self._distances_to(features)[:place], kind="stable")[:count]
        return tuple(self.numbers[found] for found in order)

    def _place(self, number: int | None) -> int:
        """How many results there were before this candidate's."""
        return self.numbers.index(number) if number in self.numbers else len(self.numbers)

    def _distances_to(self, features: Mapping[str, float]) -> Floats:
        row = self._row(features)
        found: Floats = _distances(row[None], self._matrix, self._weights)[0]
        return found + _surprise(features, self._known)

    def _row(self, features: Mapping[str, float]) -> Floats:
        row = np.zeros(len(self._known))
        row[[self._known[name] for name in features if name in self._known]] = 1.0
        return row

    def _best(self, count: int) -> _Model:
        """The model that forecast the first results best."""
        return max(self._models, key=lambda model: model.evidence(count))

    def _forecast_held(self, place: int) -> bool:
        low, high = self._best(place).forecast(place).interval
        return low <= math.exp(self._logs[place]) <= high


class _Model:
    """A Gaussian process of unit variance, its Cholesky factor, and its innovations."""

    def __init__(self, length: float, noise: float) -> None:
        self._length, self._noise = length, noise
        self._factor = np.zeros((0, 0))
        self._innovations = np.zeros(0)
        self._means = np.zeros(0)
        self._scores = np.zeros(1)

    def extend(self, distances: Floats, logs: Floats) -> None:
        """Add results; distances: (M, N + M), of the new ones to all; logs: (M,)."""
        from scipy.linalg import solve_triangular

        before, new = len(self._factor), len(logs)
        covariance = self._covariance(distances)
        across = (
            solve_triangular(self._factor, covariance[:, :before].T, lower=True).T if before else np.zeros((new, 0))
        )
        own = np.linalg.cholesky(covariance[:, before:] + self._noise * np.eye(new) - across @ across.T)
        factor = np.zeros((before + new, before + new))
        factor[:before, :before], factor[before:, :before], factor[before:, before:] = self._factor, across, own
        found = solve_triangular(own, logs - across @ self._innovations, lower=True)
        self._factor, self._innovations = factor, np.append(self._innovations, found)
        self._means = np.append(self._means, logs - np.diag(own) * found)
        self._scores = np.append(0.0, np.cumsum(self._densities()))

    def evidence(self, count: int) -> float:
        """The logarithm of the density that its forecasts gave to the first results."""
        return float(self._scores[count])

    def forecast(self, place: int) -> Expected:
        """The forecast of a result that is known, as it stood before."""
        return self._expected(float(self._means[place]), float(self._factor[place, place]), place)

    def expect(self, distances: Floats) -> Expected:
        """The forecast of a candidate at these distances (N,) from those that are known."""
        from scipy.linalg import solve_triangular

        across = solve_triangular(self._factor, self._covariance(distances), lower=True)
        left = CONSTANT + 1.0 + self._noise - across @ across
        return self._expected(float(across @ self._innovations), math.sqrt(max(left, self._noise)), len(distances))

    def _covariance(self, distances: Floats) -> Floats:
        covariance: Floats = CONSTANT + np.exp(-distances / self._length)
        return covariance

    def _expected(self, middle: float, deviation: float, count: int) -> Expected:
        degrees = DEGREES + count
        squares = DEGREES * SPREAD**2 + float(self._innovations[:count] @ self._innovations[:count])
        return Expected(middle, deviation * math.sqrt(squares / degrees), degrees, count)

    def _densities(self) -> Floats:
        """(N,): the logarithm of the density of each forecast at its result."""
        from scipy.special import gammaln

        count = len(self._innovations)
        degrees = DEGREES + np.arange(count)
        squares = DEGREES * SPREAD**2 + np.append(0.0, np.cumsum(self._innovations**2))[:-1]
        scale = np.diag(self._factor) * np.sqrt(squares / degrees)
        ratio = self._innovations**2 / squares
        constant = gammaln((degrees + 1) / 2) - gammaln(degrees / 2) - np.log(np.sqrt(degrees * np.pi) * scale)
        densities: Floats = constant - (degrees + 1) / 2 * np.log1p(ratio)
        return densities


def _distances(some: Floats, others: Floats, weights: Floats) -> Floats:
    """(M, N): the weight of what is in one and not in the other."""
    weighted = some * weights
    apart = weighted.sum(1)[:, None] + (others @ weights)[None] - 2.0 * weighted @ others.T
    found: Floats = np.maximum(apart, 0.0)
    return found


def _surprise(features: Mapping[str, float], known: Mapping[str, int]) -> float:
    """The weight of what no candidate before had."""
    return sum(weight for name, weight in features.items() if name not in known)


def _quantile(share: float, degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, share))
