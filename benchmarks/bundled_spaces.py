"""The bundled search spaces, searched: what the README quotes, by one command.

    python benchmarks/bundled_spaces.py [SPACE ...] [--trials 40] [--seeds 3] [--folder DIR] [--readme README.md]

Each space is searched once per seed. The best model and the baselines are then scored on the sealed test data, which no
search looks at. Everything goes into the folder: the runs, `scores.csv` with a line per model, `quantities.csv` with
what is special to a space, and `tables.md`, which is also printed. A folder that holds finished runs is gone on with.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import platform
import statistics
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from archsearch.bundled import spaces
from archsearch.candidate.outcome import Evaluation, Score
from archsearch.evaluation import Evaluator
from archsearch.executors.local import LocalExecutor
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Part, Problem
from archsearch.problem.trajectories import Floats
from archsearch.proposers.grammar import GrammarProposer
from archsearch.report.leaderboard import four
from archsearch.search import run_search
from archsearch.settings import Budget, RunSettings
from archsearch.study.files import RUN
from archsearch.study.store import Study
from archsearch.training.score import no_change, score

MODELS = ("best", "physics", "net", "physics_plus_net", "no_change")
NAMES = {"best": "best found", "physics": "physics as given", "net": "net alone"}
NAMES |= {"physics_plus_net": "physics + net", "no_change": "no change"}
VARIANT = "_variant"
"""How spaces are called whose laws are no textbook's: recall.py searches them."""
PAGE_WIDTH = 125
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class ScoreLine:
    """A model of one search: its errors (nrmse) on the validation and the test data; None where it has none."""

    space: str
    seed: int
    model: str
    number: int | None
    claim: str
    weights: int
    parameters: int
    validation: float | None
    test: float | None
    seconds: float


@dataclass(frozen=True)
class Quantity:
    """Something that one space asks for."""

    space: str
    seed: int
    model: str
    name: str
    value: float


@dataclass(frozen=True)
class Predicted:
    """A model with its rollouts of the test data: at the samples, (N, T, n), and dense, (N, D) and (N, D, n)."""

    evaluation: Evaluation
    states: Floats
    dense_times: Floats
    dense_states: Floats
    score: Score


# ---- one search ------------------------------------------------------------------------------------------------------


def searched(space: str, seed: int, trials: int, workers: int, folder: Path) -> tuple[Study, float]:
    """The finished search of a space with this seed, and its seconds; gone on with if it was begun."""
    problem = load_problem(space)
    settings = RunSettings(seed=seed, workers=workers, budget=Budget(trials=trials))
    place = folder / f"{space}-{seed}"
    study = Study.open(place) if (place / RUN).exists() else Study.create(place, problem, settings, space)
    with ExitStack() as stack:

        def make_evaluator() -> Evaluator:
            return stack.enter_context(closing(Evaluator(problem, settings)))

        def executor() -> LocalExecutor:
            return LocalExecutor(make_evaluator, settings.workers)

        summary = run_search(problem, study, GrammarProposer(problem.space, seed), executor, settings)
    return study, summary.seconds


def models_of(study: Study) -> dict[str, Evaluation]:
    """The best and the baselines, as far as they could be scored."""
    best = study.best()
    found: dict[str, Evaluation] = {} if best is None else {"best": best}
    found |= {str(name): item for name, item in study.baselines().items()}
    return {name: item for name, item in found.items() if item.validation is not None}


def predicted(study: Study, problem: Problem, evaluations: Iterable[Evaluation]) -> dict[int, Predicted]:
    """The rollouts of the test data by the number of the model; the test scores are kept in the run."""
    assert problem.test is not None
    found = {}
    with closing(Evaluator(problem, study.settings)) as evaluator:
        for item in {item.number: item for item in evaluations}.values():
            arrays = evaluator.predict(study.source(item.number), study.weights(item.number), problem.test)
            found_score = score(problem, problem.test, arrays["states"])
            scored = study.record_test_score(item.candidate, found_score, study.record.sandbox)
            found[item.number] = Predicted(
                item, arrays["states"], arrays["dense_times"], arrays["dense_states"], scored
            )
    return found


def score_lines(
    space: str, study: Study, problem: Problem, rollouts: Mapping[int, Predicted], seconds: float
) -> list[ScoreLine]:
    """A line per model, and one for the prediction that nothing changes."""
    seed, lines = study.settings.seed, []
    for name, item in models_of(study).items():
        test = rollouts[item.number].score.nrmse
        size = (item.weights, len(item.parameters))
        lines.append(ScoreLine(space, seed, name, item.number, item.claim, *size, item.error, test, seconds))
    still = [_no_change(problem, part) for part in (problem.validation, problem.test)]
    return [*lines, ScoreLine(space, seed, "no_change", None, "", 0, 0, still[0], still[1], seconds)]


def _no_change(problem: Problem, part: Part | None) -> float | None:
    return None if part is None else score(problem, part, no_change(part)).nrmse


# ---- what single spaces ask for --------------------------------------------------------------------------------------


