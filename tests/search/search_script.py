"""One session of a search in a process of its own, to be killed: `search_script.py RUN SPACE SEED TRIALS SECONDS`."""

from __future__ import annotations

import sys
from pathlib import Path

from search_fakes import FakeEvaluator

from archsearch.executors.local import LocalExecutor
from archsearch.problem.loading import load_problem
from archsearch.proposers.grammar import GrammarProposer
from archsearch.search import run_search
from archsearch.settings import Budget, RunSettings
from archsearch.study.store import Study


def main(run: str, space: str, seed: str, trials: str, seconds: str) -> None:
    problem = load_problem(space)
    settings = RunSettings(seed=int(seed), budget=Budget(trials=int(trials)), workers=3)
    begun = (Path(run) / "run.json").exists()
    study = Study.open(Path(run)) if begun else Study.create(Path(run), problem, settings, space)
    run_search(
        problem,
        study,
        GrammarProposer(problem.space, settings.seed),
        lambda: LocalExecutor(lambda: FakeEvaluator(seconds=float(seconds)), settings.workers),
        settings,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
