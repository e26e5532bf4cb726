"""Smooth a field in time: the same small matrix for every point of the grid, whatever the size of the grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archsearch.errors import DataError

ORDER = 3
"""The differences that are kept small: a smooth of this order bends a transient less than a cubic spline does."""
STRENGTHS = torch.logspace(-4, 6, 41, dtype=torch.float64)
EXACT = 1e6
"""Weight of an observation that is known to be exact."""
ANCHOR = 1e-12
"""A trace of first differences: a series with fewer observations than the order is still determined."""
JUDGED = 64
"""So many patterns of missing frames take part in the choice of the strength; all are smoothed with it."""
CHUNK = 4096
"""Series smoothed at once where patterns of missing frames differ."""


@dataclass(frozen=True)
class SmoothedFrames:
    """A smoothed field.

    Attributes:
        states: (N, T, *grid, n), inner coordinates; NaN in padding.
        noise: (n,), standard deviation of the observations around the smooth, degrees of freedom counted.
        freedom: (n,), degrees of freedom that the smooth kept, as a share of the observations.
    """

    states: Tensor
    noise: Tensor
    freedom: Tensor


def smooth_frames(times: Tensor, valid: Tensor, observations: Tensor, exact: Tensor) -> SmoothedFrames:
    """Penalised smooth of every point of a field, its strength chosen per state by pooled cross-validation.

    Args:
        times: (N, T), time unit; padding repeats the last time.
        valid: (N, T), frames that are not padding.
        observations: (N, T, *grid, n), inner coordinates; NaN where there is none, whole frames or single points.
        exact: (n,), states whose first observation is exact.

    Raises:
        DataError: a state is never observed at some point of the grid.

    Reference:
        Whittaker (1923), Proc. Edinb. Math. Soc. 41:63, with divided differences for uneven times; strength by Craven &
        Wahba (1978), Numer. Math. 31:377.
    """
    states = torch.full_like(observations, torch.nan)
    noise, freedom = [], []
    for j in range(observations.shape[-1]):
        groups = _groups(times, valid, observations[..., j], bool(exact[j]))
        strength = _strength(groups)
        squares, kept, seen = (sum(parts) for parts in zip(*(one.judged(strength) for one in groups), strict=True))
        noise.append((squares / max(seen - kept, 1e-9 * seen)) ** 0.5)
        freedom.append(kept / seen)
        for one in groups:
            smooth = one.at(strength).T.reshape(one.length, len(one.members), *observations.shape[2:-1])
            states[one.members, : one.length, ..., j] = smooth.transpose(0, 1)
    return SmoothedFrames(states, torch.tensor(noise).to(observations), torch.tensor(freedom).to(observations))


@dataclass(frozen=True)
class _Group:
    """All series of a state that were sampled at the same times.

    Attributes:
        members: (G,), the trajectories.
        length: L, their frames.
        series: (S, L), 0 where there is no observation.
        patterns: (U, L), the distinct weights of the observations.
        pattern: (S,), which of them a series has.
        roughness: (L, L), the penalty.
        anchor: (L, L), a trace of a penalty of low order.
    """

    members: Tensor
    length: int
    series: Tensor
    patterns: Tensor
    pattern: Tensor
    roughness: Tensor
    anchor: Tensor

    def judged(self, strength: Tensor) -> tuple[float, float, float]:
        """Weighed sum of squares of what is left over, degrees of freedom kept, number of observations."""
        squares = kept = seen = 0.0
        for index in range(min(len(self.patterns), JUDGED)):
            mine = self.series[self.pattern == index] if len(self.patterns) > 1 else self.series
            weights, matrix = self.patterns[index], self._matrices(self.patterns[index : index + 1], strength)[0]
            squares += float((weights * (mine - mine @ matrix.T).square()).sum())
            kept += len(mine) * float(matrix.diagonal().sum())
            seen += len(mine) * float((weights > 0).sum())
        return squares, kept, seen

    def at(self, strength: Tensor) -> Tensor:
        """(S, L), the smooth."""
        matrices = self._matrices(self.patterns, strength)
        if len(matrices) == 1:
            return self.series @ matrices[0].T
        pieces = zip(torch.split(self.series, CHUNK), torch.split(self.pattern, CHUNK), strict=True)
        return torch.cat([torch.einsum("skl,sl->sk", matrices[which], series) for series, which in pieces])

    def _matrices(self, patterns: Tensor, strength: Tensor) -> Tensor:
        """(U, L, L): (W + strength K)^-1 W, the anchor apart."""
        weights = torch.diag_embed(patterns)
        solved: Tensor = torch.linalg.solve(weights + strength * self.roughness + self.anchor, weights)
        return solved


def _groups(times: Tensor, valid: Tensor, observations: Tensor, exact: bool) -> list[_Group]:
    """The series of one state, (N, T, *grid), by the times that they were sampled at."""
    marked = torch.where(valid, times, torch.nan).nan_to_num(torch.inf)
    rows, which = torch.unique(marked, dim=0, return_inverse=True)
    return [_group(rows[row], (which == row).nonzero().squeeze(-1), observations, exact) for row in range(len(rows))]


def _group(row: Tensor, members: Tensor, observations: Tensor, exact: bool) -> _Group:
    t = row[torch.isfinite(row)]
    series = observations[members, : len(t)].transpose(0, 1).reshape(len(t), -1).T
    seen = torch.isfinite(series)
    if not bool(seen.any(1).all()):
        raise DataError(
            "A state of the field is never observed at some point of the grid.",
            "Cut the grid to what was observed, or drop the state.",
        )
    weights = seen.to(series)
    if exact:
        weights[:, 0] *= EXACT
    patterns, pattern = torch.unique(weights, dim=0, return_inverse=True)
    anchor = ANCHOR * roughness(t, 1)
    return _Group(members, len(t), series.nan_to_num(), patterns, pattern, roughness(t, ORDER), anchor)


def roughness(t: Tensor, order: int) -> Tensor:
    """(L, L): x' K x is the sum of the squared divided differences of x, in mean sampling intervals."""
    places = (t - t[0]) / (t[-1] - t[0]).clamp(min=1e-300) * (len(t) - 1)
    differences = _differences(places, min(order, len(t) - 1))
    return differences.T @ differences


def _differences(places: Tensor, order: int) -> Tensor:
    """(L - order, L): derivatives of this order by divided differences."""
    matrix = torch.eye(len(places), dtype=places.dtype, device=places.device)
    for k in range(1, order + 1):
        matrix = k * (matrix[1:] - matrix[:-1]) / (places[k:] - places[:-k]).unsqueeze(-1)
    return matrix


def _strength(groups: list[_Group]) -> Tensor:
    """The strength of least pooled cross-validation error."""
    best, least = STRENGTHS[0], float("inf")
    for strength in STRENGTHS.to(groups[0].series):
        squares, kept, seen = (sum(parts) for parts in zip(*(one.judged(strength) for one in groups), strict=True))
        score = squares / (seen - kept) ** 2 if seen - kept > 1e-9 * seen else float("inf")
        if score < least:
            best, least = strength, score
    return best.to(groups[0].series)
