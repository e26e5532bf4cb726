"""A run of a thousand evaluated candidates, written as files: nothing of it was fitted."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from report_runs import invented_run, outcome
from served import RUN

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.describe import claim_of
from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.render import render
from archsearch.problem.space import SearchSpace
from archsearch.study.candidate_files import folder_name, outcome_files
from archsearch.study.record import EvaluatedLine, ProposedLine
from archsearch.study.store import Study
from archsearch.study.writer import CANDIDATES, PROPOSALS

MANY = 1000
WAIT = 8
AT = "2026-11-22T10:15:00+00:00"


def thousand(runs: Path) -> Study:
    """The invented run, made a thousand long, with eight proposals that wait."""
    study = invented_run(runs / RUN)
    problem = study.problem()
    draw = random.Random(5)
    files = outcome(problem, study.candidate(3), 3, 0.5)
    lines, earlier = [], [study.candidate(3)]
    for number, candidate in zip(range(6, MANY + WAIT), sources(problem.space, earlier), strict=False):
        lines.append(ProposedLine.of(candidate, number, AT, float(number)))
        if number >= MANY:
            continue
        error = draw.uniform(0.3, 3.0)
        score = files.evaluation.validation.model_copy(update={"nrmse": error})
        changed = {"number": number, "candidate": candidate.id, "claim": candidate.claim, "validation": score}
        evaluation = files.evaluation.model_copy(update=changed | {"parents": candidate.parents})
        folder = study.folder / CANDIDATES / folder_name(number, candidate.id)
        folder.mkdir()
        for name, content in outcome_files(candidate, type(files)(evaluation, files.weights, {}, "")).items():
            (folder / name).write_bytes(content)
        told = {"number": number, "at": AT, "seconds": float(number), "candidate": candidate.id}
        lines.append(EvaluatedLine(**told, status="ok", nrmse=error))
    with (study.folder / PROPOSALS).open("a") as file:
        file.writelines(line.model_dump_json() + "\n" for line in lines)
    return study


def sources(space: SearchSpace, earlier: list[Candidate]) -> itertools.chain[Candidate]:
    """Different candidates without end, each with one of the ten before it as its parent."""

    def made(place: int) -> Candidate:
        net = NetGene("replace" if place % 2 else "scale", ("hare", "lynx"), (2 + place // 4 % 30, 2 + place // 120))
        genome = Genome(slots={"profit" if place % 4 < 2 else "hunting": net})
        claim = claim_of(genome, space)
        text = f"# {place}\n{render(genome, space, claim)}"
        candidate = Candidate(text, "grammar", claim, (earlier[place // 3].id,))
        earlier.append(candidate)
        return candidate

    return itertools.chain(map(made, itertools.count()))
