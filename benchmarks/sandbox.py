"""What the walls cost: a fork, an evaluation, a search, each with and without them, by one command.

    python benchmarks/sandbox.py [--zygotes 6] [--repeats 50] [--evaluations 20] [--searches 3] [--folder DIR]

Variants take turns, in another order each time, so that a machine that is busy for a while is busy for all of them.
What a fork costs also depends on where its zygote's memory happens to lie: forks are measured on several of each.
Everything goes into the folder: `forks.csv`, `evaluations.csv` and `searches.csv` with a line per measurement, and
`tables.md` with the medians, which is also printed. `plain` is a fork and nothing else; `none` has limits but no walls.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from archsearch.candidate.baselines import physics_plus_net
from archsearch.candidate.candidate import Candidate
from archsearch.candidate.render import render
from archsearch.evaluation import Evaluator, nobody
from archsearch.evaluation.evaluator import REHEARSAL, seed_of
from archsearch.evaluation.predictions import Asked
from archsearch.evaluation.weights import read_weights
from archsearch.executors.local import LocalExecutor
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.proposers.grammar import GrammarProposer
from archsearch.sandbox import process
from archsearch.sandbox.report import Report
from archsearch.sandbox.sandbox import Sandbox
from archsearch.sandbox.tiers import Tier, probe
from archsearch.search import run_search
from archsearch.settings import Budget, Limits, RunSettings
from archsearch.study.store import Study

NOTHING = "archsearch.sandbox.nothing:nothing"
PLAIN = "plain"
NO_WALLS = "import archsearch.sandbox.confinement as walls; walls.Confinement.enter = lambda *_: None; "
"""What a zygote is told first whose children raise no wall and have no limit."""


@dataclass(frozen=True)
class Line:
    """One measurement: seconds by the clock, and of processor time in zygote, jobs and the process that waits."""

    what: str
    variant: str
    wall_seconds: float
    cpu_seconds: float


class Box:
    """A sandbox that counts, and that outlives the search that closes it."""

    def __init__(self, box: Sandbox) -> None:
        self.tier, self.seal, self._box = box.tier, box.seal, box
        self._jobs_seconds = 0.0

    def run(self, *given: Any, **more: Any) -> Report:
        """As `Sandbox.run`."""
        report = self._box.run(*given, **more)
        self._jobs_seconds += report.cpu_seconds
        return report

    def close(self) -> None:
        """Not yet."""

    def spent(self) -> float:
        """Processor seconds that this process, the zygote and its jobs have used so far."""
        zygote = self._box._zygote
        assert zygote is not None
        own = int(Path(f"/proc/{zygote.pid}/schedstat").read_text().split()[0])
        return time.process_time() + 1e-9 * own + self._jobs_seconds


Boxes = Mapping[str, Box]


@contextmanager
def sandboxes() -> Iterator[Boxes]:
    """One sandbox per variant, ready to run."""
    tiers = [Tier.NONE, Tier.SECCOMP] + ([Tier.LANDLOCK_SECCOMP] if probe() is Tier.LANDLOCK_SECCOMP else [])
    with ExitStack() as stack:
        made = {tier.value: stack.enter_context(Sandbox(Limits(), tier, warm_up=(REHEARSAL,))) for tier in tiers}
        made[PLAIN] = stack.enter_context(Sandbox(Limits(), Tier.NONE, warm_up=(REHEARSAL,)))
        ordinary, process.ENTRY = process.ENTRY, NO_WALLS + process.ENTRY
        made[PLAIN].start()
        process.ENTRY = ordinary
        for box in made.values():
            assert box.run(NOTHING, {}).exit == 0
        yield {name: Box(made[name]) for name in (PLAIN, *(tier.value for tier in tiers))}


def in_turn(what: str, boxes: Boxes, repeats: int, measure: Callable[[Box], None]) -> Iterator[Line]:
    """Measure every variant once per turn, in an order that changes."""
    order = random.Random(0)
    for _ in range(repeats):
        for name in order.sample(list(boxes), len(boxes)):
            before, began = boxes[name].spent(), time.perf_counter()
            measure(boxes[name])
            wall = time.perf_counter() - began
            yield Line(what, name, wall, boxes[name].spent() - before)


# ---- what is measured ------------------------------------------------------------------------------------------------


def forks(zygotes: int, repeats: int) -> list[Line]:
    """Jobs that do nothing."""

    def job(box: Box) -> None:
        assert box.run(NOTHING, {}).header == {}

    lines = list[Line]()
    for _ in range(zygotes):
        with sandboxes() as boxes:
            lines += in_turn("a job that does nothing", boxes, repeats, job)
    return lines


def evaluations(boxes: Boxes, repeats: int, problem: Problem) -> list[Line]:
    """A fit, what prediction and confirmation add to it, and a whole evaluation of the same candidate."""
    genome = physics_plus_net(problem.space)
    assert genome is not None
    candidate = Candidate(render(genome, problem.space), "benchmark")
    settings = RunSettings()
    evaluators = {id(box): Evaluator(problem, settings, cast(Sandbox, box)) for box in boxes.values()}

    def fit(box: Box) -> None:
        evaluators[id(box)]._fitted(candidate.source, seed, nobody)

    seed = seed_of(candidate, settings.seed)
    blob, claims, _ = evaluators[id(boxes[PLAIN])]._fitted(candidate.source, seed, nobody)
    weights = read_weights(blob)
    parts = {"train": Asked.for_drawing(problem.train, tuple(claims["terms"]))}
    parts["validation"] = Asked.for_drawing(problem.validation)

    def once(box: Box) -> None:
        evaluators[id(box)]._predict(candidate.source, blob, parts, seed)

    def predict(box: Box) -> None:
        evaluators[id(box)]._predicted(candidate.source, weights, parts, "validation", seed)

    def whole(box: Box) -> None:
        assert evaluators[id(box)].evaluate(candidate, 0).evaluation.failure is None

    kinds = {"fit": fit, "predict": once, "predict, and confirm": predict, "evaluate": whole}
    return [line for _ in range(repeats) for what, job in kinds.items() for line in in_turn(what, boxes, 1, job)]


def searches(boxes: Boxes, repeats: int, problem: Problem, trials: int) -> list[Line]:
    """Whole searches by the grammar, all of the same seed."""
    settings = RunSettings(budget=Budget(trials=trials))

    def search(box: Box) -> None:
        evaluator = Evaluator(problem, settings, cast(Sandbox, box))
        with tempfile.TemporaryDirectory() as folder:
            study = Study.create(Path(folder) / "run", problem, settings, problem.name, box.tier.value)
            proposer = GrammarProposer(problem.space, settings.seed)
            run_search(problem, study, proposer, lambda: LocalExecutor(lambda: evaluator, settings.workers), settings)

    return list(in_turn(f"a search of {trials} trials", boxes, repeats, search))


# ---- what is told ----------------------------------------------------------------------------------------------------


def tables(lines: Iterable[Line]) -> str:
    """Medians of every variant, and their ratio to the plain fork in pairs: turn by turn."""
    lines = list(lines)
    text = []
    for what in dict.fromkeys(line.what for line in lines):
        text.append(f"\n**{what}**\n\n| variant | wall ms | processor ms | wall, of plain | processor, of plain |")
        text.append("|---|---|---|---|---|")
        of = {name: [line for line in lines if (line.what, line.variant) == (what, name)] for name in _names(lines)}
        for name, own in of.items():
            wall, cpu = (
                statistics.median(getattr(line, key) for line in own) for key in ("wall_seconds", "cpu_seconds")
            )
            ratios = (_ratio(own, of[PLAIN], key) for key in ("wall_seconds", "cpu_seconds"))
            text.append(
                f"| {name} | {1e3 * wall:.1f} | {1e3 * cpu:.1f} | " + " | ".join(f"{r:.3f}" for r in ratios) + " |"
            )
    return "\n".join(text) + "\n"


def _names(lines: list[Line]) -> list[str]:
    order = (PLAIN, *(tier.value for tier in Tier))
    return [name for name in order if any(line.variant == name for line in lines)]


def _ratio(own: list[Line], plain: list[Line], key: str) -> float:
    """The median over turns."""
    return statistics.median(getattr(a, key) / max(getattr(b, key), 1e-9) for a, b in zip(own, plain, strict=True))


def write_csv(path: Path, lines: list[Line]) -> None:
    """A line per measurement."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Line)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(line) for line in lines)


