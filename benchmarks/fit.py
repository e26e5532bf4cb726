"""How long a fit takes and how good it is: `python benchmarks/fit.py [--seeds 3] [--baseline 60] [A B C D]`.

One thread, processor seconds of the whole fit, normalised mean square error of rollouts of unseen clean trajectories.
The baseline is the usual way: torchdiffeq's dopri5, back-propagation through the solver, Adam, for that many seconds
(0: none). Writes fit.csv beside the figures that it prints.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from problems import BENCHMARKS, Benchmark
from torchdiffeq import odeint

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.settings import FitSettings
from archsearch.training.fit import fit
from archsearch.training.integrate import Coordinates, accurate
from archsearch.training.prepare import calibrate, prepare
from archsearch.training.task import Samples

NOISE_FLOOR = 3.0
"""A fit that ends above this many times the variance of the noise, on its training data, has not arrived."""


def error(model: HybridModel, problem: Benchmark, test: Samples) -> float:
    """Mean square error of rollouts, each state in its own variance."""
    coordinates = Coordinates.of(problem.known())
    with torch.no_grad(), model.prepared():
        rolled = accurate(coordinates.field(model), test.states[:, 0], test.times, test.inputs, 1)
    variance = test.states.reshape(-1, test.states.shape[-1]).var(0)
    return float(((rolled - test.states) ** 2 / variance).mean())


def fresh(problem: Benchmark, seed: int) -> HybridModel:
    """The candidate before its fit."""
    generator = torch.Generator().manual_seed(seed)
    return load_candidate(problem.source)(problem.states, problem.inputs, generator=generator)


def ours(problem: Benchmark, seed: int) -> dict[str, object]:
    """One fit by the chain."""
    train, test = problem.data(seed)
    model = fresh(problem, seed)
    started = time.process_time()
    found = fit(model, problem.known(), train, FitSettings(), torch.Generator().manual_seed(seed))
    seconds = time.process_time() - started
    arrived = found.error <= NOISE_FLOOR * problem.noise**2
    return {"seconds": seconds, "test": error(model, problem, test), "train": found.error, "arrived": arrived}


def usual(problem: Benchmark, seed: int, budget: float, target: float) -> dict[str, object]:
    """Adam through dopri5 for a budget of seconds, or until it is as good as `target`."""
    train, test = problem.data(seed)
    model = fresh(problem, seed)
    calibrate(prepare(model, problem.known(), train, FitSettings()))
    variance = train.states.reshape(-1, train.states.shape[-1]).var(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    spent, best, reached = 0.0, float("inf"), None
    while spent < budget and reached is None:
        started = time.process_time()
        for _ in range(20):
            optimiser.zero_grad()
            with model.prepared():
                loss = ((_dopri5(model, train) - train.states) ** 2 / variance).mean()
            if not bool(torch.isfinite(loss)):
                continue
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimiser.step()
        spent += time.process_time() - started
        best = min(best, error(model, problem, test))
        reached = spent if best <= target else None
    return {"seconds": reached or spent, "test": best, "reached": reached is not None}


def _dopri5(model: HybridModel, train: Samples) -> torch.Tensor:
    def right(t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        k = min(int(torch.searchsorted(train.times[0], t.detach(), right=True)) - 1, train.times.shape[1] - 2)
        return model.derivative(t.expand(len(x)), x, train.inputs[:, max(k, 0)])

    rolled: torch.Tensor = odeint(right, train.states[:, 0], train.times[0], rtol=1e-5, atol=1e-6)
    return rolled.transpose(0, 1)


def median(rows: list[dict[str, object]], key: Callable[[dict[str, object]], float]) -> float:
    """Median over seeds."""
    return statistics.median(key(row) for row in rows)


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", default=list(BENCHMARKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--baseline", type=float, default=0.0)
    parser.add_argument("--out", type=Path, default=Path("fit.csv"))
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    ours(BENCHMARKS["A"], 99)  # what the first fit of a process pays for imports is not a fit
    rows = []
    for letter in wanted.problems:
        problem = BENCHMARKS[letter]
        mine = []
        for seed in range(wanted.seeds):
            row = {"problem": problem.name, "seed": seed, "method": "archsearch"} | ours(problem, seed)
            mine.append(row)
            if wanted.baseline:
                theirs = usual(problem, seed, wanted.baseline, float(str(row["test"])))
                rows.append({"problem": problem.name, "seed": seed, "method": "dopri5 + Adam"} | theirs)
                print(f"  {rows[-1]}")
            print(f"  {row}")
        rows += mine
        print(
            f"{problem.name}: {median(mine, lambda r: float(str(r['seconds']))):.2f} CPU s, "
            f"test error {median(mine, lambda r: float(str(r['test']))):.2g}, "
            f"{sum(bool(r['arrived']) for r in mine)} of {len(mine)} at the noise floor"
        )
    fields = ["problem", "seed", "method", "seconds", "test", "train", "arrived", "reached"]
    with wanted.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
