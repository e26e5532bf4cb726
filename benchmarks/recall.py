"""Found or remembered: the same question with the textbook's data and with data of another law, by one command.

    python benchmarks/recall.py [--trials 15] [--seeds 3] [--proposer grammar|llm|both] [--names told|hidden|both]
                                [--folder DIR]

A variant (`bioreactor_variant`, `pendulum_variant`) is told in the words of its original, and its library has the laws
of both; only its data were made by other equations. Each of these questions is asked twice, with the data of the
original and with those of the variant, and with `--names both` twice more under names that mean nothing
(`--anonymise`). A proposer that remembers finds the first and not the second; one that reasons from data finds both.
The LLM is the one that is configured (docs/llm.md); the grammar needs none, and is never told a name. Everything goes
into the folder: the runs, `recall.csv` with a line per search, and `tables.md`, which is also printed.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path

from archsearch.bundled import space_file
from archsearch.candidate.genome import Genome
from archsearch.problem.loading import load_problem
from archsearch.proposers.baselines import candidate_of
from archsearch.proposers.canonical import canonical
from archsearch.study.store import Study

TRUTHS: Mapping[str, Mapping[str, Genome]] = {
    "bioreactor_variant": {
        "bioreactor": Genome(terms={"growth_rate": "monod"}),
        "bioreactor_variant": Genome(terms={"growth_rate": "sigmoid"}, added=("decay",)),
    },
    "pendulum_variant": {
        "pendulum": Genome(added=("viscous_damping",)),
        "pendulum_variant": Genome(added=("cubic_damping",)),
    },
}
"""By question, and by the simulator that makes its data, the architecture that made them."""


@dataclass(frozen=True)
class Line:
    """One search.

    Attributes:
        question: the space whose words and library are used.
        law: the simulator that made the data.
        names: `told` or `hidden`.
        proposer: as for `archsearch run`.
        seed: of the search.
        first: the number of the evaluation that first had the true equations, None if none had.
        best: whether the best model has them, and nothing else.
        within: whether the best model has all true terms and no net; what else it has may be fitted to nothing.
        claim: of the best model.
    """

    question: str
    law: str
    names: str
    proposer: str
    seed: int
    first: int | None
    best: bool
    within: bool
    claim: str


def question_with(question: str, law: str, folder: Path) -> Path:
    """A space that asks a question with the data of a law; the same text but for the name of the simulator."""
    text = space_file(question).read_text(encoding="utf-8")
    asked = text.replace(f'simulator = "{question}"', f'simulator = "{law}"')
    assert f'simulator = "{law}"' in asked
    path = folder / "questions" / law / "space.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(asked, encoding="utf-8")
    return path.parent


def truth(question: str, law: str) -> str:
    """The equations behind the data, in the form in which equations are compared."""
    form = canonical(candidate_of(TRUTHS[question][law], load_problem(question).space).source)
    assert form is not None
    return form


def found(study: Study, form: str, terms: set[str]) -> tuple[int | None, bool, bool]:
    """The first evaluation with these equations; whether the best has them; whether it has their terms and no net."""
    same = [item.number for item in study.evaluations() if canonical(study.source(item.number)) == form]
    best = study.resolve(None)
    own = {term.by or name for name, term in best.terms.items() if term.status in ("added", "replaced")}
    return min(same, default=None), best.number in same, terms <= own and not best.nets


def searched(space: Path, run: Path, options: argparse.Namespace, names: str, seed: int) -> Study:
    """One search by the command line, as a person would start it; a finished one is not repeated."""
    if not (run / "run.json").exists():
        command = [sys.executable, "-m", "archsearch", "run", str(space), "--run-dir", str(run), "--seed", str(seed)]
        command += ["--trials", str(options.trials), "--proposer", options.proposer]
        subprocess.run(command + (["--anonymise"] if names == "hidden" else []), check=True, stdout=subprocess.DEVNULL)
    return Study.open(run)


def lines(options: argparse.Namespace, folder: Path) -> Iterator[Line]:
    """All searches, one after the other."""
    names = ("told", "hidden") if options.names == "both" and options.proposer != "grammar" else (options.names,)
    asked = [(question, law) for question, laws in TRUTHS.items() for law in laws]
    for (question, law), called, seed in product(asked, names, range(options.seeds)):
        called = "told" if called == "both" else called
        run = folder / "runs" / f"{law}-{called}-{options.proposer}-{seed}"
        study = searched(question_with(question, law, folder), run, options, called, seed)
        genome = TRUTHS[question][law]
        told = found(study, truth(question, law), {*genome.terms.values(), *genome.added})
        yield Line(question, law, called, options.proposer, seed, *told, study.resolve(None).claim)


def table(found_lines: Iterable[Line]) -> str:
    """How often the true equations were tried, and won, by law and by names."""
    found_lines = list(found_lines)
    text = [
        "| data made by | names | proposer | true equations tried | at evaluation (median) | best | part of the best |"
    ]
    text.append("|---|---|---|---|---|---|---|")
    for key in dict.fromkeys((line.law, line.names, line.proposer) for line in found_lines):
        own = [line for line in found_lines if (line.law, line.names, line.proposer) == key]
        tried = [line.first for line in own if line.first is not None]
        when = f"{statistics.median(tried):g}" if tried else "-"
        counts = (
            f"{sum(values)} of {len(own)}" for values in zip(*((line.best, line.within) for line in own), strict=True)
        )
        cells = (*key, f"{len(tried)} of {len(own)}", when, *counts)
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text) + "\n"


def write_csv(path: Path, found_lines: Iterable[Line]) -> None:
    """A line per search."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Line)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(line) for line in found_lines)


def asked() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=15, help="of each search")
    parser.add_argument("--seeds", type=int, default=3, help="searches of each question")
    parser.add_argument("--proposer", choices=("grammar", "llm", "both"), default="grammar")
    parser.add_argument("--names", choices=("told", "hidden", "both"), default="both")
    parser.add_argument("--folder", type=Path, help="for runs and tables; default: a temporary one that is kept")
    return parser.parse_args()


def main() -> None:
    """Search, compare, write, print."""
    options = asked()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="recall-"))
    done: list[Line] = []
    for line in lines(options, folder):
        done.append(line)
        print(f"{line.law}, {line.names}, seed {line.seed}: {line.claim}", file=sys.stderr, flush=True)
    write_csv(folder / "recall.csv", done)
    text = table(done)
    (folder / "tables.md").write_text(text, encoding="utf-8")
    print(f"{text}\n{folder}")


if __name__ == "__main__":
    main()
