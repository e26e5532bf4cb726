"""How long a fit takes, how good it is, against what others do: one command, tables, CSV and a picture.

    python benchmarks/fit.py [A B C D] [--seeds 3] [--baseline 60] [--budget 40] [--folder fit_results] [--page PAGE]
    python benchmarks/fit.py --robust [A B C D]

Each problem is fitted by the chain and by Adam through three solvers: torchdiffeq's dopri5 (`--baseline` CPU seconds),
a loop of fixed Runge-Kutta steps, and diffrax in JAX (`--budget` CPU seconds each; JAX needs the extra `peers`, or
`--peers-python`, the interpreter of an environment that has it). One thread, CPU seconds of the process that trains;
scoring and compiling are not charged.

Two methods are compared *at equal error*: the lowest test error that both reach, that is the best of the peer within
its budget unless we end above it. The ratio is the time that the peer needs until it has it for the first time over the
time that the chain needs. It is taken per seed; tables show the median.

`--robust` fits ten seeds of each problem by the chain alone, with 3 % noise and all samples, then with 10 % noise and
half of the samples, and counts fits that do not end at the noise floor (`noise_floor.py` says what that is).
`--noise` and `--every` take other data. What is measured goes into the folder; what was measured there before stays,
except for what is measured anew, so that parts may be run one by one. `--page` puts the tables into a page, between its
markers, and `--figure` says where the picture goes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import one_thread  # noqa: F401  # isort: skip  # before NumPy
import numpy as np
import torch
from fit_figure import draw
from fit_records import CHAIN, NAMES, Curve, End, Key, Results
from fit_tables import document, refresh
from noise_floor import arrived, floor
from peer_models import due
from peers_jax import MISSING
from peers_torch import Snapshots, Training, adam
from problems import BENCHMARKS, Benchmark, Data, Variant
from scoring import Arrays, arrays_of, error_on_train, errors_on_test

from archsearch.hybrid import HybridModel
from archsearch.settings import FitSettings
from archsearch.training.methods.fit import fit

ROBUST = (Variant(0.03, 1), Variant(0.10, 2))
ROBUST_SEEDS = 10
WARM_UP = 99
"""A seed that is in no table: what the first fit of a process pays for imports is not a fit."""


class Watch:
    """Notes the model down while it is fitted, as often as a curve wants; the clock stands still meanwhile."""

    def __init__(self, model: HybridModel) -> None:
        self.moments: list[tuple[float, Arrays]] = []
        self._model = model
        self._began = time.process_time()
        self._uncharged = 0.0

    def seconds(self) -> float:
        """CPU seconds of the fit so far."""
        return time.process_time() - self._began - self._uncharged

    def __call__(self, stage: str, iteration: int) -> bool:
        """After every iteration of every stage; goes on."""
        seconds, stopped = self.seconds(), time.process_time()
        if due(seconds, self.moments[-1][0] if self.moments else 0.0):
            self.moments.append((seconds, arrays_of(self._model)))
        self._uncharged += time.process_time() - stopped
        return True


def fitted(problem: Benchmark, data: Data, seed: int) -> tuple[HybridModel, list[tuple[float, Arrays]]]:
    """The model as the chain leaves it, with the moments of its fit, the last one being its end."""
    model = problem.candidate(seed)
    watch = Watch(model)
    fit(model, problem.known(), data.train, FitSettings(), torch.Generator().manual_seed(seed), watch=watch)
    return model, [*watch.moments, (watch.seconds(), arrays_of(model))]


def chain(problem: Benchmark, data: Data, variant: Variant, key: Key) -> tuple[End, Curve]:
    """One fit by the chain."""
    model, moments = fitted(problem, data, key.seed)
    errors = errors_on_test(problem, model, [arrays for _, arrays in moments], data)
    curve = [(seconds, error) for (seconds, _), error in zip(moments, errors, strict=True)]
    train = error_on_train(problem, model, moments[-1][1], data)
    lowest = floor(problem, variant, key.seed, errors[-1])
    there = arrived(train, errors[-1], lowest, variant.noise)
    return End(key, moments[-1][0], 0.0, train, errors[-1], lowest, there), curve


def peer(
    problem: Benchmark, data: Data, variant: Variant, key: Key, budget: float, python: str
) -> tuple[End, Curve] | None:
    """One fit by another method; None if it cannot be run here."""
    training, compiling = Training.of(problem, data), 0.0
    if key.method == "diffrax":
        found = diffrax(training, problem.name[0], key.seed, budget, python)
        if found is None:
            return None
        snapshots, compiling = found
    else:
        snapshots = adam(training, key.seed, budget, key.method)
    curve = [(seconds, training.test_error(p, data)) for seconds, p in snapshots]
    lowest = floor(problem, variant, key.seed, curve[-1][1])
    train = training.train_error(snapshots[-1][1], data)
    there = arrived(train, curve[-1][1], lowest, variant.noise)
    return End(key, curve[-1][0], compiling, train, curve[-1][1], lowest, there), curve


def diffrax(training: Training, letter: str, seed: int, budget: float, python: str) -> tuple[Snapshots, float] | None:
    """Snapshots and the time to compile, from a process of its own; None, and why, if it has no JAX."""
    arrays = {"times": training.times, "states": training.states, "inputs": training.inputs, "jumps": training.jumps}
    scales = {"mean": training.scales.mean, "std": training.scales.std}
    with tempfile.TemporaryDirectory() as folder:
        task, answer = Path(folder) / "task.npz", Path(folder) / "found.npz"
        np.savez(task, letter=letter, seed=seed, budget=budget, **(arrays | scales))
        script = Path(__file__).with_name("peers_jax.py")
        done = subprocess.run([python, script, task, answer], capture_output=True, text=True, check=False)
        if done.returncode == MISSING:
            print(done.stderr.strip(), file=sys.stderr)
            return None
        if done.returncode:
            sys.exit(f"The JAX peer failed:\n{done.stderr}")
        with np.load(answer) as found:
            return list(zip(found["seconds"].tolist(), found["vectors"], strict=True)), float(found["compiling"])


def measure(results: Results, keys: Iterable[Key], variant: Variant, wanted: argparse.Namespace) -> None:
    """Make these fits, one after the other, and keep what they give."""
    missing: set[str] = set()
    for key in keys:
        if key.method in missing:
            continue
        problem = BENCHMARKS[key.problem]
        data = problem.data(key.seed, variant)
        budget = wanted.baseline if key.method == "dopri5" else wanted.budget
        if key.method == CHAIN:
            found: tuple[End, Curve] | None = chain(problem, data, variant, key)
        else:
            found = peer(problem, data, variant, key, budget, wanted.peers_python)
        if found is None:
            missing.add(key.method)
            continue
        results.add(*found)
        told(found[0])


def told(end: End) -> None:
    """A line about a fit."""
    key, where = end.key, "at the noise floor" if end.arrived else "ABOVE the noise floor"
    print(
        f"{BENCHMARKS[key.problem].name}, {key.variant}, seed {key.seed}, {NAMES[key.method]}: "
        f"{end.seconds:.2f} CPU s, training error {end.train:.2e}, test error {end.test:.2e}, {where}",
        file=sys.stderr,
        flush=True,
    )


def compared(results: Results, wanted: argparse.Namespace) -> None:
    """The chain and the others on the same data."""
    variant = Variant(wanted.noise, wanted.every)
    budgets = {"dopri5": wanted.baseline, "rk4": wanted.budget, "diffrax": wanted.budget}
    methods = [CHAIN, *(name for name, budget in budgets.items() if budget > 0)]
    keys = [
        Key("compared", variant.label, letter, seed, method)
        for letter in wanted.problems
        for seed in range(wanted.seeds or 3)
        for method in methods
        if method in wanted.methods
    ]
    measure(results, keys, variant, wanted)


def robust(results: Results, wanted: argparse.Namespace) -> None:
    """Many seeds of the chain, on easy and on harder data."""
    for variant in ROBUST:
        seeds = range(wanted.seeds or ROBUST_SEEDS)
        keys = [Key("robust", variant.label, letter, seed, CHAIN) for letter in wanted.problems for seed in seeds]
        measure(results, keys, variant, wanted)


def asked() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--seeds", type=int, help="how many, from 0 (default: 3, or 10 with --robust)")
    parser.add_argument("--baseline", type=float, default=60.0, help="CPU seconds for dopri5; 0: leave it out")
    parser.add_argument("--budget", type=float, default=40.0, help="CPU seconds for each other peer; 0: leave them out")
    parser.add_argument("--methods", nargs="+", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--noise", type=float, default=0.03, help="in standard deviations of each state")
    parser.add_argument("--every", type=int, default=1, help="keep every how many-th sample")
    parser.add_argument("--robust", action="store_true", help="many seeds of the chain alone")
    parser.add_argument("--tables-only", action="store_true", help="measure nothing")
    parser.add_argument("--peers-python", default=sys.executable, help="an interpreter that has JAX")
    parser.add_argument("--folder", type=Path, default=Path("fit_results"))
    parser.add_argument("--page", type=Path, help="a file with markers between which the tables go")
    parser.add_argument("--figure", type=Path, help="default: fit.png in the folder")
    wanted = parser.parse_args()
    unknown = [letter for letter in wanted.problems if letter not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no problem {unknown[0]!r}: choose from {', '.join(BENCHMARKS)}")
    wanted.problems = wanted.problems or list(BENCHMARKS)
    return wanted


def main() -> None:
    """Measure, print, write."""
    wanted = asked()
    torch.set_num_threads(1)
    results = Results.of(wanted.folder)
    if not wanted.tables_only:
        fitted(BENCHMARKS["A"], BENCHMARKS["A"].data(WARM_UP, Variant()), WARM_UP)
        (robust if wanted.robust else compared)(results, wanted)
    text = document(results)
    if wanted.page is not None:
        refresh(wanted.page, text)
    if any(point.key.run == "compared" for point in results.curves):
        draw(results, wanted.figure or wanted.folder / "fit.png")
    print(text)


if __name__ == "__main__":
    main()
