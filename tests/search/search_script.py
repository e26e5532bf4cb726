"""Sessions of a search, each in a forked process of its own that may be killed.

Reads lines `RUN<tab>SPACE<tab>SEED<tab>TRIALS<tab>SECONDS` on standard input. For each it writes the id of the process
that searches, then, when that process is gone, its exit status. Forking spares each session the imports.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from search_fakes import FakeEvaluator

from archsearch.executors.local import LocalExecutor
from archsearch.problem.loading import load_problem
from archsearch.proposers.grammar import GrammarProposer
from archsearch.search import run_search
from archsearch.settings import Budget, RunSettings
from archsearch.study.store import Study


def session(run: str, space: str, seed: str, trials: str, seconds: str) -> None:
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


def child(line: str) -> None:
    """Run one session and end this process."""
    code = 1
    try:
        session(*line.rstrip("\n").split("\t"))
        code = 0
    except BaseException:  # noqa: BLE001 - this process must end here, whatever happened
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            child(line)
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