def asked() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zygotes", type=int, default=6, help="of each variant, for jobs that do nothing")
    parser.add_argument("--repeats", type=int, default=50, help="of jobs that do nothing, on each of them")
    parser.add_argument("--evaluations", type=int, default=20, help="of each kind and variant")
    parser.add_argument("--searches", type=int, default=3, help="of each variant")
    parser.add_argument("--trials", type=int, default=12, help="of each search")
    parser.add_argument("--space", default="hare_lynx")
    parser.add_argument("--folder", type=Path, help="for tables; default: a temporary one that is kept")
    return parser.parse_args()


def main() -> None:
    """Measure, write, print."""
    wanted = asked()
    folder = wanted.folder or Path(tempfile.mkdtemp(prefix="sandbox-"))
    folder.mkdir(parents=True, exist_ok=True)
    problem = load_problem(wanted.space)
    found = {"forks": forks(wanted.zygotes, wanted.repeats)}
    with sandboxes() as boxes:
        found |= {
            "evaluations": evaluations(boxes, wanted.evaluations, problem),
            "searches": searches(boxes, wanted.searches, problem, wanted.trials),
        }
    for name, lines in found.items():
        write_csv(folder / f"{name}.csv", lines)
    text = tables(line for lines in found.values() for line in lines)
    (folder / "tables.md").write_text(text)
    print(f"{text}\n{folder}")


if __name__ == "__main__":
    main()
