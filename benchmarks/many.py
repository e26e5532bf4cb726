"""What a fit costs as one of many in a batch: restarts of one candidate from different weights.

    python benchmarks/many.py [A|B|C|D] [--members 1 4 16 64] [--device cpu|cuda] [--chunk N] [--alone 4] [--csv FILE]

For every size of the batch: CPU seconds (one thread) and wall seconds per fit, fits per second, the median training
error over the variance of the noise, and how many members ended at most 20 % above it. `--alone` fits so many of the
same restarts one by one with `fit`, for comparison; 0 leaves that out. A first fit that is not counted pays for
imports and, on a GPU, for compiled kernels. On a GPU, fits per second is the figure to look at.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import one_thread  # noqa: F401  # isort: skip  # before NumPy
import torch
from problems import BENCHMARKS, Benchmark, Data, Variant

from archsearch.settings import FitSettings
from archsearch.training.many.fit import fit_many
from archsearch.training.many.members import Member
from archsearch.training.methods.fit import fit

NOISE = 0.03
NEAR = 1.2
"""An error up to this many variances of the noise counts as one at the noise floor."""


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    problem: str
    method: str
    device: str
    members: int
    cpu_seconds_per_fit: float
    wall_seconds_per_fit: float
    fits_per_second: float
    median_error: float
    at_noise_floor: int


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    torch.set_num_threads(1)
    problem = BENCHMARKS[asked.problem]
    data = problem.data(0, Variant(NOISE))
    settings = FitSettings(device=asked.device)
    _many(problem, data, settings, 1, asked.chunk)
    lines = [_timed(problem, data, settings, "batch", size, asked) for size in asked.members]
    if asked.alone:
        lines.append(_timed(problem, data, settings, "one by one", asked.alone, asked))
    _write(lines, asked.csv)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problem", nargs="?", default="A", choices=sorted(BENCHMARKS))
    parser.add_argument("--members", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--chunk", type=int, help="members at once (default: what suits the device)")
    parser.add_argument("--alone", type=int, default=4)
    parser.add_argument("--csv", type=Path)
    return parser.parse_args()


def _timed(
    problem: Benchmark, data: Data, settings: FitSettings, method: str, size: int, asked: argparse.Namespace
) -> Line:
    work: Callable[[], list[float]] = (
        (lambda: _many(problem, data, settings, size, asked.chunk))
        if method == "batch"
        else (lambda: _alone(problem, data, settings, size))
    )
    cpu, wall = time.process_time(), time.perf_counter()
    errors = work()  # ends on the CPU, so that a GPU has finished
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    over = [error / NOISE**2 for error in errors]
    line = Line(
        problem=problem.name,
        method=method,
        device=settings.device,
        members=size,
        cpu_seconds_per_fit=round(cpu / size, 3),
        wall_seconds_per_fit=round(wall / size, 3),
        fits_per_second=round(size / wall, 3),
        median_error=round(statistics.median(over), 4),
        at_noise_floor=sum(error <= NEAR for error in over),
    )
    print(line, file=sys.stderr)
    return line


def _many(problem: Benchmark, data: Data, settings: FitSettings, size: int, chunk: int | None) -> list[float]:
    members = [Member(weights_seed=seed) for seed in range(size)]
    found = fit_many(problem.candidate(0), problem.known(), data.train, settings, members, chunk=chunk)
    return [float(error) for error in found.ends.seen_error]


def _alone(problem: Benchmark, data: Data, settings: FitSettings, size: int) -> list[float]:
    errors = []
    for seed in range(size):
        model = problem.candidate(seed).to(settings.device)
        samples = data.train.to(torch.device(settings.device))
        errors.append(fit(model, problem.known(), samples, settings, torch.Generator().manual_seed(seed)).error)
    return errors


def _write(lines: list[Line], path: Path | None) -> None:
    columns = [field.name for field in fields(Line)]
    handle = sys.stdout if path is None else path.open("w", newline="")
    writer = csv.DictWriter(handle, columns)
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    if path is not None:
        handle.close()


if __name__ == "__main__":
    main()
