"""The tables of the benchmark of the fit: what a fit costs, against others at equal error, and how often it fails."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from fit_records import CHAIN, NAMES, Curve, End, Results
from problems import BENCHMARKS

PAGE_WIDTH = 125
NO_MODEL = 1.0
"""The error of predicting the mean, in variances of the states."""
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Equal:
    """Two fits of the same data at the same error.

    Attributes:
        error: the lowest test error that both reached: the best of the peer within its budget, unless the chain
            ended above it.
        peer: CPU seconds until the peer had it for the first time.
        chain: the same for the chain.
        whole: CPU seconds of the whole fit by the chain, which goes on to a smaller error.
    """

    error: float
    peer: float
    chain: float
    whole: float

    @property
    def ratio(self) -> float:
        """How many times longer the peer takes to the same error."""
        return self.peer / self.chain

    @property
    def whole_ratio(self) -> float:
        """The same if the chain is charged for its whole fit."""
        return self.peer / self.whole


def at_equal_error(peer: Curve, chain: Curve, whole: float) -> Equal | None:
    """Compare at the lowest error that both reached.

    None if one has no curve, or if one of them did not get below `NO_MODEL`: then there is no model to speak of.
    """
    if not peer or not chain:
        return None
    error = max(min(error for _, error in peer), min(error for _, error in chain))
    first = [next(seconds for seconds, found in curve if found <= error) for curve in (peer, chain)]
    return Equal(error, first[0], first[1], whole) if error < NO_MODEL and min(first) > 0 else None


def compared(results: Results, method: str, letter: str) -> list[Equal]:
    """Every seed of a problem on which a peer and the chain were run."""
    found = []
    for end in results.ends:
        if end.key.run == "compared" and (end.key.method, end.key.problem) == (CHAIN, letter):
            peer = results.curve(replace(end.key, method=method))
            pair = at_equal_error(peer, results.curve(end.key), end.seconds)
            found += [pair] if pair else []
    return found


def cost_table(results: Results) -> str:
    """CPU seconds of whole fits, and where they end."""
    rows = []
    for letter, problem in BENCHMARKS.items():
        own = _chain(results, "compared", letter)
        if own:
            seconds = [end.seconds for end in own]
            weights = sum(array.numel() for array in problem.candidate(0).parameters())
            sizes = [str(len(problem.states)), f"{problem.many} x {problem.samples}", str(weights)]
            arrived = f"{sum(end.arrived for end in own)} of {len(own)}"
            test = f"{statistics.median(end.test for end in own):.1e}"
            rows.append([problem.name, *sizes, f"**{statistics.median(seconds):.2f}**", _range(seconds), test, arrived])
    heads = ["problem", "states", "samples", "unknowns", "CPU s, median", "range", "test error", "at the noise floor"]
    return _markdown(heads, rows) if rows else ""


def ratio_table(results: Results) -> str:
    """How much longer the others take to the same error."""
    rows = []
    for method in list(NAMES)[1:]:
        for letter, problem in BENCHMARKS.items():
            pairs = compared(results, method, letter)
            if pairs:
                ratios = [pair.ratio for pair in pairs]
                budgets = [end.seconds for end in results.ends if (end.key.method, end.key.problem) == (method, letter)]
                medians = [statistics.median(getattr(pair, part) for pair in pairs) for part in ("peer", "chain")]
                error = statistics.median(pair.error for pair in pairs)
                whole = statistics.median(pair.whole_ratio for pair in pairs)
                ours = [f"**{_times(statistics.median(ratios))}**", _range(ratios), _times(whole)]
                theirs = [f"{max(budgets):.0f}", f"{error:.1e}", *(f"{seconds:.3g}" for seconds in medians)]
                many = f"{len(pairs)} of {len(budgets)}"
                rows.append([NAMES[method], problem.name, *theirs, *ours, many])
    heads = ["method", "problem", "budget, CPU s", "equal error", "its CPU s", "ours", "ratio", "range"]
    heads += ["to our end", "seeds"]
    return _markdown(heads, rows) if rows else ""


def robust_table(results: Results) -> str:
    """How many seeds end more than three times above the noise floor."""
    variants = dict.fromkeys(end.key.variant for end in results.ends if end.key.run == "robust")
    rows = []
    for variant in variants:
        ends = [_chain(results, "robust", letter) for letter in BENCHMARKS]
        groups = [[end for end in own if end.key.variant == variant] for own in ends]
        rows.append([variant, *(f"{sum(not end.arrived for end in own)} of {len(own)}" for own in groups)])
    return _markdown(["above the floor", *(problem.name for problem in BENCHMARKS.values())], rows) if rows else ""


def document(results: Results) -> str:
    """The tables for a page, with what they mean."""
    seeds = {end.key.seed for end in results.ends if end.key.run == "compared"}
    machine = (
        f"CPU seconds, one thread ({platform.machine()}, {os.cpu_count()} shared cores, PyTorch {torch.__version__}), "
        f"scoring excluded; seeds: {len(seeds)}. Errors are mean squares of rollouts of unseen clean trajectories, in "
        "variances of the states. A fit is at the noise floor if it ends within three times the noise variance on its "
        "noisy training data, and on test data within three times the larger of the noise variance and what a fit "
        "that starts from the truth reaches."
    )
    equal = (
        "How many times longer others take to the lowest error that both reach, medians over seeds that got below the "
        "error of predicting the mean, which is 1. The column *to our end* charges us for the whole fit. Time to "
        "compile is not charged to diffrax."
    )
    robust = "Fits that do not end at the noise floor, of so many seeds:"
    parts = ((machine, cost_table(results)), (equal, ratio_table(results)), (robust, robust_table(results)))
    return "\n\n".join(f"{_wrapped(text)}\n\n{table}" for text, table in parts if table) + "\n"


def refresh(page: Path, text: str) -> None:
    """Put the tables between the markers of a page."""
    content = page.read_text(encoding="utf-8")
    if content.count(BEGIN) != 1 or content.count(END) != 1:
        sys.exit(f"{page}: expected one {BEGIN} and one {END}")
    before, rest = content.split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}", encoding="utf-8")


def _chain(results: Results, run: str, letter: str) -> list[End]:
    wanted = (run, CHAIN, letter)
    return [end for end in results.ends if (end.key.run, end.key.method, end.key.problem) == wanted]


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"


def _times(value: float) -> str:
    return f"{value:.3g}x" if value < 1000 else f"{value:.0f}x"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *rows])


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, PAGE_WIDTH))