def bioreactor(problem: Problem, model: Predicted) -> dict[str, float]:
    """The 60 h batch that starves: least substrate, error of substrate, biomass at the end."""
    assert problem.test is not None
    names = problem.space.state_names
    substrate = model.dense_states[0, :, names.index("S")]
    steps = np.diff(model.dense_times[0])
    return {
        "least S (g/L)": float(substrate.min()),
        "hours with S < 0": float(steps[substrate[1:] < 0].sum()),
        "S-RMSE (g/L)": model.score.rmse["S"],
        "X(60 h) (g/L)": float(model.states[0, problem.test.trajectories.lengths[0] - 1, names.index("X")]),
    }


def pendulum(problem: Problem, model: Predicted) -> dict[str, float]:
    """The period, and the mean square error over both states as the published table has it."""
    assert problem.test is not None
    wrong = (model.states - problem.test.trajectories.states)[problem.test.scored]
    found = {"log10 MSE": math.log10(float(np.square(wrong).mean()))}
    period = model.evaluation.parameters.get("T0")
    if period is not None and period.deviation is not None:
        found |= {"T0 (s)": period.value, "T0 error (%)": 100 * period.deviation}
    return found


SPECIAL: dict[str, Callable[[Problem, Predicted], dict[str, float]]] = {"bioreactor": bioreactor, "pendulum": pendulum}

PUBLISHED: dict[str, dict[str, dict[str, float]]] = {
    "bioreactor": {
        "the truth": {"least S (g/L)": 0.07, "hours with S < 0": 0, "S-RMSE (g/L)": 0, "X(60 h) (g/L)": 3.51},
        "published: neural ODE, sequential": {
            **{"least S (g/L)": -0.37, "hours with S < 0": 22},
            **{"S-RMSE (g/L)": 0.19, "X(60 h) (g/L)": 3.73},
        },
        "published: neural DAE with S >= 0 (SiNDAE)": {
            "least S (g/L)": 0.05,
            "S-RMSE (g/L)": 0.30,
            "X(60 h) (g/L)": 3.50,
        },
    },
    "pendulum": {
        "published: Param(omega0), no damping": {"log10 MSE": -0.14, "T0 error (%)": 13.2},
        "published: neural ODE": {"log10 MSE": -2.84},
        "published: APHYNITY(omega0), a net for the damping": {"log10 MSE": -7.86, "T0 error (%)": 4.0},
        "published: Param(omega0, alpha), the damping given": {"log10 MSE": -8.28, "T0 error (%)": 0.45},
        "published: APHYNITY(omega0, alpha)": {"log10 MSE": -8.31, "T0 error (%)": 0.39},
    },
}
"""What others report, by the names of the quantities."""

SOURCES = {
    "bioreactor": (
        "Published: course notes on hybrid modelling of Carnegie Mellon University (J. Kitchin et al.), on this task, "
        "with a net in the place of the growth rate. Their noise was drawn by them, ours by us."
    ),
    "pendulum": (
        "Published: Yin et al., APHYNITY, table 1 of the text submitted to ICLR 2021 (the printed one may differ). "
        "Same equations and sampling, other draws; the models that are given the damping compare with a best model "
        "that found it in the library, those that are not with the one whose only change is a net."
    ),
}


def with_a_net_only(study: Study) -> Evaluation | None:
    """The best of the models that keep the physics as given, add nothing from the library, and have a net in a slot."""
    baselines = {item.number for item in study.baselines().values()}
    found = [
        item
        for item in study.ranked()
        if item.validation is not None
        and item.number not in baselines
        and item.nets
        and all(term.status == "given" for term in item.terms.values())
    ]
    return found[0] if found else None


def compared(study: Study) -> dict[str, Evaluation]:
    """The models whose special quantities are shown."""
    net_only = with_a_net_only(study)
    models = {NAMES[name]: item for name, item in models_of(study).items()}
    return models | ({"physics as given, net in a slot": net_only} if net_only is not None else {})


# ---- tables ----------------------------------------------------------------------------------------------------------


def median(values: Iterable[float | None]) -> float | None:
    """The median of what is there; None if nothing is."""
    kept = [value for value in values if value is not None]
    return statistics.median(kept) if kept else None


def score_table(lines: Sequence[ScoreLine]) -> str:
    """Validation and test error of every model in every space, medians over seeds."""
    heads = ["space", *(NAMES[model] for model in MODELS), "seconds"]
    rows = []
    for space in dict.fromkeys(line.space for line in lines):
        own = [line for line in lines if line.space == space]
        by_model = [[line for line in own if line.model == model] for model in MODELS]
        cells = [_pair(chosen) for chosen in by_model]
        cells[0] = f"**{cells[0]}**"
        seconds = median({line.seed: line.seconds for line in own}.values())
        rows.append([f"`{space}`", *cells, f"{seconds or 0.0:.0f}"])
    return _markdown(heads, rows)


def _pair(lines: Sequence[ScoreLine]) -> str:
    return f"{_two(median(line.validation for line in lines))} / {_two(median(line.test for line in lines))}"


def _two(value: float | None) -> str:
    """Three significant digits; a dash for none."""
    return "-" if value is None else f"{value:.3g}" if value >= 1e-3 else f"{value:.1e}"


