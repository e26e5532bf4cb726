"""Smooth noisy trajectories, to start a fit near the truth and to scale it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from archsearch.problem.trajectories import Floats

FEWEST = 4
"""A series with fewer samples is joined by straight lines."""
STRENGTHS = np.logspace(-12, 4, 81)


@dataclass(frozen=True)
class Smoothed:
    """Smoothed states and their derivatives at the sample times, in inner coordinates.

    Attributes:
        states: (N, T, n); NaN for a state that a trajectory never shows.
        derivatives: (N, T, n), per time unit.
        noise: (n,), standard deviation of observation minus smooth; 0 where nothing was observed.
    """

    states: Tensor
    derivatives: Tensor
    noise: Tensor


def smooth(times: Tensor, observations: Tensor) -> Smoothed:
    """Fit natural cubic smoothing splines, of one strength per state, chosen by pooled generalised cross-validation.

    Pooled over trajectories, because cross-validation of a single short series now and then smooths everything away.

    Args:
        times: (N, T), time unit; padding repeats the last time.
        observations: (N, T, n), inner coordinates; NaN where there is none.

    Reference:
        Craven & Wahba (1978), Numer. Math. 31:377; the spline in Reinsch's form (Green & Silverman 1994, sec. 2.3).
    """
    t, y = times.cpu().numpy(), observations.detach().cpu().numpy()
    states, derivatives = np.full_like(y, np.nan), np.full_like(y, np.nan)
    noise = np.zeros(y.shape[2])
    span = float(np.median(t[:, -1] - t[:, 0])) or 1.0
    for j in range(y.shape[2]):
        series = [_Series.of(t[i] / span, y[i, :, j]) for i in range(len(y))]
        strength = _strength([one for one in series if one is not None and one.bends])
        wrong = []
        for i, one in enumerate(series):
            if one is not None:
                states[i, :, j], slope = one.at(t[i] / span, strength)
                derivatives[i, :, j] = slope / span
                wrong.append((y[i, :, j] - states[i, :, j])[np.isfinite(y[i, :, j])])
        noise[j] = np.sqrt(np.square(np.concatenate(wrong)).mean()) if wrong else 0.0
    arrays = (torch.from_numpy(array).to(times.device) for array in (states, derivatives, noise))
    return Smoothed(*arrays)


@dataclass(frozen=True)
class _Series:
    """One series in the eigenbasis of the roughness of its knots.

    Attributes:
        knots: (K,) times.
        basis: (K, K), eigenvectors.
        roughness: (K,), eigenvalues: the integrated squared second derivative of each eigenvector.
        weights: (K,), the series in that basis.
    """

    knots: Floats
    basis: Floats
    roughness: Floats
    weights: Floats

    @staticmethod
    def of(t: Floats, y: Floats) -> _Series | None:
        """A series at its observed samples; None with fewer than two."""
        seen = np.isfinite(y)
        if seen.sum() < 2:
            return None
        knots = t[seen]
        if len(knots) < FEWEST:
            basis, roughness = np.eye(len(knots)), np.zeros(len(knots))
        else:
            roughness, basis = np.linalg.eigh(_roughness(knots))
        return _Series(knots, basis, np.maximum(roughness, 0.0), basis.T @ y[seen])

    @property
    def bends(self) -> bool:
        """Whether there is anything to smooth."""
        return len(self.knots) >= FEWEST

    def at(self, t: Floats, strength: float) -> tuple[Floats, Floats]:
        """Values and derivatives (T,) of the smooth; constant beyond its ends."""
        values = self.basis @ (self.weights / (1.0 + strength * self.roughness))
        if not self.bends:
            return np.interp(t, self.knots, values), np.interp(t, self.knots, np.gradient(values, self.knots))
        spline = CubicSpline(self.knots, values, bc_type="natural")
        inside = np.clip(t, self.knots[0], self.knots[-1])
        return spline(inside), spline(inside, 1)


def _roughness(knots: Floats) -> Floats:
    """(K, K): x' M x is the integral of the squared second derivative of the natural cubic spline through x."""
    h = np.diff(knots)
    inner = len(knots) - 2
    q, r = np.zeros((len(knots), inner)), np.zeros((inner, inner))
    for k in range(inner):
        q[k, k], q[k + 1, k], q[k + 2, k] = 1 / h[k], -1 / h[k] - 1 / h[k + 1], 1 / h[k + 1]
        r[k, k] = (h[k] + h[k + 1]) / 3
        if k + 1 < inner:
            r[k, k + 1] = r[k + 1, k] = h[k + 1] / 6
    roughness: Floats = q @ np.linalg.solve(r, q.T)
    return (roughness + roughness.T) / 2


def _strength(series: list[_Series]) -> float:
    """The strength of least pooled cross-validation error; 0 if there is nothing to smooth."""
    count = sum(len(one.knots) for one in series)
    if count == 0:
        return 0.0
    scores = []
    for strength in STRENGTHS:
        kept = [1.0 / (1.0 + strength * one.roughness) for one in series]
        squares = sum(
            float(np.square((1.0 - keep) * one.weights).sum()) for keep, one in zip(kept, series, strict=True)
        )
        freedom = count - sum(float(keep.sum()) for keep in kept)
        scores.append(squares / freedom**2 if freedom > 1e-9 * count else np.inf)
    return float(STRENGTHS[int(np.argmin(scores))])
