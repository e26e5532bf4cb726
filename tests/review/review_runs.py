"""A run of invented results over the real space of hares and lynx, with proposals that wait for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archsearch.candidate.baselines import net_alone, physics_as_given, physics_plus_net
from archsearch.candidate.candidate import Candidate
from archsearch.candidate.describe import claim_of
from archsearch.candidate.genes import to_parameters
from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.outcome import Evaluation, Failure, Score
from archsearch.candidate.render import render
from archsearch.evaluation import Outcome
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.settings import RunSettings
from archsearch.study.candidate_files import folder_name, outcome_files
from archsearch.study.record import EvaluatedLine, ProposedLine
from archsearch.study.store import Study
from archsearch.study.writer import CANDIDATES, PROPOSALS

BOTH = ("hare", "lynx")
HUNTING = Genome(slots={"hunting": NetGene("scale", BOTH, (8,))})
PROFIT = Genome(slots={"profit": NetGene("replace", ("hare",), (8, 8))}, norm_weight=0.1)
SATURATED = Genome(terms={"predation": "saturating_predation"})
BOTH_SATURATED = Genome(terms={"predation": "saturating_predation", "conversion": "saturating_conversion"})
RATE = "Param(0.5,"
AT = "2026-11-22T05:00:00+00:00"

BY_HAND = '''"""Hares hide: predation is a power of their number, in a notation of its own."""

from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
    growth_rate = Param(0.5, low=0.0, high=2.0, unit="1/year")
    attack_rate = Param(0.02, low=0.0, high=0.2, unit="1/(kilopelt*year)")
    conversion_rate = Param(0.02, low=0.0, high=0.5, unit="1/(kilopelt*year)")
    mortality = Param(0.8, low=0.0, high=3.0, unit="1/year")
    hiding = Param(1.0, low=0.1, high=3.0)
    luck = Net(inputs=("lynx",), role="scale", hidden=(4,), positive=True)

    def rhs(self, t, x, u):
        growth = self.term("growth", x.hare * self.growth_rate)
        predation = self.term("predation", x.hare**self.hiding * self.attack_rate * x.lynx)
        conversion = self.term("conversion", x.hare * x.lynx * self.conversion_rate)
        death = self.term("death", self.mortality * x.lynx)
        return {"hare": growth - predation * self.luck(x.lynx), "lynx": conversion - death}
'''
WITH_A_LOOP = BY_HAND.replace(
    '        return {"hare": growth',
    '        for _ in range(2):\n            growth = growth / 2\n        return {"hare": growth',
)


def candidate_of(genome: Genome, problem: Problem, parents: tuple[str, ...] = (), author: str = "grammar") -> Candidate:
    """A candidate as the grammar renders it."""
    genes, claim = to_parameters(genome, problem.space), claim_of(genome, problem.space)
    return Candidate(render(genome, problem.space, claim), author, claim, parents, genes)


def outcome_of(
    problem: Problem, candidate: Candidate, number: int, error: float | None, seconds: float = 2.0
) -> Outcome:
    """An invented result: predictions are the data, off by a share; a failure without an error."""
    if error is None:
        failure = Failure(kind="diverged", message="It was not finite.", remedy="Bound it.")
        return Outcome(Evaluation.of(candidate, number, failure).model_copy(update={"seconds": seconds}), b"", {}, "")
    names = problem.validation.trajectories.ids
    score = Score(
        nrmse=error,
        rmse=dict.fromkeys(problem.space.observed_names, 10 * error),
        per_trajectory=dict.fromkeys(names, error),
        trajectories=len(names),
        diverged=0,
    )
    record = Evaluation.of(candidate, number).model_copy(
        update={"status": "ok", "train": score, "validation": score, "seconds": seconds}
    )
    arrays = {
        f"{name}.states": part.trajectories.states * (1 + 0.3 * error)
        for name, part in (("train", problem.train), ("validation", problem.validation))
    }
    return Outcome(record, b"weights", arrays, "")


def new_run(folder: Path, settings: RunSettings | None = None) -> tuple[Study, Problem]:
    """A run that nothing was proposed in."""
    problem = load_problem("hare_lynx")
    return Study.create(folder, problem, settings or RunSettings(seed=5, review="each"), "hare_lynx"), problem


def add_evaluated(study: Study, problem: Problem, results: Sequence[tuple[Candidate, float | None]]) -> None:
    """Add evaluated candidates as a search would leave them, at the speed at which a disk takes files."""
    lines = []
    first = len(study.proposals())
    for number, (candidate, error) in enumerate(results, first):
        files = outcome_files(candidate, outcome_of(problem, candidate, number, error, 1.0 + number % 7))
        target = study.folder / CANDIDATES / folder_name(number, candidate.id)
        target.mkdir(parents=True)
        for name, content in files.items():
            (target / name).write_bytes(content)
        status = "failed" if error is None else "ok"
        lines.append(ProposedLine.of(candidate, number, AT, 0.0).model_dump_json())
        lines.append(
            EvaluatedLine(
                number=number, at=AT, seconds=0.0, candidate=candidate.id, status=status, nrmse=error
            ).model_dump_json()
        )
    with (study.folder / PROPOSALS).open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def add_waiting(study: Study, candidates: Sequence[Candidate]) -> list[int]:
    """Add proposals that nobody has decided about; returns their numbers."""
    first = len(study.proposals())
    numbers = list(range(first, first + len(candidates)))
    with (study.folder / PROPOSALS).open("a") as file:
        for number, candidate in zip(numbers, candidates, strict=True):
            file.write(ProposedLine.of(candidate, number, AT, 0.0).model_dump_json() + "\n")
    return numbers


def reviewed_run(folder: Path) -> tuple[Study, Problem]:
    """The baselines, a better law (3), a failure (4); and four that wait: a net, its double, an LLM's source, a law."""
    study, problem = new_run(folder)
    space = problem.space
    baselines = [candidate_of(genome, problem) for genome in _baselines(problem)]
    law = candidate_of(SATURATED, problem)
    failing = candidate_of(Genome(terms={"conversion": "dropped"}), problem)
    done = [*zip(baselines, (0.8123, 0.9234, 0.7345), strict=True), (law, 0.4567), (failing, None)]
    add_evaluated(study, problem, done)
    by_hand = Candidate(BY_HAND, "llm", "Hares hide when they are few.", (law.id,), None, "Lynx are at a loss then.")
    smaller = Genome(slots={"hunting": NetGene("scale", ("lynx",), (8,))})
    waiting = [HUNTING, smaller]
    nets = [candidate_of(genome, problem, (law.id,)) for genome in waiting]
    add_waiting(study, [*nets, by_hand, candidate_of(BOTH_SATURATED, problem, (law.id,))])
    assert space.slots
    return study, problem