def found_table(lines: Sequence[ScoreLine]) -> str:
    """What the searches of a space call the best, and how many of them do."""
    rows = []
    for space in dict.fromkeys(line.space for line in lines):
        claims = [line.claim for line in lines if (line.space, line.model) == (space, "best")]
        counted = [f"{claim} ({claims.count(claim)} of {len(claims)})" for claim in dict.fromkeys(claims)]
        rows.append([f"`{space}`", "<br>".join(counted)])
    return _markdown(["space", "best model, by how many searches"], rows)


def best_table(lines: Sequence[ScoreLine]) -> str:
    """What was found with each seed."""
    rows = [
        [f"`{line.space}`", str(line.seed), line.claim, f"{line.parameters} + {line.weights}", _pair([line])]
        for line in lines
        if line.model == "best"
    ]
    return _markdown(["space", "seed", "best model", "parameters + weights", "validation / test"], rows)


def special_table(space: str, quantities: Sequence[Quantity]) -> str:
    """What a space asks for, medians over seeds, beside what others report."""
    own = [item for item in quantities if item.space == space]
    names = list(dict.fromkeys([*(name for row in PUBLISHED[space].values() for name in row), *(q.name for q in own)]))
    rows = []
    for model in dict.fromkeys(item.model for item in own):
        values = [median(q.value for q in own if q.model == model and q.name == name) for name in names]
        rows.append([model, *(four(value) for value in values)])
    for published, known in PUBLISHED[space].items():
        rows.append([published, *(four(known.get(name)) for name in names)])
    return f"{_markdown([f'`{space}`, test data', *names], rows)}\n\n{_wrapped(SOURCES[space])}"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *rows])


def document(lines: Sequence[ScoreLine], quantities: Sequence[Quantity], trials: int, workers: int) -> str:
    """The tables for a page, with what they mean."""
    seeds = sorted({line.seed for line in lines})
    import torch

    told = (
        f"Errors are nrmse of full rollouts, validation / sealed test data, medians over {len(seeds)} searches of "
        f"{trials} evaluations each (seeds {', '.join(map(str, seeds))}). Seconds are those of one search, "
        f"{workers} evaluation{'s at once' if workers > 1 else ' at a time'} on {os.cpu_count()} cores "
        f"({platform.machine()}, PyTorch {torch.__version__})."
    )
    special = [special_table(space, quantities) for space in SPECIAL if any(q.space == space for q in quantities)]
    return "\n\n".join([_wrapped(told), score_table(lines), *special]) + "\n"


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, PAGE_WIDTH))


def refresh(readme: Path, text: str) -> None:
    """Put the tables between the markers of a file."""
    content = readme.read_text(encoding="utf-8")
    if content.count(BEGIN) != 1 or content.count(END) != 1:
        sys.exit(f"{readme}: expected one {BEGIN} and one {END}")
    before, rest = content.split(BEGIN)
    readme.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}", encoding="utf-8")


def write_csv(
    target: Path, lines: Sequence[ScoreLine] | Sequence[Quantity], kind: type[ScoreLine] | type[Quantity]
) -> None:
    """A line per record, below the names of its fields."""
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(kind)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(line) for line in lines)


# ---- the command -----------------------------------------------------------------------------------------------------


def asked() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="*", metavar="SPACE", help="default: all that are bundled")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3, help="how many searches of each space")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="for runs and tables; default: a temporary one that is kept")
    parser.add_argument("--readme", type=Path, help="a file with markers between which the tables go")
    return parser.parse_args()


def main() -> None:
    """Search, score on the test data, print."""
    wanted = asked()
    folder = wanted.folder or Path(tempfile.mkdtemp(prefix="bundled_spaces-"))
    lines: list[ScoreLine] = []
    quantities: list[Quantity] = []
    for space in wanted.spaces or [name for name in sorted(spaces()) if not name.endswith(VARIANT)]:
        for seed in range(wanted.seeds):
            study, seconds = searched(space, seed, wanted.trials, wanted.workers, folder)
            problem = study.problem()
            shown = compared(study)
            rollouts = predicted(study, problem, shown.values())
            lines += score_lines(space, study, problem, rollouts, seconds)
            for model, item in shown.items() if space in SPECIAL else ():
                found = SPECIAL[space](problem, rollouts[item.number])
                quantities += [Quantity(space, seed, model, name, value) for name, value in found.items()]
            best = next(line for line in lines if (line.space, line.seed, line.model) == (space, seed, "best"))
            print(f"{space}, seed {seed}: {_pair([best])}  {best.claim}", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "scores.csv", lines, ScoreLine)
    write_csv(folder / "quantities.csv", quantities, Quantity)
    text = document(lines, quantities, wanted.trials, wanted.workers)
    more = f"{text}\n{found_table(lines)}\n\n{best_table(lines)}\n"
    (folder / "tables.md").write_text(more, encoding="utf-8")
    if wanted.readme is not None:
        refresh(wanted.readme, text)
    print(text)
    print(f"runs and tables are in {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
