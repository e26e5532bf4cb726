"""What others have published, beside what a fit by the whole chain reaches on the same problem: one command, a table.

    python benchmarks/published.py [--seeds 5] [WORD ...]

A seed draws the noise and the weights that a net starts from, except where the very data of the published figure are
known. Figures are medians over seeds, with their range; CPU seconds of one thread. Problems, candidates and how errors
are counted: `tests/training/published_systems.py`. WORDs choose cases that have one of them in their name.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import one_thread  # noqa: F401  # isort: skip  # before NumPy
import torch

sys.path.append(str(Path(__file__).parents[1] / "tests" / "training"))
from hard_systems import SPRING, SPRING_TRUTH, spring
from published_systems import (
    FREE,
    KEEPING,
    LOOSE_TANKS,
    REACTORS,
    SHAPED,
    batch_reactor,
    fed_batch,
    growth_error,
    leslie_gower,
    new_batch,
    points,
    reaction_error,
    tanks,
    unlevel,
)
from simulated_problems import Fitted, Problem, fitted

from archsearch.problem.space import State

LUEG = "Lueg et al. 2026, SiNDAE 1.0.2 on two cores, 1 seed"
NOTES = "CMU course notes, 1 seed"
SUBSTRATE = 2

Figures = dict[str, float]


@dataclass(frozen=True)
class Case:
    """One published problem.

    Attributes:
        name: of the case.
        fit: fits it with a seed.
        figures: what is asked of a fit.
        published: the figure of others.
        source: who has it.
    """

    name: str
    fit: Callable[[int], Fitted]
    figures: Callable[[Fitted], Figures]
    published: str
    source: str


def _reactor(form: str, own_data: bool) -> Case:
    return Case(
        f"batch reactor, {form}" + (", noise of the seed" if own_data else ""),
        lambda seed: fitted(batch_reactor(seed if own_data else 0, REACTORS[form]), seed),
        lambda fit: {"rate error, %": 100 * reaction_error(fit)},
        "1.6 % (1-6-1 tanh), 1.3 s",
        "github.com/jkitchin/discopt, the data of its seed 0",
    )


def _batch_figures(fit: Fitted) -> Figures:
    batch = new_batch(fit.model)
    trained = float(points(fit)[:, SUBSTRATE].min())
    return {"least S": batch.least, "S error": batch.error, "X(60)": batch.biomass, "least S in training": trained}


def _fed_batch(name: str, source: str, published: str, declared: bool = True) -> Case:
    return Case(name, lambda seed: fitted(fed_batch(seed, source, declared), seed), _batch_figures, published, NOTES)


def _spring(seed: int) -> Fitted:
    samples = spring(seed).samples
    states = (State(name="x", initial=1.0), State(name="v", observed=False, initial=0.0))
    return fitted(Problem(SPRING, states, samples, samples.states.numpy()), seed)


def _parameter_errors(truth: Figures) -> Callable[[Fitted], Figures]:
    return lambda fit: {f"{name}, % off": 100 * abs(fit.values()[name] / true - 1) for name, true in truth.items()}


def cases() -> Iterator[Case]:
    """All of them."""
    yield from (_reactor(form, own_data) for form in REACTORS for own_data in (False, True))
    yield Case(
        "Leslie-Gower, growth of the hunters by a net",
        lambda seed: fitted(leslie_gower(seed), seed),
        lambda fit: {"growth error, standard deviations": growth_error(fit)},
        "0.143, 9.9 s and 10.5 s before it",
        LUEG,
    )
    yield Case(
        "four tanks, index 2, two nets",
        lambda seed: fitted(tanks(seed), seed),
        lambda fit: {"largest x0 - x1": unlevel(fit), "misfit / noise": misfit_over_noise(fit)},
        "not finished in 400 s",
        LUEG,
    )
    yield Case(
        "four tanks as an ordinary model",
        lambda seed: fitted(tanks(seed, LOOSE_TANKS), seed),
        lambda fit: {"largest x0 - x1": unlevel(fit), "misfit / noise": misfit_over_noise(fit)},
        "-",
        "-",
    )
    yield _fed_batch(
        "fed-batch, growth by a positive net that is 0 at S = 0, S >= 0",
        SHAPED + KEEPING,
        "least S -0.37, error 0.19, X(60) 3.73; with S >= 0: 0.05, 0.30, 3.50",
    )
    yield _fed_batch("fed-batch, any net, S >= 0, noise not declared", FREE + KEEPING, "see above", declared=False)
    yield Case(
        "spring-mass from (2, 150)",
        _spring,
        _parameter_errors(SPRING_TRUTH),
        "(0.99, 402) by collocation, (0.29, 419) by single shooting",
        NOTES,
    )


def misfit_over_noise(fit: Fitted) -> float:
    """Mean square error on the noisy training data over the variance of the noise."""
    loss = fit.found.loss
    return fit.found.error / float((0.05 / loss.scale).square().mean())


def row(case: Case, seeds: range) -> list[str]:
    """Medians and ranges of a case."""
    fits = [case.fit(seed) for seed in seeds]
    asked = [case.figures(fit) for fit in fits]
    ours = [f"{name} {_spread([figures[name] for figures in asked])}" for name in asked[0]]
    return [case.name, "; ".join(ours), _spread([fit.seconds for fit in fits]), case.published, case.source]


def _spread(values: list[float]) -> str:
    return f"**{statistics.median(values):.3g}** ({min(values):.3g} to {max(values):.3g})"


def main() -> None:
    """Measure and print, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="cases with one of these in their name; all without any")
    parser.add_argument("--seeds", type=int, default=5)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    fitted(batch_reactor(0, next(iter(REACTORS.values()))), 0)  # what the first fit pays for imports is not a fit
    print(f"| case | median of {wanted.seeds} seeds (range) | CPU s | published | source |\n|---|---|---|---|---|")
    for case in cases():
        if not wanted.words or any(word in case.name for word in wanted.words):
            print("| " + " | ".join(row(case, range(wanted.seeds))) + " |", flush=True)


if __name__ == "__main__":
    main()