def large_run(folder: Path, count: int) -> tuple[Study, Problem]:
    """A run with so many evaluated candidates, and four that wait."""
    study, problem = new_run(folder)
    generator = np.random.default_rng(0)
    base = [candidate_of(genome, problem) for genome in (*_baselines(problem), HUNTING, PROFIT, SATURATED)]
    results: list[tuple[Candidate, float | None]] = [(item, 0.5 + 0.1 * place) for place, item in enumerate(base)]
    with_rate = [item for item in base if RATE in item.source]
    for number in range(len(base), count):
        source = with_rate[number % len(with_rate)].source.replace(RATE, f"Param({0.5 + 1e-6 * number:.6f},")
        error = float(np.exp(generator.normal(-1, 0.3)))
        results.append((Candidate(source, "llm", f"Variant {number}.", (base[3].id,)), error))
    add_evaluated(study, problem, results)
    waiting = [
        candidate_of(BOTH_SATURATED, problem, (base[5].id,)),
        Candidate(BY_HAND, "llm", "Hares hide.", (base[3].id,)),
    ]
    add_waiting(study, waiting)
    return study, problem


def _baselines(problem: Problem) -> list[Genome]:
    found = [physics_as_given(problem.space), net_alone(problem.space), physics_plus_net(problem.space)]
    return [genome for genome in found if genome is not None]
