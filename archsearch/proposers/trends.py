"""How one series depends on another, in a few numbers that an LLM can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from archsearch.problem.trajectories import Bools, Floats

PARTS = 5
FEWEST = 4
"""Fewer points than this show no trend."""


def four(value: float | None) -> str:
    """A number with four significant digits; a dash where there is none."""
    return "-" if value is None or np.isnan(value) else f"{value:.4g}"


def listed(items: Sequence[str]) -> str:
    """Items in one line; `none` for nothing."""
    return ", ".join(items) or "none"


def rank_correlation(one: Floats, other: Floats) -> float | None:
    """Spearman's rank correlation of two series over the points where both are finite; None if one does not vary.

    Args:
        one: (K,).
        other: (K,).
    """
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < FEWEST:
        return None
    ranks = [_ranks(series[both]) for series in (one, other)]
    spreads = [float(rank.std()) for rank in ranks]
    if min(spreads) == 0.0:
        return None
    return float(np.mean((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())) / (spreads[0] * spreads[1]))


def correlations(series: Floats, variables: Mapping[str, Floats]) -> dict[str, float]:
    """The rank correlation of a series with each variable that varies, the strongest first."""
    found = {name: rank_correlation(series, values) for name, values in variables.items()}
    known = {name: value for name, value in found.items() if value is not None}
    return dict(sorted(known.items(), key=lambda item: (-abs(round(item[1], 6)), item[0])))


def fifths(series: Floats, against: Floats) -> list[tuple[float, float]]:
    """The medians of the variable and of the series in fifths of the points, by the variable: a coarse curve."""
    both = np.isfinite(series) & np.isfinite(against)
    if both.sum() < FEWEST:
        return []
    order = np.argsort(against[both], kind="stable")
    parts = np.array_split(order, min(PARTS, len(order)))
    return [(float(np.median(against[both][part])), float(np.median(series[both][part]))) for part in parts]


def autocorrelation(series: Floats, valid: Bools) -> float | None:
    """The correlation of neighbours in time, pooled over trajectories: near 0 for noise, near 1 for what is systematic.

    Args:
        series: (N, T), NaN where there is nothing.
        valid: (N, T).
    """
    values = np.where(valid, series, np.nan)
    if np.isfinite(values).sum() < FEWEST:
        return None
    centred = values - np.nanmean(values)
    pairs = centred[:, :-1] * centred[:, 1:]
    both = np.isfinite(pairs)
    variance = float(np.nanmean(centred**2))
    return float(pairs[both].mean() / variance) if both.any() and variance > 0 else None


def told(found: Mapping[str, float]) -> str:
    """Correlations in one line, those that say nothing left out."""
    return listed([f"{name} {value:+.2f}" for name, value in found.items() if abs(value) >= 0.2])


def _ranks(values: Floats) -> Floats:
    """(K,) ranks, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: Floats = ends - (counts - 1) / 2.0
    return means[inverse]
